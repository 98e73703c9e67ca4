import numpy as np
import pandas as pd
import pytest

from onward.errors import MonitoringError
from onward.monitoring.positivity import level_verdicts, overall, positivity_table
from onward.monitoring.verdict import summarise_verdict

FACTS = {
    "source": "simulator", "as_of": "2017-11-20", "version": 1, "bundle_sha256": "x",
    "confidence": 0.95, "current_days": 28,
}  # fmt: skip


def make_rows(current_rate=0.1, reference_rate=0.1, rows=20_000, levels=2, seed=1) -> pd.DataFrame:
    """Matured reference, half-settled current days with an exact expected label; everything predicted at 10 %."""
    rng = np.random.default_rng(seed)
    current = np.arange(rows) % 2 == 0
    rate = np.where(current, current_rate, reference_rate)
    converts = rng.uniform(size=rows) < rate
    early = rng.uniform(size=rows) < 0.5
    settled = ~current | (converts & early)
    z = 0.5 * rate / (1 - 0.5 * rate)
    return pd.DataFrame({
        "customer": rng.integers(0, 2000, rows), "level": rng.integers(0, levels, rows), "probability": 0.1,
        "shown": rng.uniform(size=rows) < 0.3, "expected": np.where(settled, converts, z), "settled": settled,
        "matured": ~current, "current": current,
    })  # fmt: skip


def judge(rows, levels=2, tolerance=0.5):
    table = positivity_table(rows, levels, 0.95)
    return table, level_verdicts(rows, table, levels, 0.95, tolerance)


def words(rows, **settings):
    return [verdict.word for verdict in judge(rows, **settings)[1]]


def test_levels_that_keep_their_promise_are_ok():
    assert words(make_rows()) == ["ok", "ok"]


@pytest.mark.parametrize("rate", [0.03, 0.2])
def test_a_change_in_either_direction_is_drift_and_is_said_in_numbers(rate):
    _, verdicts = judge(make_rows(current_rate=rate))
    assert [verdict.word for verdict in verdicts] == ["drifted", "drifted"]
    for verdict in verdicts:
        assert abs(verdict.change) > verdict.margin
        assert verdict.change == pytest.approx(rate - 0.1, abs=0.03)
        assert "10.00% predicted" in verdict.reason


def test_a_level_that_was_off_from_the_start_has_not_drifted():
    assert words(make_rows(current_rate=0.16, reference_rate=0.16)) == ["ok", "ok"]


def test_only_the_level_that_drifts_is_named():
    steady, moved = make_rows(seed=2), make_rows(current_rate=0.25, seed=3)
    assert words(pd.concat([steady[steady["level"] == 0], moved[moved["level"] == 1]])) == ["ok", "drifted"]


def test_few_conversions_are_too_early_to_tell():
    _, verdicts = judge(make_rows(rows=300))
    assert {verdict.word for verdict in verdicts} == {"too early to tell"}
    assert "10 are needed" in verdicts[0].reason
    assert np.isnan(verdicts[0].change)


def test_an_interval_too_wide_to_rule_out_what_matters_is_too_early_to_tell():
    assert words(make_rows(rows=3000), tolerance=0.01) == ["too early to tell"] * 2


def test_a_level_without_current_rows_is_too_early_to_tell_not_ok():
    rows = make_rows()
    rows = rows[~(rows["current"] & (rows["level"] == 1))]
    table, verdicts = judge(rows)
    assert [verdict.word for verdict in verdicts] == ["ok", "too early to tell"]
    empty = table[(table["level"] == 1) & (table["period"] == "current")].iloc[0]
    assert (empty["n"], empty["low"], empty["high"]) == (0, 0.0, 1.0)
    assert np.isnan(empty["nowcast"])


@pytest.mark.parametrize("period", [True, False])
def test_an_empty_period_fails_red(period):
    rows = make_rows()
    with pytest.raises(MonitoringError, match="no row in the"):
        positivity_table(rows[rows["current"] == period], 2, 0.95)


@pytest.mark.parametrize(("column", "value"), [("probability", np.nan), ("expected", np.nan), ("probability", 1.2)])
def test_a_value_that_cannot_be_used_fails_red(column, value):
    rows = make_rows()
    rows.loc[5, column] = value
    with pytest.raises(MonitoringError, match=f"1 of {len(rows)} rows have no valid {column}"):
        judge(rows)


def test_the_table_counts_what_it_says():
    rows = make_rows()
    table, _ = judge(rows)
    now = table[(table["level"] == 0) & (table["period"] == "current")].iloc[0]
    part = rows[(rows["level"] == 0) & rows["current"]]
    assert (now["n"], now["shown"], now["share_matured"]) == (len(part), part["shown"].sum(), 0.0)
    assert now["nowcast"] == pytest.approx(part["expected"].mean())
    assert now["precision"] == pytest.approx(part[part["shown"]]["expected"].mean())
    assert np.isnan(now["matured_positivity"])
    before = table[(table["level"] == 0) & (table["period"] == "reference")].iloc[0]
    assert before["matured_positivity"] == before["nowcast"]
    assert before["low"] < before["nowcast"] < before["high"]


def test_rows_of_one_customer_count_less_than_rows_of_many():
    rows = make_rows(rows=4000)
    lone = rows.assign(customer=rows.index % 8)
    converts = (np.arange(4000) // 2 % 8 == 0).astype(float)
    clustered = rows.assign(customer=np.arange(4000) // 2 % 8, expected=converts, settled=True)
    widths = []
    for each in (lone.assign(expected=converts, settled=True, customer=rows["customer"]), clustered):
        first = positivity_table(each, 2, 0.95).iloc[0]
        widths.append(first["high"] - first["low"])
    assert widths[1] > 3 * widths[0]


def test_the_verdict_names_what_to_do_and_is_plain_json():
    rows = make_rows(current_rate=0.25)
    _, verdicts = judge(rows)
    said = summarise_verdict(verdicts, rows, FACTS, 0.08)
    assert said["verdict"] == "drifted"
    assert "dvc repro" in said["action"]
    assert said["levels"][0]["drift_statistic"] > 1
    assert said["precision_now"] == pytest.approx(rows[rows["current"] & rows["shown"]]["expected"].mean())
    few = make_rows(rows=300).assign(shown=False)
    said = summarise_verdict(judge(few)[1], few, FACTS, 0.08)
    assert said["precision_now"] is None
    assert said["levels"][0]["drift_statistic"] is None


def test_the_worst_level_speaks_for_all():
    ok, drifted, early = (judge(make_rows(**kind))[1][0] for kind in ({}, {"current_rate": 0.25}, {"rows": 300}))
    assert overall([ok, ok]) == "ok"
    assert overall([ok, early]) == "too early to tell"
    assert overall([early, drifted, ok]) == "drifted"
