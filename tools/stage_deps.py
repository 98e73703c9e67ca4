"""Print or check the modules each DVC stage imports, which dvc.yaml must list as deps.

A module missing from `deps` is the usual cause of a stale cache: DVC skips a stage whose code has changed.

Usage:
    python -m tools.stage_deps           # print what each stage's deps should hold
    python -m tools.stage_deps --write   # put it into dvc.yaml
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import grimp
import yaml

from onward.pipeline_file import PIPELINE_FILE, Pipeline, parse_pipeline

ROOT = Path(__file__).resolve().parents[1]


def stage_module(command: str) -> str:
    """Return the module a stage's command runs.

    >>> stage_module("python -m onward.stages.ingest")
    'onward.stages.ingest'
    """
    python, flag, module = command.split()
    if (python, flag) != ("python", "-m"):
        raise ValueError(f"expected `python -m MODULE`, found {command!r}")
    return module


def source_files(module: str, graph: grimp.ImportGraph) -> list[str]:
    """Return the project-relative files of `module` and of everything in onward it imports, sorted."""
    modules = {module} | graph.find_upstream_modules(module)
    # Importing a.b.c runs a/__init__.py and a/b/__init__.py too.
    packages = {name.rsplit(".", depth)[0] for name in modules for depth in range(1, name.count(".") + 1)}
    return sorted(_file_of(name) for name in modules | packages)


def _file_of(module: str) -> str:
    path = Path("src", *module.split("."))
    return str(path / "__init__.py") if (ROOT / path).is_dir() else f"{path}.py"


def expected_deps(pipeline: Pipeline) -> dict[str, list[str]]:
    """Return, for every stage of dvc.yaml, the source files its deps must list."""
    # What only a type checker imports never runs: its edit changes no output, so it must not run a stage again.
    graph = grimp.build_graph("onward", cache_dir=None, exclude_type_checking_imports=True)
    return {name: source_files(stage_module(stage.cmd), graph) for name, stage in pipeline.stages.items()}


def listed_deps(pipeline: Pipeline) -> dict[str, list[str]]:
    """Return, for every stage, the source files its deps do list."""
    stages = pipeline.stages.items()
    return {name: sorted(dep for dep in stage.deps if dep.startswith("src/")) for name, stage in stages}


def _with_deps(text: str, expected: Mapping[str, list[str]]) -> str:
    """Replace the `- src/…` lines of each stage, keeping every comment and other line."""
    lines: list[str] = []
    stage, in_deps = "", False
    for line in text.splitlines():
        if line.startswith("  ") and not line.startswith("   ") and line.rstrip().endswith(":"):
            stage = line.strip().rstrip(":")
        in_deps = line == "    deps:" or (in_deps and line.startswith("      - "))
        if in_deps and line.startswith("      - src/"):
            continue
        lines.append(line)
        if line == "    deps:":
            lines.extend(f"      - {path}" for path in expected[stage])
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print the expected deps, or write them into dvc.yaml."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help="replace the source deps in dvc.yaml")
    arguments = parser.parse_args()
    path = ROOT / PIPELINE_FILE
    text = path.read_text(encoding="utf-8")
    expected = expected_deps(parse_pipeline(text.encode()))
    if arguments.write:
        path.write_text(_with_deps(text, expected), encoding="utf-8")
        return 0
    yaml.safe_dump(expected, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
