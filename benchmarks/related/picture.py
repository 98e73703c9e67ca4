"""HR against lift: Onward a curve over its weight, every baseline a point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

_OURS, _THEIRS = "#d55e00", "#0072b2"
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "onward", "svg.fonttype": "path", "font.size": 9, "axes.spines.top": False,
    "axes.spines.right": False, "axes.axisbelow": True, "axes.grid": True, "grid.color": "#e4e7ec",
}  # fmt: skip

Point = tuple[float, float]
"""(HR@10, lift@10)."""


@dataclass(frozen=True)
class Panel:
    """One relation.

    Attributes:
        title: of the panel.
        curve: Onward by weight, ascending.
        baselines: the settings to show of each method; several are joined by a line.
    """

    title: str
    curve: Mapping[float, Point]
    baselines: Mapping[str, Sequence[Point]]


def draw(path: Path, panels: Sequence[Panel], model: str) -> None:
    """Write the picture as SVG; the same figures give the same bytes."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(4.6 * len(panels), 3.7), layout="constrained")
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            _draw(axes, panel, model)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None}, facecolor="white")


def _draw(axes: Axes, panel: Panel, model: str) -> None:
    for name, points in panel.baselines.items():
        hits, lifts = zip(*points, strict=True)
        axes.plot(hits, lifts, color=_THEIRS, marker="o", markersize=4, linewidth=0.8, alpha=0.75)
        _name(axes, name, points[0], _THEIRS)
    hits, lifts = zip(*panel.curve.values(), strict=True)
    axes.plot(hits, lifts, color=_OURS, marker="D", markersize=4, linewidth=2, label=f"{model}, by weight")
    for weight in (min(panel.curve), max(panel.curve)):
        _name(axes, f"w = {weight:g}", panel.curve[weight], _OURS)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator([0.5, 1, 2, 5, 10, 20, 50]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set(title=panel.title, xlabel="queries with a hit among ten", ylabel="hits against chance (lift at ten)")
    axes.legend(loc="upper right", frameon=False)


def _name(axes: Axes, name: str, point: Point, colour: str) -> None:
    axes.annotate(name, point, xytext=(4, 3), textcoords="offset points", fontsize=7, color=colour)
