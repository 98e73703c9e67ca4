"""The pages of docs/ agree with the code that they are about."""

import re
from pathlib import Path

import pytest
import yaml

from tools import architecture, concepts, peers, sizing
from tools.docs_site import PAGES, public_modules, repository_path, site_path, with_site_links

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
CHANGES = re.findall(r"^\| (.+?) \| `(.+?)` \|$", ARCHITECTURE, flags=re.MULTILINE)


def test_the_picture_of_the_architecture_is_drawn_from_the_code_as_it_is():
    # Mend with: python -m tools.architecture
    assert architecture.PICTURE.read_text(encoding="utf-8") == architecture.current()


def test_every_stage_is_in_the_picture_with_what_it_reads_and_writes():
    drawn = architecture.PICTURE.read_text(encoding="utf-8")
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert [name for name in stages if f">{name}<" not in drawn] == []
    assert [name for name, stage in stages.items() if not architecture.written(stage)] == []


@pytest.mark.parametrize("name", concepts.PICTURES)
def test_the_pictures_of_concepts_are_drawn_from_the_recorded_results(name):
    # Mend with: python -m tools.concepts
    assert (concepts.IMAGES / name).read_text(encoding="utf-8") == concepts.PICTURES[name]()


def test_the_page_of_peers_is_made_from_the_recorded_results():
    # Mend with: python -m tools.peers
    assert peers.PAGE.read_text(encoding="utf-8") == peers.render()
    assert peers.PICTURE.read_text(encoding="utf-8") == peers.draw()


def test_the_page_of_sizes_is_made_from_the_recorded_results():
    # Mend with: python -m tools.sizing
    assert sizing.PAGE.read_text(encoding="utf-8") == sizing.render()
    assert sizing.PICTURE.read_text(encoding="utf-8") == sizing.draw()


def test_the_page_of_sizes_tells_the_whole_chain_and_training_once_they_are_measured(monkeypatch):
    chain = [
        {"products": size, "purchases": 70 * size, "stage": stage, "seconds": size / 100, "peak GB": size / 50_000}
        for size in (10_000, 100_000)
        for stage in ("ingest", "train_gnn")
    ]
    loop = [
        {"loop": "onward", "products": size, "edges": 10 * size, "seconds": size / 1000, "pairs a second": 9e3,
         "information": 0.5, "peak GB": 1.0}
        for size in (10_000, 100_000)
    ]  # fmt: skip
    made = {
        "sizes": {"rows": chain, "command": "sizes"},
        "million": {
            "rows": [
                {"stage": "ingest", "seconds": 60.4, "own work": 50.0},
                {"stage": "report and push", "seconds": 9.0, "own work": None},
            ],
            "command": "million",
            "claims": {"products": 1e6, "purchases": 1e7, "minutes": 40.2, "peak_gb": 15.0, "products_with_lists": 2e5},
        },
        "training": {"rows": loop, "command": "training", "claims": {"exponent": 1.0}},
    }
    known = sizing.recorded
    monkeypatch.setattr(sizing, "recorded", lambda name: made.get(name) or known(name))
    page = sizing.render()
    assert "not been measured yet" not in page
    # Two stages of a hundredth of a second a product; 2 GB at the larger shop, ten times as many at the next.
    assert "| 1,000,000 | 70,000,000 | 5.6 | 20 | ingest | 64 |" in page
    assert "| ingest | 60 | 50 |\n| report and push | 9 | – |" in page
    assert sizing.draw() != sizing.PICTURE.read_text(encoding="utf-8")


def test_the_ten_commonest_changes_each_name_a_file_that_exists():
    assert len(CHANGES) == 10
    assert [file for _, file in CHANGES if not (ROOT / file).is_file()] == []


def test_every_room_is_on_the_map_of_the_house_and_in_the_reference():
    rooms = {path.parent.name for path in (ROOT / "src" / "onward").glob("*/__init__.py")}
    first_column = " ".join(re.findall(r"^\| (`.+?) \|", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE))
    assert rooms - set(re.findall(r"`(\w+)`", first_column)) == set()
    assert rooms - set(public_modules()) == set()


@pytest.mark.parametrize("source", [*PAGES, "docs/results.md", "docs/how-to/airflow.md"])
def test_a_page_of_the_repository_and_its_page_on_the_site_find_each_other(source):
    assert repository_path(site_path(source)) == source


def test_links_between_pages_hold_on_the_site_too():
    assert with_site_links("[a](docs/results.md#delay)", "README.md") == "[a](results.md#delay)"
    assert (
        with_site_links("[a](../../monitoring/runbook.md)", "docs/how-to/on-call.md") == "[a](../monitoring/runbook.md)"
    )
    assert with_site_links("[a](https://example.org/x.md)", "README.md") == "[a](https://example.org/x.md)"
