"""Assessments made up to the contract between the monitor and its pages, with a drift planted in one level.

Counts are drawn once a (seed, day, level), so that two assessments of the same day differ by what has matured in
between and by nothing else.
"""

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from onward.monitoring.assessment import SCHEMA

WINDOW = 28
LEVELS = 5
FIRST = date(2017, 9, 1)


def daily(as_of, first=FIRST, drift_level=None, drift_since=None, seed=3, per_level=4000, window=WINDOW):
    """One row per day and level, as of a day; the labels of a day mature evenly over a window of days."""
    rows = []
    for number in range((as_of - first).days):
        day = first + timedelta(days=number)
        age = (as_of - day).days
        matured = min(age / window, 1.0)
        for level in range(LEVELS):
            random = np.random.default_rng([seed, day.toordinal(), level])
            predicted = 0.09 - 0.012 * level + 0.001 * random.standard_normal()
            drifted = level == drift_level and drift_since is not None and day >= drift_since
            n = int(per_level * random.uniform(0.9, 1.1))
            rate = random.binomial(n, predicted * (0.65 if drifted else 1.0)) / n
            half = 1.96 * np.sqrt(rate * (1 - rate) / n) * (1 + 1.5 * (1 - matured))
            shown = int(n * 0.3)
            rows.append({
                "day": pd.Timestamp(day), "level": level, "n": n, "shown": shown, "predicted": predicted,
                "matured_n": int(n * (matured == 1.0)), "matured_positives": round(rate * n * (matured == 1.0)),
                "matured_rate": rate if matured == 1.0 else np.nan,
                "nowcast": rate, "nowcast_low": max(rate - half, 0.0), "nowcast_high": rate + half,
                "share_matured": matured, "precision": 1.6 * rate, "precision_low": 1.5 * rate,
                "precision_high": 1.7 * rate, "score_psi": 0.01 * random.uniform(0.5, 1.5),
                "delay_median_days": 13.0 + random.uniform(-1, 1), "engagement_rate": 0.4,
            })  # fmt: skip
    return pd.DataFrame(rows)


def verdict(as_of, version=4, drift_level=None, drift_since=None, **changes):
    """verdict.json of an assessment at as_of: drifted once the planted drift is ten days old."""
    drifted = drift_level is not None and as_of >= drift_since + timedelta(days=10)
    since = drift_since.isoformat() if drifted else None
    levels = [
        {
            "level": level, "verdict": "drifted" if drifted and level == drift_level else "ok",
            "since": since if level == drift_level else None,
            "change": -0.021 if drifted and level == drift_level else 0.001, "margin": 0.008,
            "drift_statistic": 2.6 if drifted and level == drift_level else 0.13,
            "reason": "positivity 4.3 % against 6.6 % predicted" if drifted and level == drift_level else "as promised",
        }
        for level in range(LEVELS)
    ]  # fmt: skip
    names = ("delay", "engagement", "volume", "scores", "labels")
    return {
        "schema": SCHEMA, "as_of": as_of.isoformat(), "source": "simulator", "version": version,
        "verdict": "drifted" if drifted else "ok", "cause": "positivity" if drifted else None,
        "level": drift_level if drifted else None, "since": since,
        "slices": [{"name": "category DAIRY", "change": -0.03, "margin": 0.01}] if drifted else [],
        "reason": f"Level {drift_level}: the gap moved by −2.1 ± 0.8 points" if drifted else "Every level as promised",
        "false_alarms_per_year": 0.05, "levels": levels,
        "signals": [
            {"name": name, "verdict": "ok", "statistic": 0.2, "since": None, "reason": f"{name} as before"}
            for name in names
        ],
        **changes,
    }  # fmt: skip


def write_assessment(folder: Path, as_of, version=4, first=FIRST, changes=None, **planted):
    """Write one assessment where the monitor would."""
    place = folder / f"version={version}" / f"as_of={as_of}"
    place.mkdir(parents=True, exist_ok=True)
    daily(as_of, first, **planted).to_parquet(place / "daily.parquet", index=False)
    (place / "verdict.json").write_text(json.dumps(verdict(as_of, version, **planted, **(changes or {}))))
    return place


def write_list_weeks(folder: Path, as_of, version=4, first=FIRST, seed=5):
    """Write what lists were worth in each week that was over, beside an assessment."""
    rows = []
    for number in range((as_of - first).days // 7):
        day = first + timedelta(days=7 * number + 6)
        for name, lift in (("goes_with", 3.5), ("after", 1.7)):
            value = lift * float(np.exp(np.random.default_rng([seed, number, len(name)]).normal(0, 0.07)))
            rows.append({
                "day": day, "list": name, "version": version, "queries": 5000, "listed": 0.99, "listed_when_made": 1.0,
                "coverage": 0.5, "hits": 700.0, "expected": 700.0 / value, "error": 0.04, "lift": value,
                "lift_low": 0.92 * value, "lift_high": 1.09 * value, "hit_rate": 0.27, "hit_rate_low": 0.25,
                "hit_rate_high": 0.29,
            })  # fmt: skip
    pd.DataFrame(rows).to_parquet(folder / f"version={version}" / f"as_of={as_of}" / "lists.parquet", index=False)
