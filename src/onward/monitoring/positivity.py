"""Does each uncertainty level still deliver the positivity that its scores promise?

Two periods are compared per level: the reference, whose labels have mostly matured, and the current days, whose labels
have mostly not. An unmatured row counts with its expected label (1 or 0 when settled, else the probability that it
still converts), so that a young period is not mistaken for a bad one.

What is tested is the *change of the gap* between positivity and predicted rate. A level that was off by a tenth when
it was deployed and still is has not drifted; the gap itself is in the table for whoever wants to mend it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import stdtrit

from onward.errors import MonitoringError
from onward.evaluation.intervals import wilson

Floats = npt.NDArray[np.float64]
Word = Literal["ok", "too early to tell", "drifted"]

REFERENCE, CURRENT = "reference", "current"
ROW_COLUMNS = ("customer", "level", "probability", "shown", "expected", "settled", "matured", "current")
# Below this the normal approximation of a rate near 2 % is worthless (the usual rule for np).
_LEAST_POSITIVES = 10


@dataclass(frozen=True)
class LevelVerdict:
    """What one uncertainty level shows.

    Attributes:
        level: 0 is the surest.
        word: ok, too early to tell or drifted.
        change: current gap minus reference gap, where a gap is positivity minus predicted rate; NaN if too little came.
        margin: half width of the change's interval, wide enough for all levels together; NaN likewise.
        reason: one sentence with the numbers.
    """

    level: int
    word: Word
    change: float
    margin: float
    reason: str


def check_rows(rows: pd.DataFrame) -> None:
    """Refuse rows from which no verdict can follow.

    Raises:
        MonitoringError: a period is empty, or a prediction or an expected label is missing or no probability.
    """
    for period, current in ((REFERENCE, False), (CURRENT, True)):
        if not (rows["current"] == current).any():
            raise MonitoringError(
                f"monitor: no row in the {period} period, so there is nothing to compare; "
                "check run.training_days against monitoring.current_days, and that test customers were scored"
            )
    for column in ("probability", "expected"):
        # A comparison with NaN is false, so this counts missing values too.
        bad = int((~rows[column].between(0.0, 1.0)).sum())
        if bad:
            raise MonitoringError(
                f"monitor: {bad} of {len(rows)} rows have no valid {column}; run `dvc repro` to score them again"
            )


def positivity_table(rows: pd.DataFrame, levels: int, confidence: float) -> pd.DataFrame:
    """Per level and period: how many rows, what was predicted, what came, and how precise the shown ones are.

    Args:
        rows: one row an impression, columns ROW_COLUMNS; `expected` is the expected label, `settled` says that it is
            final, `matured` that its window has closed, `current` that it belongs to the current period.
        levels: number of uncertainty levels K.
        confidence: of the intervals, one at a time.

    Returns:
        2K rows. `nowcast` counts every row by its expected label, `matured_positivity` only those whose window has
        closed. Intervals are Wilson's at the effective sample size: fewer than n because customers repeat.
    """
    check_rows(rows)
    table = []
    for level in range(levels):
        for period, current in ((REFERENCE, False), (CURRENT, True)):
            part = rows[(rows["level"] == level) & (rows["current"] == current)]
            matured, shown = part[part["matured"]], part[part["shown"]]
            nowcast, low, high = _rate(part, confidence)
            _, matured_low, matured_high = _rate(matured, confidence)
            precision, precision_low, precision_high = _rate(shown, confidence)
            table.append({
                "level": level, "period": period, "n": len(part), "customers": part["customer"].nunique(),
                "positives": int(((part["expected"] == 1.0) & part["settled"]).sum()),
                "share_matured": _mean(part["matured"]), "predicted": _mean(part["probability"]),
                "matured_positivity": _mean(matured["expected"]),
                "matured_low": matured_low, "matured_high": matured_high,
                "nowcast": nowcast, "low": low, "high": high, "shown": len(shown),
                "precision": precision, "precision_low": precision_low, "precision_high": precision_high,
            })  # fmt: skip
    return pd.DataFrame(table)


def level_verdicts(
    rows: pd.DataFrame, table: pd.DataFrame, levels: int, confidence: float, tolerance: float
) -> tuple[LevelVerdict, ...]:
    """Judge every level; when nothing drifts, all are free of a false alarm with probability `confidence` or more.

    The intervals are Bonferroni's over the K levels of one look; repeated looks add up. A level is *drifted* when its
    interval excludes no change, *ok* when it excludes a change larger than `tolerance` times the reference rate, and
    otherwise it is *too early to tell*.

    Args:
        rows: see `positivity_table`.
        table: what `positivity_table` made of the same rows.
        levels: number of uncertainty levels K.
        confidence: family-wise, so the rate of false alarms per look is at most 1 - confidence.
        tolerance: the relative change that would matter.
    """
    check_rows(rows)
    return tuple(
        _judge(
            level, rows[rows["level"] == level], table[table["level"] == level], (1 - confidence) / levels, tolerance
        )
        for level in range(levels)
    )


def overall(verdicts: Sequence[LevelVerdict]) -> Word:
    """Drifted if any level is, else too early to tell if any level is, else ok."""
    words = {verdict.word for verdict in verdicts}
    return "drifted" if "drifted" in words else "too early to tell" if "too early to tell" in words else "ok"


def _judge(level: int, rows: pd.DataFrame, periods: pd.DataFrame, alpha: float, tolerance: float) -> LevelVerdict:
    reference, current = (periods[periods["period"] == period].iloc[0] for period in (REFERENCE, CURRENT))
    for name, period in ((REFERENCE, reference), (CURRENT, current)):
        if period["positives"] < _LEAST_POSITIVES:
            few = f"only {period['positives']} settled conversions in {period['n']} {name} rows"
            reason = f"{few}; {_LEAST_POSITIVES} are needed"
            return LevelVerdict(level, "too early to tell", float("nan"), float("nan"), reason)
    change, error, customers = _change(rows)
    margin = float(stdtrit(customers - 1, 1 - alpha / 2)) * error
    figures = (
        f"positivity {current['nowcast']:.2%} against {current['predicted']:.2%} predicted "
        f"(before: {reference['nowcast']:.2%} against {reference['predicted']:.2%}); "
        f"the gap moved by {change * 100:+.2f} ± {margin * 100:.2f} points"
    )
    if abs(change) > margin:
        return LevelVerdict(level, "drifted", change, margin, figures)
    if abs(change) + margin <= tolerance * reference["nowcast"]:
        return LevelVerdict(level, "ok", change, margin, figures)
    unsure = f"{figures}, too wide to rule out a change of {tolerance:.0%}"
    return LevelVerdict(level, "too early to tell", change, margin, unsure)


def _change(rows: pd.DataFrame) -> tuple[float, float, int]:
    """Change of the gap, its standard error and the number of customers behind it.

    A customer may appear in both periods, so each customer's whole influence on the difference is one draw. What is
    still open adds the variance of a coin with probability z: the interval is for the change as it will mature.
    """
    gap = (rows["expected"] - rows["probability"]).to_numpy(np.float64)
    current = rows["current"].to_numpy(bool)
    share = np.where(current, 1.0 / current.sum(), -1.0 / (~current).sum())
    centred = gap - np.where(current, gap[current].mean(), gap[~current].mean())
    influence, customers = _by_customer(rows, share * centred)
    variance = customers / (customers - 1) * (influence**2).sum() + (share**2 * _still_open(rows)).sum()
    return float((share * gap).sum()), float(np.sqrt(variance)), customers


def _rate(rows: pd.DataFrame, confidence: float) -> tuple[float, float, float]:
    """Mean expected label and its interval at the effective sample size; NaN and everything possible for no rows."""
    total = len(rows)
    if not total:
        return float("nan"), 0.0, 1.0
    expected = rows["expected"].to_numpy(np.float64)
    rate = float(expected.mean())
    influence, customers = _by_customer(rows, (expected - rate) / total)
    variance = customers / max(customers - 1, 1) * (influence**2).sum() + _still_open(rows).sum() / total**2
    effective = min(float(total), rate * (1 - rate) / variance) if variance > 0 else float(total)
    interval = wilson(rate * effective, effective, confidence)
    return rate, interval.low, interval.high


def _by_customer(rows: pd.DataFrame, values: Floats) -> tuple[Floats, int]:
    known, codes = np.unique(rows["customer"].to_numpy(), return_inverse=True)
    return np.bincount(codes, weights=values, minlength=len(known)).astype(np.float64), len(known)


def _still_open(rows: pd.DataFrame) -> Floats:
    expected = rows["expected"].to_numpy(np.float64)
    return np.where(rows["settled"].to_numpy(bool), 0.0, expected * (1 - expected))


def _mean(values: pd.Series) -> float:
    return float(values.mean()) if len(values) else float("nan")
