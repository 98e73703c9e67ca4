"""HR against lift: Onward a curve over its weight, every baseline a point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from benchmarks.harness.picture import STYLE, save_svg

_OURS = "#d55e00"
_COLOURS = ("#0072b2", "#009e73", "#8a5fa8", "#56b4e9", "#7f7f7f")
_MARKS = ("o", "s", "^", "v", "P", "X", "*")

Point = tuple[float, float]
"""(HR@10, lift@10)."""


@dataclass(frozen=True)
class Panel:
    """One relation.

    Attributes:
        title: of the panel.
        curve: Onward by weight, ascending.
        baselines: by method, curves of settings; the points of one curve are joined by a line.
    """

    title: str
    curve: Mapping[float, Point]
    baselines: Mapping[str, Sequence[Sequence[Point]]]


def draw(path: Path, panels: Sequence[Panel], model: str) -> None:
    """Write the picture as SVG; the same figures give the same bytes."""
    with rc_context(STYLE):
        figure = Figure(figsize=(4.6 * len(panels), 4.4), layout="constrained")
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            _draw(axes, panel, model)
        handles, names = axes.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_svg(figure, path)


def _draw(axes: Axes, panel: Panel, model: str) -> None:
    for place, (name, curves) in enumerate(panel.baselines.items()):
        colour, mark = _COLOURS[place % len(_COLOURS)], _MARKS[place % len(_MARKS)]
        for first, points in enumerate(curves):
            hits, lifts = zip(*points, strict=True)
            label = None if first else name
            axes.plot(hits, lifts, color=colour, marker=mark, markersize=5, linewidth=0.8, alpha=0.8, label=label)
    hits, lifts = zip(*panel.curve.values(), strict=True)
    axes.plot(hits, lifts, color=_OURS, marker="D", markersize=4, linewidth=2, label=f"{model}, by weight")
    for weight in (min(panel.curve), max(panel.curve)):
        axes.annotate(f"w = {weight:g}", panel.curve[weight], xytext=(5, 4), textcoords="offset points", color=_OURS)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator([0.5, 1, 2, 5, 10, 20, 50]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set(title=panel.title, xlabel="queries with a hit among ten", ylabel="hits against chance (lift at ten)")
