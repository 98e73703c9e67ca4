"""How pictures of benchmarks look, and how they are written: the same figures give the same bytes."""

from pathlib import Path
from typing import IO, Any

from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "onward", "svg.fonttype": "path", "font.size": 9, "axes.spines.top": False,
    "axes.spines.right": False, "axes.axisbelow": True, "axes.grid": True, "grid.color": "#e4e7ec",
}  # fmt: skip
"""For `rc_context`, around drawing and saving."""


def save_svg(figure: Figure, place: Path | IO[str]) -> None:
    """Write a figure as SVG without the day on which it was drawn."""
    figure.savefig(place, format="svg", metadata={"Date": None}, facecolor="white")
