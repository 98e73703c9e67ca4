"""Write docs/sizing.md and its picture from what benchmarks/results recorded of time and memory by size.

What no benchmark has recorded yet (sizes, million, training) is left out, and the page says so.

Usage:
    python -m tools.sizing
"""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from benchmarks.harness.picture import STYLE, save_svg
from tools.results import RESULTS, page_template, result

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = "sizing.md.jinja"
PAGE = ROOT / "docs" / "sizing.md"
PICTURE = ROOT / "docs" / "images" / "sizing.svg"

CORE_HOUR, GB_HOUR = 0.04, 0.005
"""US dollars of a rented core and gigabyte for an hour: what large clouds ask about, without a contract, in 2026."""
CORES = 2
MACHINES = (16, 64, 256, 1024)
"""Gigabytes of memory that one machine is commonly rented with."""
SHOPS = (1_000_000, 10_000_000, 100_000_000)
PURCHASES = 1_000_000_000

_COLOURS = {"ingest": "#0072b2", "train_gnn": "#d55e00", "evaluate": "#009e73", "deploy": "#8a5fa8"}
_REST = "#9aa3af"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Curve:
    """A quantity measured at several sizes; beyond the largest it goes on as between the two largest.

    As a power of size or as a straight line, whichever is more: what costs the same at every size makes small shops
    grow slowly, and no large one does.
    """

    sizes: tuple[float, ...]
    values: tuple[float, ...]

    @property
    def exponent(self) -> float:
        """Of the last stretch: twice the size takes 2 ** exponent times as much."""
        (small, large), (less, more) = self.sizes[-2:], self.values[-2:]
        return math.log(more / less) / math.log(large / small)

    def at(self, size: float) -> float:
        """What a size would take if the last stretch went on.

        >>> Curve((1.0, 10.0), (2.0, 20.0)).at(1000.0)
        2000.0
        >>> Curve((1.0, 11.0), (5.0, 15.0)).at(101.0)
        105.0
        """
        (small, large), (less, more) = self.sizes[-2:], self.values[-2:]
        straight = more + (size - large) * (more - less) / (large - small)
        return max(straight, more * math.pow(size / large, self.exponent))


def curve(rows: Sequence[Row], size: str, value: str) -> Curve:
    """The column `value` of rows by the column `size`."""
    ordered = sorted(rows, key=lambda row: float(row[size]))
    return Curve(tuple(float(row[size]) for row in ordered), tuple(float(row[value]) for row in ordered))


def recorded(name: str) -> dict[str, Any] | None:
    """What a benchmark recorded, if it has been run."""
    return result(name) if (RESULTS / f"{name}.json").is_file() else None


def stages() -> dict[str, list[Row]]:
    """What `benchmarks.operations.sizes` recorded, by stage; nothing if it has not been run."""
    found: dict[str, list[Row]] = {}
    for row in (recorded("sizes") or {"rows": ()})["rows"]:
        found.setdefault(row["stage"], []).append(row)
    return found


def machine(gigabytes: float) -> int | None:
    """Memory of the smallest machine that holds so much; None: none does."""
    return next((each for each in MACHINES if each >= gigabytes), None)


def shop(products: float) -> dict[str, Any]:
    """What a weekly run over so many products would take, by the measured curves."""
    by_stage = stages()
    hours = sum(curve(rows, "products", "seconds").at(products) for rows in by_stage.values()) / 3600
    memory = {stage: curve(rows, "products", "peak GB").at(products) for stage, rows in by_stage.items()}
    first = max(memory, key=lambda stage: memory[stage])
    rented = machine(memory[first])
    return {
        "products": products,
        "purchases": curve(next(iter(by_stage.values())), "products", "purchases").at(products),
        "hours": hours,
        "gigabytes": memory[first],
        "first": first,
        "machine": rented,
        "dollars": None if rented is None else hours * (CORES * CORE_HOUR + rented * GB_HOUR),
    }


def draw() -> str:
    """Seconds and gigabytes: of ingest by purchases, of every stage and of an epoch of the encoder by products."""
    epochs = [row for row in (recorded("training") or {"rows": ()})["rows"] if row["peak GB"] is not None]
    titled = {
        ("ingest", "purchases"): {"ingest": result("ingest")["rows"]},
        ("every stage", "products"): stages(),
        ("an epoch of the encoder", "products"): {"train_gnn": epochs} if epochs else {},
    }
    panels = {title: lines for title, lines in titled.items() if lines}
    with rc_context(STYLE):
        figure = Figure(figsize=(3.6 * len(panels), 4.8), layout="constrained")
        grid = figure.subplots(2, len(panels), sharex="col", squeeze=False)
        for place, ((title, size), lines) in enumerate(panels.items()):
            for axes, (value, unit) in zip(
                grid[:, place], (("seconds", "seconds"), ("peak GB", "peak, GB")), strict=True
            ):
                for name, rows in lines.items():
                    colour = _COLOURS.get(name, _REST)
                    label = name if name in _COLOURS else "the others"
                    axes.plot(*_line(rows, size, value), marker="o", color=colour, label=label)
                axes.set(xscale="log", yscale="log", ylabel=unit)
                axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axes.yaxis.set_major_formatter("{x:g}")
                axes.yaxis.set_minor_formatter(NullFormatter())
                axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
            grid[0, place].set_title(title, loc="left", fontweight="bold")
            grid[1, place].set_xlabel(size)
            if len(lines) > 1:
                # One entry for all that are drawn alike; beside the lines, which fill the panel.
                shown = dict(zip(*reversed(grid[0, place].get_legend_handles_labels()), strict=True))
                grid[0, place].legend(
                    shown.values(), shown, frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0)
                )
        buffer = io.StringIO()
        save_svg(figure, buffer)
    return buffer.getvalue()


def _line(rows: Sequence[Row], size: str, value: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    found = curve(rows, size, value)
    return found.sizes, found.values


def render() -> str:
    """The page as the recorded results make it."""
    return page_template(TEMPLATE).render(
        **{
            name: recorded(name)
            for name in ("ingest", "sizes", "million", "training", "processes", "counting", "first_run")
        },
        stages={stage: _told(rows) for stage, rows in stages().items()},
        shops=[shop(products) for products in SHOPS] if recorded("sizes") else [],
        purchases={
            "hours": curve(result("ingest")["rows"], "purchases", "seconds").at(PURCHASES) / 3600,
            "gigabytes": curve(result("ingest")["rows"], "purchases", "peak GB").at(PURCHASES),
        },
        prices={"core": CORE_HOUR, "gigabyte": GB_HOUR},
    )


def _told(rows: Sequence[Row]) -> dict[str, Any]:
    ordered = sorted(rows, key=lambda row: float(row["products"]))
    return {
        "rows": ordered,
        "seconds": curve(rows, "products", "seconds").exponent,
        "gigabytes": curve(rows, "products", "peak GB").exponent,
    }


def main() -> None:
    """Rewrite the page and the picture."""
    PAGE.write_text(render(), encoding="utf-8")
    PICTURE.write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
