"""Conversions and engagements that come twice, out of order or before their impression: from the raw log to labels."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from builders.small_log import AS_OF, HORIZON, WINDOW, small_log
from onward.boosting import Boosting
from onward.data.contract import RawLog
from onward.data.validation import ValidLog, validate
from onward.delay.choice import choose_plan
from onward.delay.correction import Correction, correct
from onward.delay.engagement import read_engagements
from onward.delay.learning import ObservedData, learn
from onward.delay.outcomes import observe_outcomes
from onward.delay.plan import named_plan
from onward.delay.window import see_window

BOOSTING = Boosting(iterations=5, learning_rate=0.1, leaves=3, min_rows_in_leaf=5, l2=1.0, seed=1, threads=1)


def check(tables: dict[str, pa.Table]) -> ValidLog:
    return validate(RawLog(tables), HORIZON, WINDOW, threads=1)


def estimate(valid: ValidLog, estimator: str) -> Correction:
    """Correct every label known at AS_OF, whatever the order of the rows."""
    shown = valid.tables["impressions"].to_pandas().sort_values("impression_id", ignore_index=True)
    shown = shown[shown["shown_at"] < AS_OF].reset_index(drop=True)
    number = pd.Index(shown["impression_id"])
    events = {}
    for name in ("conversions", "engagements"):
        table = valid.tables[name].to_pandas()
        events[name] = table.assign(impression=number.get_indexer(table["impression_id"])).query("impression >= 0")
    impressions = pd.DataFrame({"impression": np.arange(len(shown)), "shown_at": shown["shown_at"]})
    outcomes = observe_outcomes(impressions, events["conversions"], AS_OF, WINDOW)
    features = shown[["context_score"]].to_numpy(np.float32)
    evidence = ObservedData(outcomes, ("score",), features, read_engagements(events["engagements"], AS_OF))
    everyone = np.ones(len(shown), bool)
    even = np.arange(len(shown)) % 2 == 0
    nuisances = learn(evidence, even, ~even, 2, BOOSTING)
    window = see_window(evidence, nuisances, everyone, everyone)
    if estimator != "auto":
        return correct(evidence, nuisances, window, named_plan(estimator), 20.0)
    plan = choose_plan(evidence, nuisances, window, np.arange(len(shown)) // 3, 20.0, BOOSTING)
    return correct(evidence, nuisances, window, plan, 20.0)


def twice_and_shuffled(table: pa.Table, later: timedelta, clock: str) -> pa.Table:
    """Every row as it was, a copy of it, and in front of both, one of a later moment."""
    late = table.to_pandas()
    late[clock] = late[clock] + later
    rows = pa.concat_tables([pa.Table.from_pandas(late, table.schema, preserve_index=False), table, table])
    return rows.take(np.random.default_rng(5).permutation(rows.num_rows))


def test_repeated_conversions_are_quarantined_with_a_reason_and_change_no_estimate() -> None:
    clean, tables = small_log(), small_log()
    tables["conversions"] = twice_and_shuffled(tables["conversions"], timedelta(hours=9), "converted_at")
    valid = check(tables)
    assert set(valid.counts["conversions"].quarantined) == {"impression_id comes again"}
    assert valid.counts["conversions"].rows_kept == clean["conversions"].num_rows
    for estimator in ("auto", "importance_weight", "soft_label"):
        pd.testing.assert_frame_equal(estimate(valid, estimator).labels, estimate(check(clean), estimator).labels)


def test_repeated_engagements_are_quarantined_with_a_reason_and_change_no_estimate() -> None:
    clean, tables = small_log(), small_log()
    tables["engagements"] = pa.concat_tables([tables["engagements"]] * 2).take(
        np.random.default_rng(6).permutation(2 * tables["engagements"].num_rows)
    )
    valid = check(tables)
    assert dict(valid.counts["engagements"].quarantined) == {"row comes again": clean["engagements"].num_rows}
    pd.testing.assert_frame_equal(estimate(valid, "auto").labels, estimate(check(clean), "auto").labels)


def test_events_before_their_impression_are_quarantined_with_a_reason_and_change_no_estimate() -> None:
    clean, tables = small_log(), small_log()
    for name, clock in (("conversions", "converted_at"), ("engagements", "happened_at")):
        early = tables[name].to_pandas()
        early[clock] = early[clock] - timedelta(days=4)
        tables[name] = pa.concat_tables([pa.Table.from_pandas(early, tables[name].schema), tables[name]])
    valid = check(tables)
    assert dict(valid.counts["conversions"].quarantined) == {
        "converted_at is not after the impression": clean["conversions"].num_rows
    }
    assert dict(valid.counts["engagements"].quarantined) == {
        "happened_at is before the impression": clean["engagements"].num_rows
    }
    pd.testing.assert_frame_equal(estimate(valid, "auto").labels, estimate(check(clean), "auto").labels)


def test_a_conversion_after_its_window_is_no_conversion() -> None:
    tables = small_log()
    late = tables["conversions"].to_pandas()
    late["converted_at"] = late["converted_at"] + timedelta(days=2, seconds=1)  # the log's come after 3 days of 5
    tables["conversions"] = pa.Table.from_pandas(late, tables["conversions"].schema)
    valid = check(tables)
    reasons = valid.counts["conversions"].quarantined
    assert set(reasons) <= {"converted_at is after the attribution window", "converted_at is at or after the horizon"}
    assert valid.counts["conversions"].rows_kept == 0
