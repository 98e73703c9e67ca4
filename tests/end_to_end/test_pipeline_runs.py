"""The whole chain on a simulated shop: complete, quiet when nothing changed, and precise about what did."""

import json
import re

import numpy as np
import pytest
import yaml

from onward.artifacts import read_json, read_table
from onward.layout import Layout
from onward.params import read_params
from tools.testbeds.simulated_truth import write_truth

pytestmark = pytest.mark.end_to_end


def test_every_declared_output_exists(finished):
    stages = yaml.safe_load((finished.root / "dvc.yaml").read_text())["stages"]
    for stage in stages.values():
        for entry in [*stage["outs"], *stage["metrics"], *stage.get("plots", [])]:
            path = finished.root / (next(iter(entry)) if isinstance(entry, dict) else entry)
            assert path.exists(), path


def test_rows_in_are_rows_kept_plus_rows_quarantined(finished):
    layout = Layout(finished.root)
    tables = read_json(layout.metrics / "ingest.json")["tables"]
    assert set(tables) == {"products", "purchases", "impressions", "engagements", "conversions"}
    for name, counts in tables.items():
        quarantined = len(read_table(layout.quarantine / f"{name}.parquet"))
        by_reason = counts["rows_quarantined"]
        assert counts["rows_in"] == counts["rows_kept"] + sum(by_reason.values())
        assert sum(by_reason.values()) == quarantined


def test_nothing_to_do_the_second_time(finished):
    before = finished.hashes()
    printed = finished.run("dvc", "repro").stdout
    # One stage always looks whether the source has changed.
    assert re.findall(r"Running stage '(\w+)'", printed) == ["fingerprint_source"]
    assert finished.hashes() == before


def test_a_threshold_parameter_reruns_only_what_follows_it(copy_of_finished):
    project = copy_of_finished("other-threshold")
    project.set_params({"thresholds": {"bins_per_level": 10}})
    printed = project.run("dvc", "repro").stdout
    assert re.findall(r"Running stage '(\w+)'", printed) == [
        "fingerprint_source", "fit_thresholds", "evaluate", "deploy", "monitor",
    ]  # fmt: skip


def test_splits_are_disjoint_by_customer_and_the_test_comes_later(finished):
    layout = Layout(finished.root)
    run = read_params(finished.root / "params.yaml").run
    customers = read_table(layout.serving / "customers.parquet").set_index("customer")["split"]
    assert set(customers) == {"train", "selection", "calibrate", "threshold", "test"}
    serving = read_table(layout.serving / "impressions.parquet")
    backtest = read_table(layout.backtest / "impressions.parquet")
    assert (serving["split"] == serving["customer"].map(customers)).all()
    # Some test customers come after as_of for the first time: the backtest has a list of its own.
    tested = read_table(layout.backtest / "customers.parquet")
    assert set(backtest["customer"]) <= set(tested["customer"])
    assert set(tested["split"]) == {"test"}
    assert set(customers.reindex(backtest["customer"]).dropna()) == {"test"}
    labels = read_table(layout.delay / "labels.parquet").merge(serving, on="impression")
    assert set(labels["split"]) == {"train", "selection"}
    assert serving["shown_at"].max() < run.clock <= backtest["shown_at"].min()
    assert backtest["shown_at"].max() < run.backtest_end
    assert set(serving["impression"]).isdisjoint(backtest["impression"])
    scored = read_table(layout.uncertainty / "scores.parquet")
    assert set(scored["split"]) == {"calibrate", "threshold", "test"}
    for table, column in (
        ("purchases", "purchased_at"),
        ("engagements", "happened_at"),
        ("conversions", "converted_at"),
    ):
        assert read_table(layout.serving / f"{table}.parquet")[column].max() < run.clock


def test_the_correction_is_nearer_to_the_truth_than_the_labels_seen_so_far(finished):
    layout = Layout(finished.root)
    truth = write_truth(finished.root)["impressions"].to_pandas()
    assert (finished.root / "truth" / "impressions.parquet").is_file()
    outcomes = (
        read_table(layout.delay / "outcomes.parquet")
        .merge(read_table(layout.serving / "impressions.parquet", ["impression", "impression_id"]), on="impression")
        .merge(truth, on="impression_id")
    )
    pending = outcomes[outcomes["state"] == "pending"]
    assert len(pending) > 1000
    real = pending["converted"].mean()
    # As observed, every pending label is a zero: an error of the whole rate.
    assert abs(pending["expected_label"].mean() - real) < 0.35 * real


def test_the_backtest_shows_a_model_that_knows_something(finished):
    predictions = read_table(Layout(finished.root).evaluation / "predictions.parquet")
    assert predictions["label"].sum() > 50
    order = predictions.sort_values("probability", ascending=False)
    top, bottom = np.array_split(order["label"].to_numpy(), 2)
    assert top.mean() > 1.5 * bottom.mean()
    assert 0.6 < predictions["probability"].sum() / predictions["label"].sum() < 1.6


def test_people_get_answers(finished):
    name = read_table(Layout(finished.root).serving / "products.parquet")["name"].iloc[0]
    answer = finished.run("onward", "recommend", name)
    for title in ("Goes with", "Bought after", "Bought before", "Instead of"):
        assert title in answer.stdout
    status = finished.run("onward", "status").stdout
    assert "2017-11-20" in status
    assert "simulator" in status
    unknown = finished.run("onward", "recommend", "zzzz no such thing zzzz", check=False)
    assert unknown.returncode == 2


def test_the_report_is_one_page_that_opens_offline(finished):
    printed = finished.run("onward", "report").stdout
    assert "reports/index.html" in printed
    page = (finished.root / "reports" / "index.html").read_text()
    assert not re.search(r"""(?:src|href)=["']https?://|@import|url\(['"]?https?:""", page)
    assert "simulator" in page
    positivity = (finished.root / "reports" / "positivity.html").read_text()
    assert len(positivity) > 100_000


def test_metrics_are_plain_json_without_clock_or_path(finished):
    for path in (finished.root / "metrics").glob("*.json"):
        text = path.read_text()
        json.loads(text)
        assert str(finished.root) not in text
