"""What the daily monitor finds, how soon, and how often it cries wolf; simulated years of daily sums.

A shop of 20,000 impressions a day, 5 % of which convert within 28 days, in five uncertainty levels. Every simulated day
the monitor's own `assess` looks at the 140 days before it, as `onward monitor` does. In the same run: a test of matured
labels only with the same sequential rule, the estimate of NannyML's CBPE, and Evidently's stock drift preset on rows.

CBPE is computed here from its published definition: the positivity of a day is estimated by the mean of its calibrated
probabilities, and a day alarms outside of mean ± 3 standard deviations of the reference's days (NannyML's defaults for
a rate). It sees no label, so it cannot see that probabilities no longer hold.

What is finished is kept in benchmarks/.monitoring.jsonl when `--resume` is given, so that a long run can go on.
"""

import argparse
import json
import os
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from benchmarks.drift.daily_world import LEVEL_RATES, WINDOW, World, draw
from benchmarks.harness.form import ROOT, Cell, Finding, publish
from onward.metrics.intervals import wilson
from onward.monitoring.assessment import FALSE_ALARMS_PER_YEAR, Assessment, AssessmentSettings, assess
from onward.monitoring.change_scan import LEAST_CONVERSIONS, LEAST_DAYS
from onward.monitoring.daily_statistics import DailyStatistics
from onward.monitoring.sequential import STARTS_EVERY, e_detector
from tools.testbeds.cut_statistics import since, until

HISTORY = 140
WARM_UP = 100
HORIZON = 60
SETTINGS = AssessmentSettings()
SLOW = ("delay slow-down", "delay stretch", "delay shift")
RIGHT = {
    "positivity drop": ("positivity",), "delay slow-down": ("delay",), "delay stretch": ("delay",),
    "delay shift": ("delay",), "engagement outage": ("engagement",), "category launch": ("scores", "volume"),
    "seasonal bump": ("positivity", "volume"), "score shift": ("scores",), "label outage": ("labels",),
}  # fmt: skip

Result = dict[str, Any]


def looks(statistics: DailyStatistics, first: int) -> Iterator[tuple[int, Assessment]]:
    """Look after each day from the `first` on, at most HISTORY days back; yields the number of days known."""
    for days in range(first, statistics.days + 1):
        start = max(0, days - HISTORY)
        yield days, assess(until(since(statistics, start), days - start), SETTINGS)


def year(seed: int) -> Result:
    """One year without drift: the days on which some level was called drifted."""
    statistics = draw(World(days=WARM_UP + 365), [seed, 1])
    alarms = []
    signals = set()
    for days, found in looks(statistics, WARM_UP):
        if found.verdict == "drifted":
            alarms.append(days)
        signals |= {each.name for each in found.signals if each.verdict in {"changed", "failed"}}
    return {"alarms": alarms, "signals": sorted(signals), "matured_only": matured_only(statistics, WARM_UP) is not None}


def drift(kind: str, seed: int, a_day: int = 20_000, size: float = 0.2, horizon: int = HORIZON) -> Result:
    """One world with a planted drift: first day of a drifted verdict, of any finding, and what was named."""
    level = seed % len(LEVEL_RATES)
    # On either side of the grid of starts that the monitor scans.
    planted = WARM_UP + seed // len(LEVEL_RATES) % 2
    world = World(planted + horizon, a_day, kind, planted, size, level)  # type: ignore[arg-type]  # a Kind
    statistics = draw(world, [seed, 2, a_day])
    drifted = found_at = None
    cause: str | None = None
    named, began = None, None
    for days, found in looks(statistics, planted + 1):
        if found.cause is not None and found_at is None:
            found_at, cause = days - planted, found.cause
        if found.verdict == "drifted" and drifted is None:
            worst = max((each for each in found.levels if each.verdict == "drifted"), key=lambda each: each.statistic)
            drifted, named = days - planted, worst.level
            began = worst.start - (planted - max(0, days - HISTORY))
        if drifted is not None and found_at is not None:
            break
    return {
        "drifted": drifted, "level_right": None if named is None else named == level, "since_off": began,
        "found": found_at, "cause": cause, "right": cause in RIGHT.get(kind, ()),
    }  # fmt: skip


