"""The README says what was measured."""

import json
from pathlib import Path

import pytest

from onward.ranking.link_scores import GRIDS
from tools.readme import BEGIN, between_markers, whole_table, with_table

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


def test_the_table_is_the_one_the_benchmark_wrote():
    # Mend with: python -m benchmarks.related && python -m tools.readme
    result = json.loads((ROOT / "benchmarks" / "results" / "related.json").read_text())
    assert with_table(README, result) == README
    page = (ROOT / "docs" / "related.md").read_text()
    assert between_markers(page, BEGIN, whole_table(result)) == page


def test_what_is_said_of_complements_is_what_the_benchmark_found():
    rows = json.loads((ROOT / "benchmarks" / "results" / "related.json").read_text())["rows"]
    mean = [row for row in rows if row["relevant"] == "complements, same basket" and row["clock"] == "mean"]
    served = next(row for row in mean if row["method"] == "Onward")
    assert f"hit in {served['hr@10']:.3f} of cases at {served['lift@10']:.2f} times chance" in README
    ahead = [row for row in mean if row["hr@10"] > served["hr@10"] and row["lift@10"] > served["lift@10"]]
    for row in ahead:
        assert (
            f"{row['method'].split()[0]} with another setting has {row['hr@10']:.3f} and {row['lift@10']:.2f}" in README
        )
    assert ("with another setting has" in README) == bool(ahead)


def test_the_three_questions_are_answered_as_the_benchmark_says():
    claims = json.loads((ROOT / "benchmarks" / "results" / "diagnosis.json").read_text())["claims"]
    right = f"{claims['diagnosis_right']:.3f}"[1:]
    assert f"The answers are right in\n{right} of 160 simulated shops" in README


def test_figures_in_the_text_are_claims_of_the_benchmark():
    claims = json.loads((ROOT / "benchmarks" / "results" / "complete_journey.json").read_text())["claims"]
    assert f"{claims['impressions']:,.0f} of them, with {claims['conversions']:.0f} conversions" in README
    assert f"of {claims['customers']:.0f} households" in README
    cost = json.loads((ROOT / "benchmarks" / "results" / "reproducibility.json").read_text())["claims"]
    assert cost["hash_mismatches"] == 0


def test_figures_about_delay_are_claims_of_its_benchmark():
    claims = json.loads((ROOT / "benchmarks" / "results" / "delay_simulated.json").read_text())["claims"]
    mean, worst = (
        {group: f"{claims[f'ri_nll_{part}_{group}']:.0f}" for group in ("stable", "shift", "few")}
        for part in ("mean", "worst")
    )
    assert f"recovers {mean['stable']} % of the log loss" in README
    assert f"(worst seed {worst['stable']}) while delays keep their law" in README
    assert f"{mean['shift']} % ({worst['shift']}) when they shift" in README
    assert f"{mean['few']} % ({worst['few']}) with a few hundred conversions" in README


def test_figures_about_direction_are_claims_of_its_benchmarks():
    results = ROOT / "benchmarks" / "results"
    beauty = json.loads((results / "direction_sequences.json").read_text())["claims"]
    retail = json.loads((results / "direction_retail.json").read_text())
    shops, rows = retail["claims"], retail["rows"]
    cora = json.loads((results / "direction_dirlink.json").read_text())["claims"]
    assert f"Hits@100 of {cora['cora_ml_hits100_blend']:.1f} on Cora-ML's ten splits" in README
    assert f"(encoder alone {cora['cora_ml_hits100_encoder']:.1f}," in README
    of_photo = {row["method"]: row["direction AUC, both matched"] for row in rows if row["data"] == "Photo"}
    best = max(of_photo[f"{name} {number}"] for name, grid in GRIDS.items() for number in range(len(grid)))
    way = shops["photo_direction_auc_both_matched"]
    assert f"it knows the way in {way:.2f} of cases (the best score of a pair {best:.2f};".replace("0.", ".") in README
    by_item, by_history = (f"{beauty[name]:.3f}"[1:] for name in ("beauty_hr10_blend", "beauty_history_hr10_blend"))
    assert f"in {by_item} of cases among ten by the last item and {by_history} by" in README
    gain, low = (f"{shops[f'complete_journey_hr10_{name}']:.3f}"[1:] for name in ("gain", "gain_low"))
    assert f"the blend adds {gain} (from {low} on)" in README
    assert shops["uci_hr10_gain_low"] < 0.0
    chain = json.loads((results / "scorer_complete_journey.json").read_text())["claims"]
    gain, low = chain["auc_gain_from_gnn"], chain["auc_gain_from_gnn_low"]
    assert low < 0.0 < gain
    assert f"the network adds {gain:.4f}\n(from −{-low:.5f} on)".replace("0.", ".") in README
    assert max(adaptive(results).values()) < 0.0
    speed = json.loads((results / "sampling.json").read_text())["claims"]
    assert f"hears {speed['ratio_alone']:.1f} times as many edges a second as PyG's" in README
    assert f"{speed['ratio_in_training']:.1f} times in\na training loop" in README


def adaptive(results):
    claims = json.loads((results / "direction_adaptive.json").read_text())["claims"]
    return {name: claims[name] for name in ("low_degree_gain_min", "overall_gain_min")}


def test_figures_about_the_replay_are_claims_of_its_benchmark():
    record = json.loads((ROOT / "benchmarks" / "results" / "replay.json").read_text())
    claims, rows = record["claims"], record["rows"]
    assert f"In {claims['trainings']:.0f} weekly trainings the gate let {claims['promotions']:.0f} versions" in README
    lowest, highest, median = (claims[f"promised_over_came_{name}"] for name in ("lowest", "highest", "median"))
    weeks = sum(row["converted"] is not None for row in rows)
    assert f"{lowest:.2f} to {highest:.2f} times what came, {median:.2f} at the median of {weeks} weeks" in README
    assert f"took {claims['core_minutes']:.0f} core-minutes, {claims['minutes']:.0f} by the clock" in README
    assert claims["files_different"] == 0
    assert {row["verdict"] for row in rows} == {"too early to tell"}


def test_the_first_screen_has_the_two_commands_and_the_figure():
    first_screen = README[: README.index("<!-- end of table -->")]
    assert "make run" in first_screen
    assert "make test" in first_screen
    assert "](docs/images/related_frontier.svg)" in first_screen
    assert (ROOT / "docs" / "images" / "related_frontier.svg").is_file()


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_every_result_is_in_the_common_form(path):
    record = json.loads(path.read_text())
    assert set(record) == {"name", "command", "commit", "seeds", "rows", "claims"}
    assert record["name"] == path.stem
    assert record["rows"]
    assert all(isinstance(value, int | float) for value in record["claims"].values())


@pytest.mark.parametrize("path", [p for p in ROOT.rglob("*.md") if ".venv" not in p.parts], ids=lambda path: path.name)
def test_links_inside_the_repository_lead_somewhere(path):
    for target in {part.split(")")[0] for part in path.read_text().split("](")[1:]}:
        if not target.startswith(("http", "#")):
            assert (path.parent / target.split("#")[0]).exists(), target
