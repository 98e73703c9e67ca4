"""The rules of the house that no linter knows."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "onward").rglob("*.py"))
NAMES = [str(path.relative_to(ROOT / "src")) for path in SOURCES]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
BENCHMARK_TESTS = sorted((ROOT / "benchmarks" / "tests").rglob("*.py"))
ROOMS = {
    "data", "graph", "delay", "model", "uncertainty", "thresholds", "ranking", "diagnosis", "metrics", "evaluation",
    "monitoring", "reporting",
}  # fmt: skip
OPENERS = {"open", "read_text", "write_text", "read_bytes", "write_bytes", "read_csv", "to_csv", "to_parquet", "mkdir"}
# Sources read the log, and Evidently writes its own pages: everything else goes through onward.artifacts.
MAY_OPEN = {"onward/reporting/evidently_pages.py"}


def test_no_room_for_odds_and_ends():
    words = {"utils", "common", "helpers", "misc"}
    assert [name for name in NAMES if words & set(Path(name).with_suffix("").parts)] == []


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_input_is_never_checked_by_assert(path):
    # `python -O` drops assertions: input is refused with a named exception.
    assert [node.lineno for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Assert)] == []


def is_domain(path: Path) -> bool:
    parts = path.relative_to(ROOT / "src" / "onward").parts
    return parts[0] in ROOMS and parts[:2] != ("data", "sources") and f"onward/{'/'.join(parts)}" not in MAY_OPEN


@pytest.mark.parametrize("path", [path for path in SOURCES if is_domain(path)], ids=lambda path: path.name)
def test_domain_modules_open_no_files(path):
    tree = ast.parse(path.read_text())
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls}
    assert names & OPENERS == set()
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "onward.artifacts" not in imported


def test_the_pipeline_never_touches_the_simulators_truth():
    # Benchmarks and tests may read truth/; a model that could would be worthless.
    readers = [path for path in SOURCES if re.search(r"""["'/]truth["'/]""", path.read_text())]
    assert readers == []


def imported_by(path: Path) -> set[str]:
    """Full names of what a module imports, wherever in it."""
    tree = ast.parse(path.read_text())
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", TESTS + BENCHMARK_TESTS, ids=lambda path: path.stem)
def test_no_test_module_imports_another_one(path):
    # What two of them need is a module of tests/builders.
    parts = {part for name in imported_by(path) for part in name.split(".")[:-1]}
    assert {part for part in parts if part.startswith("test_")} == set()


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_tests_of_the_package_import_no_benchmark(path):
    # The tests of benchmarks lie beside them, in benchmarks/tests.
    assert {name for name in imported_by(path) if name.split(".")[0] == "benchmarks"} == set()
