"""The stage on a small log: what it writes, that it repeats itself, and that the future cannot reach it."""

import csv
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from onward.artifacts import read_json, read_table, read_text, write_table
from onward.layout import Layout
from onward.params import Params, read_params
from onward.stages.correct_label_delay import run

AS_OF = pd.Timestamp("2024-05-01")
W = 14


@pytest.fixture(scope="module")
def params() -> Params:
    whole = read_params(Path(__file__).parents[2] / "params.yaml")
    clock = {"as_of": date(2024, 5, 1), "attribution_days": W, "training_days": 28, "history_days": 70, "threads": 1}
    delay = {"estimator": "soft_label", "iterations": 20, "min_rows_in_leaf": 100, "max_weight": 4.0}
    return whole.model_copy(
        update={"run": whole.run.model_copy(update=clock), "delay": whole.delay.model_copy(update=delay)}
    )


def write_log(root: Path, future: int = 0) -> Layout:
    """Write a serving folder; `future` events that happen at and after as_of ride along."""
    layout, draw = Layout(root), np.random.default_rng(8)
    n = 6000
    shown = AS_OF - pd.to_timedelta(np.sort(draw.uniform(0.001, 80, n))[::-1], unit="D").round("s")
    taste = draw.random(n).astype("float32")
    converts = draw.random(n) < 0.3 * taste
    delay = pd.to_timedelta(draw.uniform(0.1, W, n), unit="D").round("s")
    split = draw.choice(["train", "selection", "calibrate", "threshold", "test"], n, p=[0.5, 0.2, 0.1, 0.1, 0.1])
    ids = np.arange(n)
    impressions = pd.DataFrame(
        {"impression": ids, "customer": ids // 2, "split": split, "shown_at": shown.astype("datetime64[us]")}
    )
    known = converts & (shown + delay < AS_OF)
    conversions = pd.DataFrame({"impression": ids[known], "converted_at": (shown + delay)[known]})
    looks = np.flatnonzero(draw.random(n) < np.where(converts, 0.8, 0.2))
    moments = shown[looks] + delay[looks] / 2
    engagements = pd.DataFrame({"impression": looks, "kind": "look", "happened_at": moments})[moments < AS_OF]
    if future:
        later = AS_OF + pd.to_timedelta(np.arange(future), unit="h")
        young = np.arange(n - future, n)
        more = pd.DataFrame({"impression": young, "converted_at": later})
        conversions = pd.concat([conversions, more])
        clicks = pd.DataFrame({"impression": young, "kind": "click", "happened_at": later})
        engagements = pd.concat([engagements, clicks, clicks.assign(kind="look")])
    features = pd.DataFrame({"impression": ids, "taste": taste, "cat_shelf": (ids % 4).astype("float32")})
    tables = {"impressions": impressions, "conversions": conversions, "engagements": engagements, "features": features}
    for name, table in tables.items():
        write_table(layout.serving / f"{name}.parquet", table)
    return layout


def written(layout: Layout) -> dict[str, bytes]:
    files = [path for part in (layout.delay, layout.metrics, layout.plots) for path in part.rglob("*")]
    return {path.relative_to(layout.root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Layout:
    layout = write_log(tmp_path_factory.mktemp("log"))
    line = run(layout, params)
    assert "pending" in line
    return layout


def test_every_impression_of_the_window_has_one_outcome_whatever_its_customer(layout: Layout) -> None:
    impressions = read_table(layout.serving / "impressions.parquet")
    window = impressions[impressions["shown_at"] >= AS_OF - pd.Timedelta(28, "D")]
    outcomes = read_table(layout.delay / "outcomes.parquet")
    assert outcomes["impression"].tolist() == window["impression"].tolist()
    assert list(outcomes.columns) == ["impression", "state", "elapsed_days", "expected_label"]
    assert set(outcomes["state"]) == {"converted", "negative", "pending"}
    expected = outcomes.groupby("state")["expected_label"]
    assert expected.min()["converted"] == 1.0
    assert expected.max()["negative"] == 0.0
    assert 0.0 < expected.min()["pending"] <= expected.max()["pending"] < 1.0


def test_labels_are_for_learners_only_and_weigh_one_an_impression(layout: Layout) -> None:
    impressions = read_table(layout.serving / "impressions.parquet").set_index("impression")
    labels = read_table(layout.delay / "labels.parquet")
    assert {name: str(kind) for name, kind in labels.dtypes.items()} == {
        "impression": "int64", "label": "int8", "weight": "float32"
    }  # fmt: skip
    assert set(impressions.loc[labels["impression"], "split"]) == {"train", "selection"}
    np.testing.assert_allclose(labels.groupby("impression")["weight"].sum(), 1.0, atol=1e-6)


def test_figures_and_plots_tell_one_story(layout: Layout) -> None:
    figures = read_json(layout.metrics / "delay.json")
    outcomes = read_table(layout.delay / "outcomes.parquet")
    assert figures["naive_rate"] < figures["corrected_rate"]
    assert figures["share_pending"] == pytest.approx((outcomes["state"] == "pending").mean())
    assert figures["engagement"]["with"]["auc"] == figures["z_auc"] > figures["engagement"]["without"]["auc"]
    rows = list(csv.DictReader(read_text(layout.plots / "positives_per_day.csv").splitlines()))
    assert sum(float(row["naive"]) for row in rows) == figures["positives_observed"]
    assert sum(float(row["corrected"]) for row in rows) == pytest.approx(outcomes["expected_label"].sum(), rel=1e-5)
    for row in rows:
        day_matured = pd.Timestamp(row["date"]) + pd.Timedelta(W, "D") < AS_OF
        assert row["matured_truth_where_known"] == (row["naive"] if day_matured else "")
    curve = read_table(layout.delay / "curve.parquet")
    assert curve["share_converted_by"].is_monotonic_increasing
    assert curve["share_converted_by"].iloc[-1] == 1.0
    assert read_json(layout.delay / "z_features.json") == {
        "features": ["taste", "cat_shelf", "elapsed_days", "engaged_look", "days_since_look"]
    }


def test_events_at_and_after_as_of_change_no_byte(layout: Layout, params: Params, tmp_path: Path) -> None:
    told = write_log(tmp_path / "told", future=40)
    run(told, params)
    assert written(told) == written(layout)
    auto = params.model_copy(update={"delay": params.delay.model_copy(update={"estimator": "auto"})})
    apart = write_log(tmp_path / "apart")
    run(apart, auto)
    run(told, auto)
    assert written(told) == written(apart)


def test_importance_weights_write_one_row_an_example_and_report_what_they_clip(params: Params, tmp_path: Path) -> None:
    weighted = params.model_copy(update={"delay": params.delay.model_copy(update={"estimator": "importance_weight"})})
    layout = write_log(tmp_path)
    run(layout, weighted)
    labels = read_table(layout.delay / "labels.parquet")
    figures = read_json(layout.metrics / "delay.json")
    assert labels["impression"].is_unique
    assert labels["weight"].max() == 4.0
    assert figures["clipped_share"] > 0.0
    assert figures["effective_sample_size"] < figures["training_examples"] == len(labels)


def test_auto_settles_on_an_estimator_and_says_why_with_what_it_found(params: Params, tmp_path: Path) -> None:
    layout = write_log(tmp_path)
    run(layout, params.model_copy(update={"delay": params.delay.model_copy(update={"estimator": "auto"})}))
    figures = read_json(layout.metrics / "delay.json")
    learners = read_table(layout.delay / "labels.parquet").groupby("impression")["label"].agg(["max", "size"])
    assert learners["size"].max() == 2
    assert figures["estimator"] == "soft_label"
    choice = figures["choice"]
    assert choice["engagement"]["gain"] > choice["engagement"]["error"] > 0.0
    assert f"engagement {choice['engagement']['gain']:+.6f}" in figures["estimator_reason"]
    assert "(taken)" in figures["estimator_reason"]
    weights = pd.read_csv(layout.plots / "label_weights.csv")
    labels = read_table(layout.delay / "labels.parquet")
    for value in (0, 1):
        assert weights[f"label_{value}"].sum() == (labels["label"] == value).sum()
    assert weights["low"].iloc[0] == 0.0
    assert weights["high"].iloc[-1] == 1.0
    taken = choice["recalibration"]["gain"] > choice["recalibration"]["error"]
    assert (figures["recalibration"]["offset_error"] > 0.0) == taken
    assert figures["delay_tilt"]["log_error"] > 0.0
    assert figures["weight_max"] == 1.0
    assert 0.0 < figures["weight_variance"] < 1.0


def test_a_named_estimator_is_left_as_it_is(layout: Layout) -> None:
    figures = read_json(layout.metrics / "delay.json")
    assert figures["estimator_reason"] == "named in params.yaml"
    assert figures["choice"] == {}
    assert figures["delay_tilt"] == {"fitted": 1.0, "log_error": 0.0, "exponent": 1.0}
    assert figures["recalibration"]["offset"] == 0.0