def baselines(seed: int, size: float = 0.2) -> Result:
    """Matured-only and CBPE on a world with a drop of positivity, followed for longer."""
    statistics = draw(World(WARM_UP + 120, 20_000, "positivity drop", WARM_UP, size, seed % 5), [seed, 2, 20_000])
    matured = matured_only(statistics, WARM_UP + 1)
    return {
        "matured_only": None if matured is None else matured - WARM_UP,
        "cbpe": cbpe(statistics, WARM_UP, WARM_UP + 60),
    }


def matured_only(statistics: DailyStatistics, first: int) -> int | None:
    """First look at which the same sequential rule alarms on cohorts whose window has closed."""
    seen, due = statistics.arrivals.sum(axis=2), statistics.predicted
    count = np.concatenate([np.zeros((1, seen.shape[1])), np.cumsum(seen, axis=0)])
    mass = np.concatenate([np.zeros((1, seen.shape[1])), np.cumsum(due, axis=0)])
    for days in range(first, statistics.days + 1):
        last, low = days - WINDOW, max(0, days - HISTORY)
        starts = np.arange(low + LEAST_DAYS, last, STARTS_EVERY)
        if not len(starts):
            continue
        before, after = count[starts] - count[low], count[last] - count[starts]
        ratio = np.log((after + 0.5) / (mass[last] - mass[starts])) - np.log(
            (before + 0.5) / (mass[starts] - mass[low])
        )
        error = np.sqrt(1.0 / (after + 0.5) + 1.0 / (before + 0.5))
        ratio[before < LEAST_CONVERSIONS] = np.nan
        found = [
            e_detector(ratio[:, k], error[:, k], 0.2, 2.0 * FALSE_ALARMS_PER_YEAR, ratio.shape[1]) for k in range(5)
        ]
        if any(each.changed for each in found):
            return days
    return None


def cbpe(statistics: DailyStatistics, first: int, last: int) -> int | None:
    """Days until a day's estimated positivity of any level leaves mean ± 3 deviations of the reference's days."""
    estimate = statistics.predicted / np.maximum(statistics.n, 1.0)
    middle, spread = estimate[:first].mean(axis=0), estimate[:first].std(axis=0)
    # Sums of predictions are exact in this world; on rows their mean scatters as the scores do.
    spread = np.maximum(spread, 0.5 * middle / np.sqrt(statistics.n[:first].mean(axis=0)))
    out = (np.abs(estimate[first:last] - middle) > 3.0 * spread).any(axis=1)
    return int(np.argmax(out)) + 1 if out.any() else None


