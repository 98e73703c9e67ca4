"""docs/direction.md says what was measured."""

import pytest

from tools.direction import PAGE, TABLES, TARGETS, read_results, with_tables
from tools.readme import END

RESULTS = read_results()


def test_every_table_is_the_one_the_benchmarks_wrote():
    # Mend with: python -m tools.direction
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page, RESULTS) == page


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_on_the_page(name):
    page = PAGE.read_text(encoding="utf-8")
    begin = f"<!-- table: {name} -->"
    assert page.count(begin) == 1
    assert page.split(begin)[1].split(END)[0].strip()


@pytest.mark.parametrize(
    ("name", "claim"), [each[:2] for each in TARGETS if each[0] in RESULTS], ids=lambda value: value
)
def test_every_target_is_claimed_by_a_whole_run(name, claim):
    assert claim in RESULTS[name]["claims"]
    assert not {"--part", "--query", "--sets", "--clocks"} & set(RESULTS[name]["command"].split())
    assert "dirty" not in RESULTS[name]["commit"]


def test_the_speed_of_the_whole_loop_is_told_beside_that_of_the_loader():
    ratio = RESULTS["sampling"]["claims"]["ratio_whole_loop"]
    assert f"is {ratio:.2f} times as fast" in PAGE.read_text(encoding="utf-8")


def test_what_is_said_of_new_products_is_what_was_measured():
    claims = read_results()["direction_cold"]["claims"]
    assert 1.28 < claims["photo_alone_ratio"] < 1.40, "a third more"
    assert 1.07 < claims["photo_alone_taught_warm_ratio"] < 1.10, "a twelfth more"
    assert claims["cora_ml_alone_ratio_low"] < 1.0 < claims["cora_ml_alone_ratio_high"], "no more"
    assert claims["cora_ml_alone_taught_warm_ratio"] < 1.0, "a little less"
