"""The report: one self-contained page about one run, from the files that the run left.

It reads nothing and computes no metric: it words, formats and draws what the stages measured, so that the page cannot
disagree with the metrics.
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from onward.evaluation import figures
from onward.evaluation.lists_judged import RELEVANT, is_served, list_tiles, name_of, say_lists
from onward.evaluation.neighbourhood import Neighbourhood
from onward.evaluation.related_cards import RelatedCard
from onward.evaluation.related_figure import hits_against_lift
from onward.evaluation.report_words import (
    FILTERS,
    QUESTIONS,
    SEARCHES,
    account,
    headline,
    heat_map,
    quarantine_reasons,
    say_estimator,
    say_gain,
    say_groups,
)
from onward.evaluation.well_known import RULE

REPORT_FILES: Mapping[str, str] = {
    "ingest": "metrics/ingest.json",
    "delay": "metrics/delay.json",
    "results": "artifacts/evaluation/results.json",
    "searches": "artifacts/thresholds/searches.json",
    "deployment": "artifacts/deployment/deployment.json",
    "verdict": "artifacts/monitoring/verdict.json",
    "direction_asked": "artifacts/model/direction.json",
    "delay_asked": "artifacts/delay/question.json",
    "doubt_asked": "artifacts/thresholds/question.json",
    "delay_curve": "plots/delay_curve.csv",
    "positives_per_day": "plots/positives_per_day.csv",
    "z_reliability": "plots/z_reliability.csv",
    "label_weights": "plots/label_weights.csv",
    "operating_points": "plots/operating_points.csv",
}
"""What the page is made of, from the project's root; every file is text."""

EDGES, PRODUCTS = "artifacts/model/edges.parquet", "artifacts/serving/products.parquet"
"""What the picture of the directed graph is drawn from."""


@dataclass(frozen=True)
class ReportContent:
    """Everything the page says, as plain values; fields that come from a file have its key in `REPORT_FILES`."""

    commit: str
    lock_hash: str
    ingest: Mapping[str, Any]
    delay: Mapping[str, Any]
    results: Mapping[str, Any]
    searches: Mapping[str, Any]
    deployment: Mapping[str, Any]
    verdict: Mapping[str, Any]
    direction_asked: Mapping[str, Any]
    delay_asked: Mapping[str, Any]
    doubt_asked: Mapping[str, Any]
    delay_curve: list[dict[str, Any]]
    positives_per_day: list[dict[str, Any]]
    z_reliability: list[dict[str, Any]]
    label_weights: list[dict[str, Any]]
    operating_points: list[dict[str, Any]]
    neighbourhoods: tuple[Neighbourhood, ...]
    related: tuple[RelatedCard, ...]

    @classmethod
    def from_texts(
        cls, texts: Mapping[str, str], *, neighbourhoods: tuple[Neighbourhood, ...], related: tuple[RelatedCard, ...],
        commit: str, lock_hash: str,
    ) -> "ReportContent":  # fmt: skip
        """Parse the text of every file in `REPORT_FILES`.

        Args:
            texts: by the keys of `REPORT_FILES`.
            neighbourhoods: of the directed graph, to be drawn.
            related: lists of well-known products.
            commit: git commit of the run, as short or long as the page should show it.
            lock_hash: hash of dvc.lock.
        """
        parsed: dict[str, Any] = {
            name: json.loads(texts[name]) if path.endswith(".json") else parse_rows(texts[name])
            for name, path in REPORT_FILES.items()
        }
        return cls(
            neighbourhoods=neighbourhoods, related=related, commit=commit, lock_hash=lock_hash,
            **parsed,
        )  # fmt: skip


def parse_rows(text: str) -> list[dict[str, Any]]:
    r"""Rows of a CSV file with numbers as numbers and empty cells as None.

    >>> parse_rows("date,seen\n2017-11-01,3\n2017-11-02,\n")
    [{'date': '2017-11-01', 'seen': 3.0}, {'date': '2017-11-02', 'seen': None}]
    """
    return [{name: _cell(value) for name, value in row.items()} for row in csv.DictReader(StringIO(text))]


def tiles_of(content: ReportContent) -> list[dict[str, str]]:
    """The headline figures: name, value, bounds and note of each."""
    return [*list_tiles(content.results["related"]), *headline(content.results, content.verdict)]


def render_report(content: ReportContent) -> str:
    """Return the page as HTML that opens offline: styles and figures are inside, and there are no scripts."""
    results = content.results
    environment = Environment(
        loader=PackageLoader("onward.evaluation", ""), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= FILTERS
    chosen = {SEARCHES.get(name, name): found for name, found in content.searches.items() if "random" not in name}
    points = [row | {"search": SEARCHES.get(row["search"], row["search"])} for row in content.operating_points]
    drawn = {
        "delay": figures.delay_curve(content.delay_curve),
        "positives": figures.positives_per_day(content.positives_per_day),
        "z": figures.z_reliability(content.z_reliability),
        "weights": figures.label_weights(content.label_weights),
        "reliability": figures.reliability(results["reliability"]),
        "pcoc": figures.calibration_by_level(results["by_level"]),
        "cuts": figures.cuts(chosen),
        "points": figures.operating_points(points, list(chosen), content.verdict["precision_target"]),
    }
    judged = results["related"]
    pictures = {relation: hits_against_lift(relation, judged["methods"]) for relation in RELEVANT if judged["methods"]}
    return environment.get_template("report.html.jinja").render(
        content=content,
        results=results,
        judged=judged,
        pictures=pictures,
        say_lists=say_lists,
        relevant=RELEVANT,
        name_of=name_of,
        is_served=is_served,
        rule=RULE,
        questions=QUESTIONS,
        answers=(content.direction_asked, content.delay_asked, content.doubt_asked),
        figures=drawn,
        ways=[figures.neighbourhood(number, found) for number, found in enumerate(content.neighbourhoods)],
        searches=SEARCHES,
        heat=heat_map(results["heat_map"]),
        tiles=tiles_of(content),
        rows=account(content.ingest["tables"]),
        reasons=quarantine_reasons(content.ingest["tables"]),
        estimator=say_estimator(content.delay),
        found_groups=say_groups(results),
        gain=say_gain(results["decisions"], results["deployed_policy"]),
        files=[*REPORT_FILES.values(), EDGES, PRODUCTS, "artifacts/deployment/bundle"],
    )


def _cell(value: str | None) -> str | float | None:
    if not value:
        return None
    try:
        return float(value)
    except ValueError:
        return value
