"""How the report tells the judgement of the served lists: a picture a relation, tables, and a sentence.

It takes `results["related"]` as `evaluate` writes it: rows of served orders, one a weight, and of tuned baselines.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from onward.evaluation.figures import INK, SERIES, svg_figure
from onward.evaluation.report_words import interval, percent_interval

Row = Mapping[str, Any]

RELATIONS = {"basket": "in the same basket", "later": "newly bought later"}
"""What is relevant, and how the page says it."""

METHODS = {
    "popularity": "popularity",
    "popularity_among_new": "popularity among new purchases",
    "counts": "counts of what follows",
    "cooccurrence": "counts of the same basket",
}
"""What the page calls each baseline."""

_SERVED, _AT = "served", "@10"
_TICKS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_LABEL_HEIGHT = 11.0
_LABEL_WIDTH = 120.0


def name_of(row: Row) -> str:
    """What the page calls the method of a row.

    >>> name_of({"method": "served", "weight": 0.25}), name_of({"method": "served"}), name_of({"method": "counts"})
    ('Onward, weight 0.25', 'Onward, as served', 'counts of what follows')
    """
    if row["method"] != _SERVED:
        return METHODS.get(row["method"], str(row["method"]).replace("_", " "))
    return "Onward, as served" if "weight" not in row else f"Onward, weight {row['weight']:g}"


def is_served(row: Row) -> bool:
    """Whether the row is the deployed model's."""
    return bool(row["method"] == _SERVED)


def say_lists(related: Row) -> str:
    """How often what is said to go with a product does, beside the baseline that hits most."""
    served = [row for row in related["goes_with"] if is_served(row)]
    if not served:
        return "No test customer bought anything after the clock, so no list could be judged."
    hits, lift = (served[0]["basket"][f"{name}{_AT}"] for name in ("hr", "lift"))
    text = f"Of ten products said to go with another, at least one is in the same basket in {percent_interval(hits)} "
    text += f"of queries, {interval(lift, 1)} times as often as chance would hit."
    others = [row for row in related["goes_with"] if not is_served(row)]
    if not others:
        return text
    best = max(others, key=lambda row: row["basket"][f"hr{_AT}"]["value"] or 0.0)
    hits, lift = (best["basket"][f"{name}{_AT}"] for name in ("hr", "lift"))
    return text + f" By {name_of(best)}: {percent_interval(hits)}, {interval(lift, 1)} times."


def hits_against_lift(relation: str, rows: Sequence[Row]) -> Markup:
    """Draw one relation: served orders a curve over their weight, baselines points; up and to the right is better.

    Args:
        relation: of `RELATIONS`.
        rows: of all methods.
    """
    points = [(row, _value(row, relation, "hr"), _value(row, relation, "lift")) for row in rows]
    drawn = [(row, hits, lift) for row, hits, lift in points if hits is not None and lift is not None and lift > 0]
    served = sorted((each for each in drawn if is_served(each[0])), key=lambda each: float(each[0]["weight"]))
    others = [each for each in drawn if not is_served(each[0])]

    def draw(axes: Axes) -> None:
        axes.plot([hits for _, hits, _ in others], [lift for *_, lift in others], color=SERIES[0], marker="o",
                  linestyle="", markersize=6)  # fmt: skip
        axes.plot([hits for _, hits, _ in served], [lift for *_, lift in served], color=SERIES[1], marker="D",
                  markersize=5)  # fmt: skip
        axes.axhline(1.0, color=INK, linewidth=1, linestyle=":")
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        most = max((hits for _, hits, _ in drawn), default=1.0)
        # Names stand to the right of their points.
        axes.set(ylim=(low / 1.15, high * 1.25), xlim=(0, 1.35 * most), xlabel="queries with a hit among ten",
                 ylabel="hits against chance")  # fmt: skip
        low, high = axes.get_ylim()
        axes.set_yticks([tick for tick in _TICKS if low <= tick <= high], minor=False)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ends = {id(row) for row, *_ in (served[0], served[-1])} if served else set[int]()
        _name(axes, [(hits, lift, f"w = {row['weight']:g}" if is_served(row) else name_of(row), is_served(row))
                     for row, hits, lift in drawn if not is_served(row) or id(row) in ends])  # fmt: skip

    said = "; ".join(f"{name_of(row)} {hits:.1%}, {lift:.2f} times chance" for row, hits, lift in drawn)
    alt = f"Share of queries with a hit among ten ({RELATIONS[relation]}), and hits against chance: {said}."
    return svg_figure(f"lists-{relation}", alt, draw, width=4.8, height=3.7)


def _value(row: Row, relation: str, metric: str) -> float | None:
    found: float | None = row[relation][f"{metric}{_AT}"]["value"]
    return found


def _name(axes: Axes, points: Sequence[tuple[float, float, str, bool]]) -> None:
    """Write names beside points, from the top; one that would lie on another goes below it."""
    placed = list[tuple[float, float]]()
    to_points = 72.0 / axes.figure.dpi
    for hits, lift, words, ours in sorted(points, key=lambda point: (-point[1], point[0])):
        x, y = axes.transData.transform((hits, lift)) * to_points
        at = y - 3.0
        for other_x, other_y in sorted(placed, key=lambda place: -place[1]):
            if abs(other_x - x) < _LABEL_WIDTH and abs(other_y - at) < _LABEL_HEIGHT:
                at = other_y - _LABEL_HEIGHT
        placed.append((x, at))
        axes.annotate(words, (hits, lift), xytext=(7, at - y), textcoords="offset points", fontsize=9,
                      color=SERIES[1] if ours else INK)  # fmt: skip
