"""Write docs/peers.md and its picture from benchmarks/results/peers.json.

Usage:
    python -m tools.peers
"""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from benchmarks.harness.picture import STYLE, save_svg
from benchmarks.peers.standings import DOES_NOT_APPLY, NOT_RUN, ONWARD
from tools.results import digits, page_template

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = "peers.md.jinja"
PAGE = ROOT / "docs" / "peers.md"
PICTURE = ROOT / "docs" / "images" / "peers.svg"
RESULT = ROOT / "benchmarks" / "results" / "peers.json"
TARGETS = {"beauty_hr10": 0.108, "beauty_hr50": 0.205, "beauty_history_hr10": 0.12}
"""What issue 20 asks of Onward on Beauty."""

_MARKS = ("o", "s", "^", "v", "P", "X", "D")
_COLOURS = ("#0072b2", "#009e73", "#8a5fa8", "#56b4e9", "#7f7f7f", "#c49a00", "#222222")

Row = Mapping[str, Any]


def record() -> dict[str, Any]:
    """What the benchmark wrote."""
    found: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return found


def names(rows: Sequence[Row], column: str) -> list[str]:
    """Distinct values of a column, in the order in which they come."""
    return list(dict.fromkeys(row[column] for row in rows))


def shown(row: Row, best: float) -> str:
    """A figure with its interval, bold where nobody has more; or why there is none."""
    value, low, high = row["value"], row["value low"], row["value high"]
    if value is None:
        return "not run" if row["note"].startswith(NOT_RUN) else "–"
    places = _places(value)
    text = digits(value, places)
    text = f"**{text}**" if value >= best else text
    return text if low is None else f"{text} ({digits(low, places)} to {digits(high, places)})"


def _places(value: float) -> int:
    """Digits behind the point."""
    return 1 if value >= 10.0 else 2 if value >= 1.0 else 3


def table(rows: Sequence[Row], data: str) -> list[str]:
    """Methods of one data set by metric."""
    own = [row for row in rows if row["data"] == data]
    metrics = names(own, "metric")
    best = {metric: max(row["value"] or 0.0 for row in own if row["metric"] == metric) for metric in metrics}
    lines = ["| | " + " | ".join(metrics) + " |", "|---|" + "--:|" * len(metrics)]
    for method in names(own, "method"):
        cells = {row["metric"]: shown(row, best[row["metric"]]) for row in own if row["method"] == method}
        if set(cells.values()) != {"–"}:
            lines.append(f"| {method} | " + " | ".join(cells[metric] for metric in metrics) + " |")
    return lines


def ahead(rows: Sequence[Row]) -> list[str]:
    """Where a peer is first: the figure and the peer, in words."""
    found = []
    for data, metric in dict.fromkeys((row["data"], row["metric"]) for row in rows):
        own = [row for row in rows if (row["data"], row["metric"]) == (data, metric) and row["value"] is not None]
        onward = next((row for row in own if row["method"] == ONWARD), None)
        peers = [row for row in own if row["method"] != ONWARD]
        if onward is None or not peers:
            continue
        top = max(peers, key=lambda row: row["value"])
        if top["value"] >= onward["value"]:
            places = _places(top["value"])
            figures = f"{digits(top['value'], places)} against {digits(onward['value'], places)}"
            found.append(f"{data}, {metric}: {top['method']} has {figures}")
    return found


def left_out(rows: Sequence[Row], word: str) -> list[str]:
    """Which methods have no figure of a data set, and why."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["note"].startswith(word):
            places = found.setdefault(f"{row['method']}|{row['note'].removeprefix(word).lstrip(': ')}", [])
            places += [row["data"]] if row["data"] not in places else []
    return [
        f"{method} on {', '.join(places)}" + (f": {why}" if why else "")
        for key, places in found.items()
        for method, why in [key.split("|", 1)]
    ]


def draw() -> str:
    """Every peer's figure as a share of Onward's."""
    rows = record()["rows"]
    own = {(row["data"], row["metric"]): row["value"] for row in rows if row["method"] == ONWARD and row["value"]}
    peers = [row for row in rows if row["method"] != ONWARD and row["value"] is not None]
    figures = [key for key in own if any((row["data"], row["metric"]) == key for row in peers)]
    place = {key: -number for number, key in enumerate(figures)}
    with rc_context(STYLE):
        figure = Figure(figsize=(8.6, 1.2 + 0.3 * len(figures)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(1.0, color="#d55e00", linewidth=2, label=ONWARD)
        for number, method in enumerate(names(peers, "method")):
            mine = [(row["value"] / own[key], place[key]) for row in peers if row["method"] == method
                    and (key := (row["data"], row["metric"])) in place]  # fmt: skip
            share, height = zip(*mine, strict=True)
            axes.plot(share, height, linestyle="none", marker=_MARKS[number % len(_MARKS)], markersize=6,
                      color=_COLOURS[number % len(_COLOURS)], label=method)  # fmt: skip
        axes.set_yticks(list(place.values()), [f"{data}: {metric}" for data, metric in figures])
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set(xlabel="share of Onward's figure", xlim=(0.0, None))
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
        buffer = io.StringIO()
        save_svg(figure, buffer)
    return buffer.getvalue()


def render() -> str:
    """The page as the recorded results make it."""
    found = record()
    rows = found["rows"]
    return page_template(TEMPLATE).render(
        claims=found["claims"],
        command=found["command"],
        commit=found["commit"][:7],
        tables={data: table(rows, data) for data in names(rows, "data")},
        ahead=ahead(rows),
        not_run=left_out(rows, NOT_RUN),
        does_not_apply=left_out(rows, DOES_NOT_APPLY),
        targets=TARGETS,
        settings=[row for row in rows if row["method"] != ONWARD and row["value"] is not None],
    )


def main() -> None:
    """Rewrite the page and the picture."""
    PAGE.write_text(render(), encoding="utf-8")
    PICTURE.write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
