"""The report's figures as inline SVG: no file, no script, and colours that the page's light or dark theme decides.

Colours are stand-ins when drawn and become CSS variables afterwards. Text stays text, so that it takes the page's font,
can be searched and can be read aloud.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from io import StringIO
from textwrap import fill
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from onward.reporting.neighbourhood import Neighbourhood

Rows = Sequence[Mapping[str, Any]]

INK, GRID = "#010203", "#040506"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#8a5fa8")  # after Okabe and Ito, told apart by colour-blind readers
_MARKS = ("o", "s", "D", "^")
_VARIABLES = {INK: "var(--ink)", GRID: "var(--line)"} | {colour: f"var(--c{i})" for i, colour in enumerate(SERIES)}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
}


def delay_curve(rows: Rows) -> Markup:
    """Share of conversions that have arrived, by days since the impression."""
    days, share = _column(rows, "days"), _column(rows, "share_converted_by")
    half = int(days[np.searchsorted(share, 0.5)]) if share[-1] >= 0.5 else None

    def draw(axes: Axes) -> None:
        axes.fill_between(days, share, step="post", color=SERIES[0], alpha=0.15, linewidth=0)
        axes.step(days, share, where="post", color=SERIES[0])
        if half is not None:
            axes.plot([half, half, 0], [0, 0.5, 0.5], color=INK, linewidth=1, linestyle=":")
            axes.annotate(f"half by day {half}", (half, 0.5), xytext=(8, -14), textcoords="offset points")
        axes.set(xlabel="days since the impression", xlim=(0, days[-1]), ylim=(0, 1.02))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))

    middle = f"; half have come by day {half}" if half is not None else ""
    return svg_figure("delay", f"Curve of the share of conversions that have arrived by each day{middle}.", draw)


def positives_per_day(rows: Rows) -> Markup:
    """Positives by day of the impression: as observed, corrected, and the truth where it is known."""
    x = np.arange(len(rows))
    naive, corrected = _column(rows, "naive"), _column(rows, "corrected")
    truth = _column(rows, "matured_truth_where_known")

    def draw(axes: Axes) -> None:
        axes.bar(x, naive, width=0.8, color=INK, alpha=0.22, label="seen so far")
        axes.plot(x, corrected, color=SERIES[0], label="corrected for delay")
        axes.plot(x, truth, color=SERIES[1], linestyle="", marker="o", markersize=3.5, label="truth, where matured")
        days = [date.fromisoformat(str(row["date"])) for row in rows]
        ticks = x[:: max(1, len(x) // 5)]
        axes.set_xticks(ticks, [f"{days[i]:%d %b}" for i in ticks])
        axes.set(ylim=(0, None), ylabel="positives")
        axes.grid(visible=False, axis="x")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2), ncols=3, handlelength=1.2, columnspacing=1.0)

    totals = f"{naive.sum():.0f} seen so far, {corrected.sum():.0f} once corrected for delay"
    return svg_figure("positives", f"Positives per day of the training window: {totals}.", draw)


def reliability(rows: Rows) -> Markup:
    """Observed against predicted rate, with intervals, beside the line where both agree."""
    predicted, observed = _column(rows, "predicted"), _column(rows, "observed")
    low, high = _column(rows, "low"), _column(rows, "high")

    def draw(axes: Axes) -> None:
        top = 1.08 * max(predicted.max(), high.max())
        axes.plot([0, top], [0, top], color=INK, linewidth=1, linestyle=":")
        errors = (np.maximum(observed - low, 0), np.maximum(high - observed, 0))
        axes.errorbar(
            predicted, observed, errors, color=SERIES[0], linestyle="", marker="o", markersize=5, elinewidth=1.4
        )
        axes.set(xlabel="predicted", ylabel="observed", xlim=(0, top), ylim=(0, top))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=None))

    return svg_figure(
        "reliability", f"Observed against predicted conversion rate in {len(rows)} bins of equal size.", draw
    )


def z_reliability(rows: Rows) -> Markup:
    """What became of unfinished labels of held-out customers against what z had said; no intervals, for rows repeat."""
    predicted, observed = _column(rows, "predicted"), _column(rows, "observed")

    def draw(axes: Axes) -> None:
        top = 1.08 * max(predicted.max(), observed.max(), 1e-6)
        axes.plot([0, top], [0, top], color=INK, linewidth=1, linestyle=":")
        axes.plot(predicted, observed, color=SERIES[0], linestyle="", marker="o", markersize=5)
        axes.set(xlabel="z: predicted to convert yet", ylabel="did convert", xlim=(0, top), ylim=(0, top))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=None))

    alt = f"Share of unfinished labels that did convert against the predicted share, in {len(rows)} bins of equal size"
    return svg_figure("z", f"{alt}.", draw)


def label_weights(rows: Rows) -> Markup:
    """How many training rows of each label weigh how much, on a logarithmic scale of rows."""
    low, high = _column(rows, "low"), _column(rows, "high")
    counts = {"counts as a conversion": _column(rows, "label_1"), "counts as none": _column(rows, "label_0")}

    def draw(axes: Axes) -> None:
        for i, (name, count) in enumerate(counts.items()):
            width = 0.42 * (high - low)
            axes.bar(low + (i + 0.5) * (high - low) / 2, count, width=width, color=SERIES[i], label=name)
        axes.set_yscale("log", nonpositive="clip")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}".replace(",", "\u2009")))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set(xlabel="weight", ylabel="training rows", xlim=(0, high[-1]), ylim=(0.8, None))
        axes.grid(visible=False, axis="x")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2), ncols=2, handlelength=1.2, columnspacing=1.0)

    totals = " and ".join(f"{count.sum():.0f} rows whose label {name}" for name, count in counts.items())
    return svg_figure("weights", f"Histogram of the weights of {totals}, up to a weight of {high[-1]:.3g}.", draw)


def calibration_by_level(rows: Rows) -> Markup:
    """Predicted over observed conversions per uncertainty level, with intervals; 1 is right."""
    measured = [row for row in rows if row["pcoc"]["low"] is not None]
    names = [f"level {row['level']}" for row in measured]

    def draw(axes: Axes) -> None:
        axes.axvline(1.0, color=INK, linewidth=1, linestyle=":")
        _dots(axes, names, [row["pcoc"] for row in measured], [SERIES[0]] * len(measured))
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.set_xticks([tick for tick in (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0) if low <= tick <= high], minor=False)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel="predicted / observed conversions")

    ratios = ", ".join(f"{name} {row['pcoc']['value']:.2f}" for name, row in zip(names, measured, strict=True))
    return svg_figure("pcoc", f"Predicted over observed conversions by uncertainty level: {ratios}.", draw)


def cuts(searches: Mapping[str, Mapping[str, Any]]) -> Markup:
    """The score from which a pair is shown, per uncertainty level and search; a cross where never."""
    finite = [cut for search in searches.values() for cut in search["cuts"] if cut is not None]

    def draw(axes: Axes) -> None:
        never = 1.15 * max(finite, default=1.0)
        for i, (name, search) in enumerate(searches.items()):
            values = search["cuts"]
            levels = np.arange(len(values)) + (i - (len(searches) - 1) / 2) * 0.14
            shown = np.array([cut is not None for cut in values])
            height = np.array([never if cut is None else cut for cut in values])
            axes.plot(levels[shown], height[shown], color=SERIES[i], marker=_MARKS[i], linestyle="", label=name)
            axes.plot(levels[~shown], height[~shown], color=SERIES[i], marker="x", linestyle="")
        axes.set_xticks(np.arange(len(values)), [str(level) for level in range(len(values))])
        axes.set(
            xlabel="uncertainty level (0 is surest)",
            ylabel="shown from score",
            ylim=(0, 1.25 * max(finite, default=1.0)),
        )
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2), ncols=len(searches), handlelength=1, columnspacing=1)

    return svg_figure("cuts", "Lowest score that is shown, by uncertainty level and search; a cross means never.", draw)


def operating_points(rows: Rows, searches: Sequence[str], target: float) -> Markup:
    """Precision against recall of everything each search could choose, and the target."""

    def draw(axes: Axes) -> None:
        for i, name in enumerate(searches):
            choices = [row for row in rows if row["search"] == name]
            recall = _column(choices, "recall")
            precision = _column(choices, "precision")
            axes.plot(recall, precision, color=SERIES[i], label=name, linestyle=("-", "--", "-.", ":")[i])
        axes.axhline(target, color=INK, linewidth=1, linestyle=":")
        axes.annotate(f"target {target:.1%}", (1.0, target), xytext=(0, 4), textcoords="offset points", ha="right")
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, None))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        axes.legend(loc="upper right", handlelength=2.4)

    names = ", ".join(searches)
    return svg_figure(
        "points", f"Precision against recall on the threshold split for {names}; the target is {target:.1%}.", draw
    )


def neighbourhood(number: int, centre: Neighbourhood) -> Markup:
    """What leads to a product and what it leads to, with how many customers bought in this order and in the other."""
    rows = max(len(centre.before), len(centre.after))

    def draw(axes: Axes) -> None:
        middle = (rows - 1) / 2
        # Names are no formulas. They lie inside; measured in another font than the page's, they would push arrows away.
        plain: dict[str, Any] = {"va": "center", "parse_math": False, "in_layout": False}
        axes.text(0.5, middle, fill(centre.name, 20), ha="center", weight="bold", **plain)
        for side, colour, outer, inner, count, name, align in (
            (centre.before, SERIES[0], 0.335, 0.39, 0.305, 0.275, "right"),
            (centre.after, SERIES[1], 0.665, 0.61, 0.695, 0.725, "left"),
        ):
            for row, neighbour in enumerate(side, start=(rows - len(side)) // 2):
                at_neighbour = (outer, row)
                at_centre = (inner, middle + 0.3 * (row - middle))  # arrows meet at the product
                begin, end = (at_neighbour, at_centre) if side is centre.before else (at_centre, at_neighbour)
                style = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
                axes.annotate("", end, begin, arrowprops=style)
                axes.text(count, row, f"{neighbour.so} : {neighbour.reversed}", ha="center", color=colour, **plain)
                axes.text(name, row, _shortened(neighbour.name, 33), ha=align, **plain)
        axes.set(xlim=(0, 1), ylim=(rows - 0.4, -0.6))
        axes.axis("off")

    sides = (
        f"{way} {centre.name}: "
        + ", ".join(f"{neighbour.name} ({neighbour.so} customers to {neighbour.reversed})" for neighbour in side)
        for way, side in (("Bought before", centre.before), ("Bought after", centre.after))
    )
    return svg_figure(f"way{number}", ". ".join(sides) + ".", draw, width=10.4, height=0.32 * rows + 0.2)


def _shortened(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1].rstrip(" ·") + "…"


def _dots(axes: Axes, names: Sequence[str], intervals: Rows, colours: Sequence[str]) -> None:
    for i, (interval, colour) in enumerate(zip(intervals, colours, strict=True)):
        bounds = [interval["low"], interval["high"]]
        axes.plot(bounds, [i, i], color=colour, alpha=0.45, linewidth=5, solid_capstyle="round")
        axes.plot([interval["value"]], [i], color=colour, marker="o", markersize=6)
    axes.set_yticks(range(len(names)), list(names))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def _column(rows: Rows, name: str) -> np.ndarray:
    return np.array([np.nan if row[name] is None else float(row[name]) for row in rows])


def svg_figure(name: str, alt: str, draw: Callable[[Axes], None], width: float = 4.8, height: float = 3.1) -> Markup:
    """Draw one figure as inline SVG.

    Args:
        name: tells the ids of several figures of one page apart.
        alt: what the figure says, for those who cannot see it.
        draw: draws into the axes, with INK, GRID and SERIES as its only colours.
        width: in inches at the page's text size; the page scales it.
        height: likewise.
    """
    with rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.subplots())
        stream = StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    svg = stream.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"| (width|height)="[\d.]+pt"| version="[^"]*"', "", svg, count=5)
    # Several figures share the page: their ids must not.
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"font: (\S+) [^;\"]*", r"font: \1 var(--sans)", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label={quoteattr(alt)}', 1))  # noqa: S704 - drawn here