def evidently(kind: str, seed: int) -> Result:
    """Evidently's DataDriftPreset as it comes: the last 7 days against 28 before the drift, labels as known so far."""
    os.environ["DO_NOT_TRACK"] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from evidently import Dataset, Report
        from evidently.presets import DataDriftPreset

        statistics = draw(World(WARM_UP + HORIZON, 20_000, kind, WARM_UP, 0.2, seed % 5), [seed, 2, 20_000])  # type: ignore[arg-type]
        rng = np.random.default_rng([seed, 3])

        def rows(known: DailyStatistics, start: int, end: int, many: int) -> "pd.DataFrame":
            part = slice(start, end)
            weight = known.n[part].ravel() / known.n[part].sum()
            cell = rng.choice(len(weight), many, p=weight)
            n, hits = known.n[part].ravel()[cell], known.arrivals[part].sum(axis=2).ravel()[cell]
            predicted = known.predicted[part].ravel()[cell] / n
            score = 1 / (1 + np.exp(-(np.log(predicted / (1 - predicted)) + rng.logistic(0, 0.45, many))))
            level = (cell % 5).astype(str)
            return pd.DataFrame(
                {"score": score, "level": level, "converted": (rng.random(many) < hits / n).astype(int)}
            )

        first: Result = {"dataset": None, "converted": None, "score": None}
        for days in (*range(WARM_UP + 3, WARM_UP + HORIZON, 8),):
            known = until(statistics, days)
            # The reference is young too at its time: labels as they were known when those days were as old.
            reference = rows(until(statistics, WARM_UP), WARM_UP - 28, WARM_UP, 20_000)
            current = rows(known, max(WARM_UP, days - 7), days, 20_000)
            found = Report([DataDriftPreset()]).run(Dataset.from_pandas(current), Dataset.from_pandas(reference)).dict()
            for metric in found["metrics"]:
                config = metric["config"]
                if "DriftedColumnsCount" in metric["metric_name"]:
                    flagged = float(metric["value"]["share"]) >= float(config.get("drift_share", 0.5))
                    name = "dataset"
                else:
                    name, value = str(config["column"]), float(metric["value"])
                    limit = float(config.get("threshold") or 0.1)
                    flagged = value < limit if "p_value" in str(config.get("method", "")) else value >= limit
                if flagged and name in first and first[name] is None:
                    first[name] = days - WARM_UP
        return first


class Store:
    """Results by key, kept in a file if one is named."""

    def __init__(self, path: Path | None) -> None:
        """Read what an earlier run left."""
        self._path = path
        lines = path.read_text().splitlines() if path and path.exists() else []
        self._known: dict[str, Result] = {row["key"]: row["result"] for row in map(json.loads, lines)}

    def worlds(self, count: int, make: Callable[[int], Result], name: str) -> list[Result]:
        """Results of so many seeds, made if they are not there."""
        return [self._get(f"{name} {seed}", make, seed) for seed in track(range(count), name)]

    def _get(self, key: str, make: Callable[[int], Result], seed: int) -> Result:
        if key not in self._known:
            self._known[key] = make(seed)
            if self._path:
                with self._path.open("a") as file:
                    file.write(json.dumps({"key": key, "result": self._known[key]}) + "\n")
        return self._known[key]


