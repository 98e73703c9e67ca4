"""Nowcasts of weekly positivity per level on Complete Journey, against what matured later.

The bundle of the finished run scores every impression of households that none of its heads and no early stopping saw,
from June to the beginning of December 2017. On each Monday from August on, the monitor's own functions nowcast the
weeks that have not matured by then, from what was known on that day; four weeks later it is known how many came. The
naive figure counts what has not come by then as lost.

Three liberties, which touch predictions and widths and not what is compared: the bundle was made on 20 November, so its
predictions for the weeks before know later purchases through the graph; its calibrator saw a quarter of these
households; and by how much repeating households widen the intervals is measured once, at the end. Predictions are only
weights here: the nowcast takes its ratio of conversions to predictions from the past.
"""

import argparse
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from rich.progress import track

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from onward.artifacts import read_table, write_table
from onward.daily.places import read_log
from onward.daily.score import decide_log
from onward.data.contract import RawLog
from onward.data.splits import assign_splits
from onward.deployment.bundle_files import read_bundle
from onward.metrics.intervals import wilson
from onward.monitoring.assessment import AssessmentSettings, assess, nowcast_blocks
from onward.monitoring.daily_statistics import DailyStatistics
from onward.monitoring.event_join import join_events
from onward.params import read_params
from tools.testbeds.cut_statistics import since, until

FIRST, LAST = date(2017, 6, 5), date(2017, 12, 3)
FIRST_LOOK = date(2017, 8, 7)
KEPT = ("calibrate", "threshold", "test")
HISTORY = 140
NAME = "decisions.parquet"


def gather(bundle: Path, folder: Path) -> None:
    """Score the held-out households' impressions, and keep them with their conversions in a folder."""
    params = read_params(ROOT / "params.yaml")
    log = read_log(params, FIRST, LAST + timedelta(days=1))
    shown = log.tables["impressions"]
    ids = sorted({str(each) for each in pc.unique(shown["customer_id"]).to_pylist()})
    splits = assign_splits(ids, params.splits.model_dump(exclude={"salt"}), params.splits.salt)
    held_out = pa.array([name for name, split in zip(ids, splits, strict=True) if split in KEPT])
    shown = shown.filter(pc.is_in(shown["customer_id"].cast(pa.string()), held_out))
    conversions = log.tables["conversions"]
    conversions = conversions.filter(pc.is_in(conversions["impression_id"], shown["impression_id"].combine_chunks()))
    tables = {**log.tables, "impressions": shown, "conversions": conversions}
    tables["engagements"] = log.tables["engagements"].slice(0, 0)
    decided = decide_log(params, read_bundle(bundle), 1, RawLog(tables), FIRST, LAST)
    write_table(folder / NAME, decided)
    write_table(folder / "conversions.parquet", conversions)
    empty = {"impression_id": pd.Series(dtype=str), "kind": pd.Series(dtype=str)}
    write_table(
        folder / "engagements.parquet", pd.DataFrame({**empty, "happened_at": pd.Series(dtype="datetime64[us]")})
    )


def statistics_of(folder: Path) -> DailyStatistics:
    """Daily sums of all decisions with every conversion that ever came."""
    decided = read_table(folder / NAME)
    days = decided["time"].dt.date
    files = []
    for day, part in decided.groupby(days, sort=True):
        path = folder / "days" / f"{day}.parquet"
        write_table(path, part)
        files.append((day, str(path)))
    events = {name: str(folder / f"{name}.parquet") for name in ("conversions", "engagements")}
    return join_events(files, events, LAST + timedelta(days=29), 28, 2)


def compare(full: DailyStatistics) -> pd.DataFrame:
    """One row per look, pending week and level: naive, nowcast with interval, and what matured."""
    settings = AssessmentSettings()
    rows: list[dict[str, object]] = []
    monday = FIRST_LOOK
    looks = []
    while monday <= LAST:
        looks.append(monday)
        monday += timedelta(days=7)
    final = full.arrivals.sum(axis=2)
    for monday in track(looks, "looks"):
        known = (monday - full.first).days
        start = max(0, known - HISTORY)
        found = assess(since(until(full, known), start), settings)
        days = found.statistics.days
        weeks = [(days - 7 * back, days - 7 * (back - 1)) for back in range(1, 5)]
        blocks = np.zeros((len(weeks), days), dtype=bool)
        for number, (low, high) in enumerate(weeks):
            blocks[number, low:high] = True
        rate = nowcast_blocks(found, blocks, settings.confidence)
        for number, (low, high) in enumerate(weeks):
            part = slice(start + low, start + high)
            n = full.n[part].sum(axis=0)
            came = found.statistics.arrivals[low:high].sum(axis=(0, 2))
            rows.extend(
                {
                    "as_of": monday, "weeks old": number + 1, "level": level, "n": n[level],
                    "matured": final[part, level].sum() / n[level], "naive": came[level] / n[level],
                    "nowcast": rate.rate[number, level], "low": rate.low[number, level],
                    "high": rate.high[number, level],
                }
                for level in range(full.levels)
            )  # fmt: skip
    return pd.DataFrame(rows)


def main() -> None:
    """Compare and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=Path, default=ROOT / "artifacts", help="of a finished run")
    parser.add_argument("--folder", type=Path, default=ROOT / ".onward" / "nowcast", help="for scored impressions")
    asked = parser.parse_args()
    if not (asked.folder / "engagements.parquet").exists():
        gather(asked.artifacts / "deployment" / "bundle", asked.folder)
    table = compare(statistics_of(asked.folder))
    covered = (table["low"] <= table["matured"] + 1e-12) & (table["matured"] <= table["high"] + 1e-12)
    rows: list[dict[str, Cell]] = []

    def bias(part: pd.DataFrame, column: str) -> float:
        return float((part[column] * part["n"]).sum() / (part["matured"] * part["n"]).sum() - 1.0)

    def summary(name: str, part: pd.DataFrame) -> dict[str, Cell]:
        hit = covered[part.index]
        interval = wilson(float(hit.sum()), float(len(hit)))
        return {
            "cells": name, "number": len(part), "coverage at 95 %": float(hit.mean()), "coverage low": interval.low,
            "coverage high": interval.high, "bias of the nowcast": bias(part, "nowcast"),
            "bias of naive": bias(part, "naive"),
            "matured rate": float((part["matured"] * part["n"]).sum() / part["n"].sum()),
        }  # fmt: skip

    rows.append(summary("all", table))
    rows += [summary(f"weeks {age} old", part) for age, part in table.groupby("weeks old")]
    rows += [summary(f"level {level}", part) for level, part in table.groupby("level")]
    later = np.array([each >= date(2017, 10, 9) for each in table["as_of"]])
    rows.append(summary("looks before 9 October", table[~later]))
    rows.append(summary("looks from 9 October on", table[later]))
    claims = {
        "coverage_95": float(covered.mean()), "relative_bias_abs": abs(bias(table, "nowcast")),
        "naive_bias_abs": abs(bias(table, "naive")), "cells": float(len(table)),
        "relative_bias_abs_worst_age": max(abs(bias(part, "nowcast")) for _, part in table.groupby("weeks old")),
        "relative_bias_abs_worst_level": max(abs(bias(part, "nowcast")) for _, part in table.groupby("level")),
    }  # fmt: skip
    publish(Finding("nowcast", [], rows, claims))


if __name__ == "__main__":
    main()
