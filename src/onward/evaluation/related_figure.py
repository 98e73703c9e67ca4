"""Hits against lift as inline SVG: the served orders a curve over their weight, every baseline a point."""

from collections.abc import Hashable
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from onward.evaluation.figures import INK, SERIES, svg_figure
from onward.evaluation.related_comparison import SERVED
from onward.evaluation.related_queries import Relation

_TICKS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


def hits_against_lift(name: str, table: pd.DataFrame, relation: Relation) -> Markup:
    """Draw one relation; further up and to the right is better.

    Args:
        name: tells figures of one page apart.
        table: see `related_table`.
        relation: same basket or later.
    """
    rows = table[(table["list"] == "methods") & (table["relevant"] == relation) & (table["lift_value"] > 0)]
    served = rows[rows["method"] == SERVED].sort_values("weight")
    others = rows[rows["method"] != SERVED]

    def draw(axes: Axes) -> None:
        for row in others.to_dict("records"):
            point = (row["hr_value"], row["lift_value"])
            axes.plot(*point, color=SERIES[0], marker="o", linestyle="")
            words = row["method"].replace("_", " ")
            axes.annotate(words, point, xytext=(5, 4), textcoords="offset points", fontsize=8)
        axes.plot(served["hr_value"], served["lift_value"], color=SERIES[1], marker="D", markersize=4)
        for row in served.iloc[[0, -1]].to_dict("records") if len(served) else ():
            point, words = (row["hr_value"], row["lift_value"]), f"weight {row['weight']:g}"
            axes.annotate(words, point, xytext=(5, 4), textcoords="offset points", fontsize=8, color=SERIES[1])
        axes.axhline(1.0, color=INK, linewidth=1, linestyle=":")
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.set_yticks([tick for tick in _TICKS if low <= tick <= high], minor=False)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set(xlabel="queries with a hit among ten", ylabel="hits against chance")

    said = "; ".join(_words(row) for row in rows.to_dict("records"))
    return svg_figure(name, f"Share of queries with a hit among ten, and hits against chance: {said}.", draw)


def _words(row: dict[Hashable, Any]) -> str:
    weight = "" if pd.isna(row["weight"]) else f" at weight {row['weight']:g}"
    return f"{row['method'].replace('_', ' ')}{weight} {row['hr_value']:.1%}, {row['lift_value']:.2f}"
