"""How the report words and formats what was measured."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from onward.choices import ESTIMATORS, LEVELS_AT_RANDOM, SEARCHES

QUESTIONS = {
    "direction": "Does this log have direction?",
    "delay": "Does delay hurt?",
    "doubt": "Does doubt pay?",
}
"""How the report asks each question about the log."""

POLICIES = {**SEARCHES, LEVELS_AT_RANDOM: f"{SEARCHES['ew_dpmt']}, levels at random"}
"""What the report calls the searches, and the control beside them."""


def percent(value: float | None, digits: int = 1) -> str:
    """Format a share.

    >>> percent(0.0235, 2), percent(None)
    ('2.35\u202f%', '–')
    """
    return "–" if value is None else f"{value * 100:.{digits}f}\u202f%"


def number(value: float | None, digits: int = 0) -> str:
    """Format a number with thin spaces between thousands.

    >>> number(1667400), number(0.98765, 3)
    ('1\u2009667\u2009400', '0.988')
    """
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", "\u2009")


def interval(estimate: Mapping[str, float | None] | None, digits: int = 3) -> str:
    """Format a value with its interval.

    >>> interval({"value": 0.7, "low": 0.65, "high": 0.75}, 2)
    '0.70 (0.65 to 0.75)'
    """
    if estimate is None or estimate["value"] is None:
        return "–"
    if estimate["low"] is None:
        return f"{estimate['value']:.{digits}f}"
    return f"{estimate['value']:.{digits}f} ({estimate['low']:.{digits}f} to {estimate['high']:.{digits}f})"


def percent_interval(estimate: Mapping[str, float | None] | None, digits: int = 1) -> str:
    """Format a share with its interval.

    >>> percent_interval({"value": 0.446, "low": 0.356, "high": 0.53})
    '44.6\u202f% (35.6 to 53.0)'
    """
    if estimate is None or estimate["value"] is None:
        return "–"
    value, low, high = (estimate[part] for part in ("value", "low", "high"))
    bounds = f" ({low * 100:.{digits}f} to {high * 100:.{digits}f})" if low is not None and high is not None else ""
    return f"{percent(value, digits)}{bounds}"


def points(estimate: Mapping[str, float | None]) -> str:
    """Format a difference of shares in percentage points, always with its sign.

    >>> points({"value": -0.001, "low": -0.006, "high": 0.004})
    '−0.1 points (−0.6 to +0.4)'
    """
    value, low, high = (estimate[part] for part in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "–"
    return f"{value * 100:+.1f} points ({low * 100:+.1f} to {high * 100:+.1f})".replace("-", "−")


def stacked(text: str) -> Markup:
    """Put the bounds of a formatted value below it, so that columns stay narrow.

    >>> stacked("0.70 (0.65 to 0.75)"), stacked("<")
    (Markup('0.70<small>0.65 to 0.75</small>'), Markup('&lt;'))
    """
    value, _, bounds = text.partition(" (")
    if not bounds:
        return escape(text)
    return Markup("{}<small>{}</small>").format(value, bounds.removesuffix(")"))


def p_value(value: float) -> str:
    """Format the p-value of a test.

    >>> p_value(0.0312), p_value(1e-9)
    ('p = 0.031', 'p < 0.0001')
    """
    return "p < 0.0001" if value < 1e-4 else f"p = {value:.3f}"


def short(text: str) -> str:
    """The first twelve characters of a hash."""
    return text[:12]


FILTERS: dict[str, Callable[..., str]] = {
    "percent": percent,
    "number": number,
    "interval": interval,
    "percent_interval": percent_interval,
    "points": points,
    "stacked": stacked,
    "p_value": p_value,
    "short": short,
}


def headline(results: Mapping[str, Any], policy: Mapping[str, Any]) -> list[dict[str, str]]:
    """The figures at the top of the page: name, value and what it is."""
    overall = results["classification"]
    (decided,) = [row for row in results["decisions"] if row["policy"] == results["deployed_policy"]]
    target = policy["precision_target"]
    return [
        tile("AUC", overall["auc"], interval, "order of the scores; 0.5 is chance"),
        tile("Predicted / observed", overall["pcoc"], interval, "size of the probabilities; 1 is right"),
        tile("Precision", decided["precision"], percent_interval, f"of what is shown; target {percent(target)}"),
        tile("Recall", decided["recall"], percent_interval, f"with {percent(decided['shown_share']['value'])} shown"),
    ]


def heat_map(cells: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Cells as one row a level, each with a shade between 0 and 0.75, and the score bins across."""
    top = max((cell["positivity"] or 0.0 for cell in cells), default=0.0) or 1.0
    levels = sorted({cell["level"] for cell in cells})
    bins = {cell["score_bin"]: {"low": cell["score_low"], "high": cell["score_high"]} for cell in cells}
    shaded = [{**cell, "shade": round(0.75 * (cell["positivity"] or 0.0) / top, 3)} for cell in cells]
    return {
        "bins": [bins[number] for number in sorted(bins)],
        "rows": [[cell for cell in shaded if cell["level"] == level] for level in levels],
    }


