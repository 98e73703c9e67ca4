"""Hits against lift as inline SVG: the served orders a curve over their weight, every baseline a point."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from onward.evaluation.related_queries import Relation
from onward.evaluation.related_tuning import TUNED_FOR
from onward.reporting.figures import INK, SERIES, svg_figure
from onward.reporting.list_quality import RELEVANT, Row, is_served, name_of

_TICKS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
Side = Literal["left", "center", "right"]
Spot = tuple[float, float]
Point = tuple[float, float, str, bool]
"""Hits, lift, name, and whether the point is Onward's."""
Box = tuple[float, float, float, float]

# In points: half a line of words, the width of a letter, and where words may stand beside their point.
_HALF_LINE, _LETTER = 5.5, 4.7
_PLACES: tuple[tuple[float, float, Side], ...] = (
    (7.0, 0.0, "left"),
    (-7.0, 0.0, "right"),
    (7.0, 9.0, "left"),
    (-7.0, 9.0, "right"),
    (0.0, 12.0, "center"),
    (7.0, -9.0, "left"),
    (-7.0, -9.0, "right"),
    (0.0, -12.0, "center"),
    (7.0, 18.0, "left"),
    (-7.0, 18.0, "right"),
    (7.0, -18.0, "left"),
    (-7.0, -18.0, "right"),
)


def hits_against_lift(relation: Relation, rows: Sequence[Row]) -> Markup:
    """Draw one relation: served orders a curve over their weight, baselines points; up and to the right is better.

    Args:
        relation: of `RELEVANT`.
        rows: of all methods.
    """
    points = [(row, _value(row, relation, "hr"), _value(row, relation, "lift")) for row in rows]
    drawn = [(row, hits, lift) for row, hits, lift in points if hits is not None and lift is not None and lift > 0]
    served = sorted((point for point in drawn if is_served(point[0])), key=lambda point: float(point[0]["weight"]))
    others = [point for point in drawn if not is_served(point[0])]

    def draw(axes: Axes) -> None:
        axes.plot(*_hits_and_lifts(others), color=SERIES[0], marker="o", linestyle="", markersize=6)
        axes.plot(*_hits_and_lifts(served), color=SERIES[1], marker="D", markersize=5)
        axes.axhline(1.0, color=INK, linewidth=1, linestyle=":")
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        most = max((hits for _, hits, _ in drawn), default=1.0)
        axes.set(
            ylim=(low / 1.3, high * 1.3),
            xlim=(0, 1.25 * most),
            xlabel="queries with a hit among ten",
            ylabel="hits against chance",
        )
        low, high = axes.get_ylim()
        axes.set_yticks([tick for tick in _TICKS if low <= tick <= high], minor=False)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ends = {id(row) for row, *_ in (served[0], served[-1])} if served else set[int]()
        named = [
            (hits, lift, f"w = {row['weight']:g}" if is_served(row) else name_of(row), is_served(row))
            for row, hits, lift in drawn
            if not is_served(row) or id(row) in ends
        ]
        in_the_way = [point[1:] for point in drawn] + _spots_along([point[1:] for point in served])
        _label_points(axes, named, in_the_way)

    listing = "; ".join(f"{name_of(row)} {hits:.1%}, {lift:.2f} times chance" for row, hits, lift in drawn)
    alt = f"Share of queries with a hit among ten ({RELEVANT[relation]}), and hits against chance: {listing}."
    return svg_figure(f"lists-{relation}", alt, draw, width=4.8, height=3.7)


def _value(row: Row, relation: Relation, metric: str) -> float | None:
    value: float | None = row[relation][f"{metric}@{TUNED_FOR}"]["value"]
    return value


def _hits_and_lifts(points: Sequence[tuple[Row, float, float]]) -> tuple[list[float], list[float]]:
    return [hits for _, hits, _ in points], [lift for *_, lift in points]


def _label_points(axes: Axes, points: Sequence[Point], in_the_way: Sequence[Spot]) -> None:
    """Write names beside points, each where it lies on the least of what is drawn, the highest point first."""
    figure = axes.get_figure(root=True)
    if figure is None:
        return
    figure.draw_without_rendering()  # the layout decides where points are
    scale = 72.0 / figure.dpi
    occupied = []
    if points:
        spots = axes.transData.transform(list(in_the_way)) * scale
        occupied = [_box(spot, 0.0, "center") for spot in spots]
    edges = axes.bbox.x0 * scale, figure.bbox.x1 * scale
    for hits, lift, words, ours in sorted(points, key=lambda point: (-point[1], point[0])):
        x, y = axes.transData.transform((hits, lift)) * scale
        width = _LETTER * len(words)
        boxes = [_box((x + dx, y + dy), width, side) for dx, dy, side in _PLACES]
        place = min(range(len(boxes)), key=lambda number: _overlap(boxes[number], occupied, edges))
        occupied.append(boxes[place])
        dx, dy, side = _PLACES[place]
        axes.annotate(
            words,
            (hits, lift),
            xytext=(dx, dy),
            textcoords="offset points",
            fontsize=9,
            ha=side,
            va="center",
            color=SERIES[1] if ours else INK,
            in_layout=False,
        )


def _spots_along(curve: Sequence[Spot]) -> list[Spot]:
    """Spots between neighbours of a curve, where it is straight on the picture."""
    return [
        (begin[0] + share * (end[0] - begin[0]), begin[1] ** (1.0 - share) * end[1] ** share)
        for begin, end in pairwise(curve)
        for share in (0.2, 0.4, 0.6, 0.8)
    ]


def _box(spot: Spot, width: float, side: Side) -> Box:
    """Left, right, bottom and top of words, or of a marker where they have no width."""
    begin = spot[0] - {"left": 0.0, "center": 0.5, "right": 1.0}[side] * width
    margin = 0.0 if width else 4.0
    return begin - margin, begin + width + margin, spot[1] - _HALF_LINE, spot[1] + _HALF_LINE


def _overlap(box: Box, occupied: Sequence[Box], edges: Spot) -> float:
    """Area that words share with what is drawn, and, at a high price, what of them lies outside the picture."""
    wide = (min(box[1], other[1]) - max(box[0], other[0]) for other in occupied)
    high = (min(box[3], other[3]) - max(box[2], other[2]) for other in occupied)
    shared = sum(max(0.0, across) * max(0.0, up) for across, up in zip(wide, high, strict=True))
    return shared + 100.0 * (max(0.0, edges[0] - box[0]) + max(0.0, box[1] - edges[1]))
