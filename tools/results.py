"""Write docs/results.md from benchmarks/results, through the template beside this module.

Usage:
    python -m tools.results
"""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from benchmarks.__main__ import benchmarks
from benchmarks.delay.stream import PUBLISHED
from benchmarks.doubt.thresholds import CONTROL
from onward.diagnosis.direction import NEGLIGIBLE
from onward.ranking.link_scores import GRIDS
from onward.ranking.node_facts import NODE_FACTS
from tools.readme import means, table

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = ROOT / "tools" / "pages"
TEMPLATE = "results.md.jinja"
PAGE = ROOT / "docs" / "results.md"
RESULTS = ROOT / "benchmarks" / "results"
QUOTED = {
    "cora_ml_published": {"value": "90.4", "source": "DirLinkBench (arXiv 2502.05724)"},
    "cora_ml_untrained_sum": {
        "value": "96.3",
        "source": "a study of ours that this benchmark has no row of",
    },
}
"""Figures that no benchmark of ours recorded, with where they come from."""

_WHICH_WAY = "both matched"


def result(name: str) -> dict[str, Any]:
    """What a benchmark recorded."""
    record: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return record


def claims(name: str) -> Mapping[str, float]:
    """The flat numbers that a benchmark lets a page quote."""
    quoted: Mapping[str, float] = result(name)["claims"]
    return quoted


def digits(value: float, count: int) -> str:
    """A figure with so many digits after its point.

    >>> digits(0.8, 2), digits(-0.0001, 2), digits(-0.25, 1)
    ('0.80', '0.00', '−0.2')
    """
    text = f"{value:.{count}f}"
    return text.lstrip("-") if float(text) == 0.0 else text.replace("-", "−")