def main() -> None:
    """Run everything and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=110, help="without drift")
    parser.add_argument("--worlds", type=int, default=40, help="a kind of drift")
    parser.add_argument("--reports", type=int, default=2, help="worlds a kind for Evidently")
    parser.add_argument("--resume", action="store_true")
    asked = parser.parse_args()
    store = Store(ROOT / "benchmarks" / ".monitoring.jsonl" if asked.resume else None)
    many, fewer = asked.worlds, max(asked.worlds // 2, 1)

    falls = store.worlds(many, lambda seed: drift("positivity drop", seed), "positivity drop")
    slow = {kind: store.worlds(many, partial(drift, kind), kind) for kind in SLOW}
    years = store.worlds(asked.years, year, "years without drift")
    bases = store.worlds(many, baselines, "baselines")
    alarmed = sum(bool(each["alarms"]) for each in years)
    interval = wilson(alarmed, len(years))
    rows = [_called("no drift", "level verdict", [bool(each["alarms"]) for each in years])]
    rows[0]["note"] = f"95 % interval {interval.low:.3f} to {interval.high:.3f}"
    rows.append(_called("no drift", "matured labels only", [each["matured_only"] for each in years]))
    rows.extend(
        _called("no drift", f"signal {name}", [name in each["signals"] for each in years])
        for name in ("labels", "delay", "engagement", "scores", "volume")
    )
    rows.append(_drops("positivity drop", "level verdict", [each["drifted"] for each in falls], falls))
    rows.append(_drops("positivity drop", "matured labels only", [each["matured_only"] for each in bases], None))
    rows.append(_drops("positivity drop", "CBPE by its definition", [each["cbpe"] for each in bases], None))
    others = {
        kind: store.worlds(fewer, partial(drift, kind), kind)
        for kind in RIGHT
        if kind not in {*SLOW, "positivity drop"}
    }
    for kind, part in {**slow, **others}.items():
        rows.append(_found(kind, part))
        rows.append(_called(kind, "level verdict", [each["drifted"] is not None for each in part]))
    for conversions, size in ((180, 0.2), (180, 0.4), (400, 0.2), (1000, 0.2), (4000, 0.2)):
        planted = partial(drift, "positivity drop", a_day=20 * conversions, size=size, horizon=90)
        part = store.worlds(fewer, planted, f"{conversions} conversions a day, {size:.0%}")
        name = f"drop of {size:.0%} at {conversions} conversions a day"
        rows.append(_drops(name, "level verdict, 90 days", [each["drifted"] for each in part], part))
    for kind in ("none", "positivity drop", "delay slow-down", "score shift") if asked.reports else ():
        part = store.worlds(asked.reports, partial(evidently, kind), f"Evidently, {kind}")
        rows.extend(
            _drops(kind, f"Evidently's preset: {column}", [each[column] for each in part], None)
            for column in ("dataset", "converted", "score")
        )

    called = {kind: np.mean([each["drifted"] is not None for each in part]) for kind, part in slow.items()}
    claims = {
        "false_alarms_per_year": alarmed / len(years), "false_alarms_upper_95": interval.high,
        "years": float(len(years)), "median_detection_days": _median([each["drifted"] for each in falls]) or 999.0,
        "detected_within_60_days": float(np.mean([each["drifted"] is not None for each in falls])),
        "right_level": float(np.mean([bool(each["level_right"]) for each in falls])),
        "slowdown_called_drift": float(np.mean(list(called.values()))),
        "slowdown_called_drift_worst_form": float(max(called.values())),
        "median_detection_days_matured_only": _median([each["matured_only"] for each in bases]) or 999.0,
    }  # fmt: skip
    publish(Finding("monitoring", list(range(asked.years)), rows, claims))


def _median(days: list[int | None]) -> float | None:
    """Median with "never" as the longest; None when that is the median."""
    value = float(np.median([1e9 if each is None else each for each in days]))
    return None if value > 1e8 else value


def _row(
    kind: str, method: str, worlds: int, rate: float, days: float | None, right: float | None, note: str
) -> dict[str, Cell]:
    return {
        "drift": kind, "method": method, "worlds": worlds, "called": rate, "median days": days, "right": right,
        "note": note,
    }  # fmt: skip


def _called(kind: str, method: str, called: list[bool]) -> dict[str, Cell]:
    return _row(kind, method, len(called), float(np.mean(called)), None, None, "")


def _drops(kind: str, method: str, days: list[int | None], full: list[Result] | None) -> dict[str, Cell]:
    called = [each for each in days if each is not None]
    right = float(np.mean([bool(each["level_right"]) for each in full])) if full else None
    note = ""
    if full and len(called) >= 0.9 * len(days):
        off = np.median([abs(each["since_off"]) for each in full if each["since_off"] is not None])
        late = np.quantile([1e9 if each is None else each for each in days], 0.9)
        note = f"90 % within {late:.0f} days; since off by {off:.0f} days in the median"
    return _row(kind, method, len(days), len(called) / len(days), _median(days), right, note)


def _found(kind: str, part: list[Result]) -> dict[str, Cell]:
    causes = sorted({str(each["cause"]) for each in part if each["cause"]})
    right = float(np.mean([bool(each["right"]) for each in part]))
    found = sum(each["found"] is not None for each in part) / len(part)
    days = _median([each["found"] for each in part])
    return _row(kind, "first cause named", len(part), found, days, right, ", ".join(causes))


if __name__ == "__main__":
    main()
