"""README.md and docs/results.md say what was measured, and nothing else."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from onward.monitoring.verdict import OF_VERSION
from tools import results
from tools.readme import BEGIN, END, between_markers, whole_table, with_table

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
ELSEWHERE = {".venv", ".venv-peers", "site"}
PAGES = [path for path in ROOT.rglob("*.md") if not ELSEWHERE & set(path.relative_to(ROOT).parts)]

FIGURE = re.compile(r"\d*\.\d+|\d+\s?%")
NAMES_WITH_DOTS = re.compile(r"`[^`]*`|```.*?```|\]\([^)]*\)|Python 3\.11|arXiv \d+\.\d+|Apache-2\.0", re.DOTALL)
"""Code, links and names, whose digits are no measurements."""


def test_the_table_is_the_one_the_benchmark_wrote():
    # Mend with: python -m benchmarks.related && python -m tools.readme
    result = json.loads((ROOT / "benchmarks" / "results" / "related.json").read_text())
    assert with_table(README, result) == README
    page = (ROOT / "docs" / "related.md").read_text()
    assert between_markers(page, BEGIN, whole_table(result)) == page


def test_every_other_figure_of_the_readme_is_on_the_page_of_results():
    before, _, rest = README.partition(BEGIN)
    prose = NAMES_WITH_DOTS.sub("", before + rest.partition(END)[2])
    assert FIGURE.findall(prose) == []


def test_the_results_are_those_that_the_benchmarks_recorded():
    # Mend with: python -m tools.results
    assert results.PAGE.read_text(encoding="utf-8") == results.render()


def test_no_figure_of_the_results_is_written_by_hand():
    template = (results.TEMPLATES / results.TEMPLATE).read_text(encoding="utf-8")
    by_hand = NAMES_WITH_DOTS.sub("", re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", template, flags=re.DOTALL))
    assert FIGURE.findall(by_hand) == []


def test_what_the_results_say_in_words_is_what_was_measured():
    assert results.claims("reproducibility")["hash_mismatches"] == 0
    assert results.claims("replay")["files_different"] == 0
    assert {row["verdict"] for row in results.result("replay")["rows"]} <= set(OF_VERSION)
    assert results.claims("direction_adaptive")["sets_gained"] == 1.0
    assert all(
        results.claims("direction_adaptive")[f"{name}_all_gain_low"] > 0.0 for name in ("photo", "beauty", "uci")
    )
    cold = results.claims("direction_cold")
    assert cold["photo_alone_ratio_low"] > 1.0
    assert cold["cora_ml_alone_ratio_low"] < 1.0 < cold["cora_ml_alone_ratio_high"]
    assert results.claims("direction_retail")["uci_hr10_gain_low"] < 0.0
    assert results.claims("related_encoder")["gnn_gain_low"] < 0.0
    assert results.claims("thresholds_complete_journey")["best_matched_volume_gain_low"] < 0.0
    assert results.claims("thresholds_exact")["mismatches"] == 0


def test_the_readme_can_be_read_at_one_sitting():
    assert len(README.splitlines()) <= 90
    assert len(README.split()) <= 800


def test_the_first_screen_has_the_two_commands_and_a_picture():
    first_screen = README[: README.index(BEGIN)]
    assert "make run" in first_screen
    assert "make test" in first_screen
    assert "](docs/images/" in first_screen


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_every_result_is_in_the_common_form(path):
    record = json.loads(path.read_text())
    assert set(record) == {"name", "command", "commit", "seeds", "rows", "claims"}
    assert record["name"] == path.stem
    assert record["rows"]
    assert all(isinstance(value, int | float) for value in record["claims"].values())


def is_in_the_history(commit):
    command = ["git", "merge-base", "--is-ancestor", commit, "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_every_result_names_the_commit_that_made_it(path):
    # Mend with: the record's command, at a commit, with nothing changed.
    commit = json.loads(path.read_text())["commit"]
    assert is_in_the_history(commit), commit


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_inside_the_repository_lead_somewhere(path):
    for target in {part.split(")")[0] for part in path.read_text().split("](")[1:]}:
        if not target.startswith(("http", "#")):
            assert (path.parent / target.split("#")[0]).exists(), target