def page_template(name: str) -> Template:
    """A page beside this module, which may show figures by `digits` and `thousands`, and fails where one is missing."""
    environment = Environment(  # noqa: S701 - the page is Markdown
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters |= {"digits": digits, "thousands": lambda value: f"{value:,.0f}"}
    return environment.get_template(name)


def best_untrained(data: str) -> dict[str, Any]:
    """The baseline with the most Hits@100 on a graph: neither the encoder nor a blend."""
    rows = [row for row in result("direction_dirlink")["rows"] if (row["data"], row["metric"]) == (data, "Hits@100")]
    return _best([row for row in rows if row["method"] not in {"blend", "encoder"}], "mean")


def best_sequence(query: str) -> dict[str, Any]:
    """The baseline that finds most next purchases on Beauty."""
    rows = [row for row in result("direction_sequences")["rows"] if row["query"] == query]
    return _best([row for row in rows if row["method"] != "blend"], "hr@10")


def best_shop(data: str, method: str | None = None) -> dict[str, Any]:
    """The named method in a shop, or else the best baseline there."""
    rows = [row for row in result("direction_retail")["rows"] if row["data"] == data and row["hr@10 low"] is not None]
    return _best([row for row in rows if (row["method"] == method if method else row["method"] != "blend")], "hr@10")


def answer(log: str, question: str) -> str:
    """What a real log says to one of the three questions."""
    return "yes" if _question(log, question)["says yes"] else "no"


def effect(log: str, question: str) -> str:
    """The effect behind the answer, in points of a hundred."""
    return digits(100.0 * _question(log, question)["median effect"], 1)


def range_of(log: str, question: str) -> str:
    """The interval of that effect, in points of a hundred."""
    row = _question(log, question)
    return f"({digits(100.0 * row['low'], 1)} to {digits(100.0 * row['high'], 1)})"


def levels_gain() -> dict[str, Any]:
    """What the default's uncertainty and search gain over one cut on Complete Journey."""
    rows: list[dict[str, Any]] = result("thresholds_complete_journey")["rows"]
    asked = ("pipeline, all rows", "head ensemble", "ew_dpmt")
    return next(row for row in rows if (row["score and rows"], row["spread"], row["search"]) == asked)


def levels_tried() -> int:
    """How many ways the best of them was chosen from."""
    rows: list[dict[str, Any]] = result("thresholds_complete_journey")["rows"]
    pipeline = [row for row in rows if row["score and rows"].startswith("pipeline")]
    return sum(row["spread"] not in {"–", CONTROL} for row in pipeline)


def ahead_or_behind(quoted: Mapping[str, float], name: str) -> str:
    """Onward's lift over the best baseline's, less 1, turned round: what the baseline has, in words.

    >>> ahead_or_behind({"x": 0.25, "x_low": 0.0, "x_high": 1.0}, "x")
    '20 % less lift (50 % less to 0 % more)'
    """
    value, low, high = (1.0 / (1.0 + quoted[name + end]) - 1.0 for end in ("", "_high", "_low"))
    words = (f"{abs(100.0 * each):.0f} % {'less' if each < 0.0 else 'more'}" for each in (value, low, high))
    mean, least, most = words
    return f"{mean} lift ({least} to {most})"


def ranking(world: str) -> str:
    """The published streaming methods on the simulator's stream, the best by log loss first."""
    rows = [row for row in result("delay_stream")["rows"] if row["world"] == world and row["method"] in PUBLISHED]
    return ", ".join(row["method"] for row in sorted(rows, key=lambda row: float(row["NLL"])))


def best_node_fact() -> dict[str, Any]:
    """What tells the way of Photo's edges best among what edges say of the nodes."""
    return _best([row for row in _which_way() if row["method"] in NODE_FACTS], _WHICH_WAY)


def best_pair_score() -> float:
    """How often the best score of a pair tells the way of Photo's edges."""
    names = {f"{name} {number}" for name, grid in GRIDS.items() for number in range(len(grid))}
    return float(max(row[_WHICH_WAY] for row in _which_way() if row["method"] in names))


def complements_ahead(served: Mapping[str, Any]) -> str:
    """Which baselines beat the complements as served in hits and lift at once, in words."""
    ahead = [
        row
        for row in means(result("related"), "complements, same basket")
        if row["hr@10"] > served["hr@10"] and row["lift@10"] > served["lift@10"]
    ]
    if not ahead:
        return "no baseline has more of both"
    return "more of both has " + ", ".join(f"{row['method']} ({row['setting']})" for row in ahead)


def records() -> list[dict[str, str]]:
    """Of every file of results its name, the command as it would be given today, and the commit it was made on."""
    modules = {benchmark.name: benchmark.module for benchmark in benchmarks()}
    found = []
    for name in sorted(path.stem for path in RESULTS.glob("*.json")):
        record = result(name)
        _, _, module, *options = record["command"].split()
        # A module that has moved since goes by the name it has today.
        module = module if find_spec(module) else modules[name]
        command = " ".join(["python -m", module, *options])
        found.append({"name": name, "command": command, "commit": record["commit"][:7]})
    return found


def render() -> str:
    """The page as the recorded results make it."""
    complements = next(row for row in means(result("related"), "complements, same basket") if row["method"] == "Onward")
    simulated = [row for row in result("diagnosis")["rows"] if (row["log"], row["question"]) == ("simulated", "doubt")]
    return page_template(TEMPLATE).render(
        claims=claims,
        quoted=QUOTED,
        related_table=table(result("related")),
        complements=complements,
        complements_ahead=complements_ahead(complements),
        shops=sum(row["shops"] for row in simulated),
        answer=answer,
        ranking=ranking,
        as_published=", ".join(PUBLISHED),
        effect=effect,
        range_of=range_of,
        negligible=NEGLIGIBLE,
        levels_gain=levels_gain(),
        levels_tried=levels_tried(),
        ahead_or_behind=ahead_or_behind,
        best_untrained=best_untrained,
        best_sequence=best_sequence,
        best_shop=best_shop,
        best_node_fact=best_node_fact(),
        best_pair_score=best_pair_score(),
        records=records(),
        weeks_that_came=sum(row["converted"] is not None for row in result("replay")["rows"]),
    )


def _which_way() -> list[dict[str, Any]]:
    return [row for row in result("direction_matched")["rows"] if row["data"] == "photo"]


def _best(rows: list[dict[str, Any]], column: str) -> dict[str, Any]:
    return max(rows, key=lambda row: row[column])


def _question(log: str, question: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = result("diagnosis")["rows"]
    return next(row for row in rows if (row["log"], row["question"]) == (log, question))


def main() -> None:
    """Rewrite docs/results.md."""
    PAGE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
