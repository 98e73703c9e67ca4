"""Hits against lift as inline SVG: the served orders a curve over their weight, every baseline a point."""

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from onward.evaluation.figures import INK, SERIES, svg_figure
from onward.evaluation.lists_judged import RELEVANT, Row, is_served, name_of
from onward.evaluation.related_queries import Relation
from onward.evaluation.related_tuning import TUNED_FOR

_TICKS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_LABEL_HEIGHT = 11.0
_LABEL_WIDTH = 120.0


def hits_against_lift(relation: Relation, rows: Sequence[Row]) -> Markup:
    """Draw one relation: served orders a curve over their weight, baselines points; up and to the right is better.

    Args:
        relation: of `RELEVANT`.
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
    alt = f"Share of queries with a hit among ten ({RELEVANT[relation]}), and hits against chance: {said}."
    return svg_figure(f"lists-{relation}", alt, draw, width=4.8, height=3.7)


def _value(row: Row, relation: Relation, metric: str) -> float | None:
    found: float | None = row[relation][f"{metric}@{TUNED_FOR}"]["value"]
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