def row_accounts(tables: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a table: what came in, what was kept, where it went, and whether the sums agree."""
    rows = []
    for name, table in tables.items():
        quarantined = sum(table["rows_quarantined"].values())
        kept_in = {place: table.get(place, 0) for place in ("serving", "backtest", "outside_window")}
        agrees = table["rows_in"] == table["rows_kept"] + quarantined and table["rows_kept"] == sum(kept_in.values())
        rows.append(
            {
                "table": name,
                "rows_in": table["rows_in"],
                "rows_kept": table["rows_kept"],
                "quarantined": quarantined,
                **kept_in,
                "agrees": agrees,
            }
        )
    return rows


def quarantine_reasons(tables: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every reason for which rows were set aside, most rows first."""
    reasons = [
        {"table": name, "reason": reason, "rows": count}
        for name, table in tables.items()
        for reason, count in table["rows_quarantined"].items()
    ]
    return sorted(reasons, key=lambda row: (-row["rows"], row["table"], row["reason"]))


def describe_estimator(delay: Mapping[str, Any]) -> str:
    """Which estimator said what unfinished labels are worth, why that one, and what it did to the weights."""
    name = ESTIMATORS.get(delay["estimator"], delay["estimator"])
    reason = delay["estimator_reason"]
    text = f"Estimator: {name} ({reason}). "
    kappa = delay["delay_tilt"]["exponent"]
    moved = delay["recalibration"]
    if kappa != 1.0:
        text += (
            f"Fresh conversions come {'slower' if kappa > 1 else 'faster'} than history's: G is raised to {kappa:.2f}. "
        )
    if moved["offset"] or moved["slope"] != 1.0:
        text += f"Fresh data move the log odds of z by {moved['offset']:+.2f}, with slope {moved['slope']:.2f}, "
        text += f"and features by {moved['spread']:.2f} in standard deviation. "
    text += (
        f"The {number(delay['training_rows'])} training rows weigh {number(delay['weight_mean'], 2)} on average and "
        f"{number(delay['weight_max'], 2)} at most; they are worth {number(delay['effective_sample_size'])} whole ones"
    )
    share = delay["clipped_share"]
    return text + (f", and {percent(share, 2)} of positive weights were clipped." if share else ".")


def describe_groups(results: Mapping[str, Any]) -> str:
    """What the group finder named and confirmed, and what is repaired already."""
    groups = results["groups"]
    groups_tested = results["groups_looked_at"]
    confirmed = [group["group"] for group in groups if group["confirmed"]]
    text = f"Among {groups_tested} groups the finder named {len(groups)} on half of the customers"
    text += f" and confirmed {len(confirmed)} on the other half" + (f": {', '.join(confirmed)}." if confirmed else ".")
    repaired = results["repaired"]
    if not repaired:
        return text + " No group is repaired; list those that should be under uncertainty.repaired_groups."
    shifts = ", ".join(f"{name} by {shift:+.2f}" for name, shift in repaired.items())
    return text + f" Repaired in the log odds: {shifts}."


def describe_gain(decisions: Sequence[Mapping[str, Any]], deployed: str) -> str:
    """What the uncertainty levels earn at the same number shown, and what levels drawn by chance earn."""
    by_name = {row["policy"]: row for row in decisions}
    gain = by_name[deployed]["matched_volume_gain"]
    control = [row["matched_volume_gain"] for name, row in by_name.items() if "random" in name]
    name = POLICIES.get(deployed, deployed)
    text = f"Beside showing equally many by score alone, the cuts of {name} change recall by {points(gain)}: "
    text += f"{_significance(gain)}."
    return text + (
        f" The same search over levels shuffled at random changes it by {points(control[0])}." if control else ""
    )


def _significance(difference: Mapping[str, float | None]) -> str:
    low, high = difference["low"], difference["high"]
    if low is None or high is None:
        return "it cannot be measured here"
    return "a gain" if low > 0 else "a loss" if high < 0 else "it cannot be told from nothing"


def tile(name: str, estimate: Mapping[str, Any], form: Callable[..., str], note: str) -> dict[str, str]:
    """A figure at the top of the page: its name, value, bounds and what it is."""
    value, _, bounds = form(estimate).partition(" (")
    return {"name": name, "value": value, "bounds": bounds.rstrip(")"), "note": note}
