"""The report: one self-contained page about one run, from the files that the run left.

It reads nothing and computes no metric: it words, formats and draws what the stages measured, so that the page cannot
disagree with the metrics.
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from onward.layout import Layout
from onward.reporting import figures
from onward.reporting.list_quality import RELEVANT, describe_lists, is_served, list_tiles, name_of
from onward.reporting.neighbourhood import Neighbourhood
from onward.reporting.related_cards import RelatedCard
from onward.reporting.related_figure import hits_against_lift
from onward.reporting.report_files import EDGES, PRODUCTS, REPORT_FILES
from onward.reporting.templates import page_template
from onward.reporting.well_known import RULE
from onward.reporting.wording import (
    FILTERS,
    POLICIES,
    QUESTIONS,
    describe_estimator,
    describe_gain,
    describe_groups,
    headline,
    heat_map,
    quarantine_reasons,
    row_accounts,
)

_FROM_ROOT = Layout(Path())


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
    policy: Mapping[str, Any]
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
        cls,
        texts: Mapping[str, str],
        *,
        neighbourhoods: tuple[Neighbourhood, ...],
        related: tuple[RelatedCard, ...],
        commit: str,
        lock_hash: str,
    ) -> "ReportContent":
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
            neighbourhoods=neighbourhoods,
            related=related,
            commit=commit,
            lock_hash=lock_hash,
            **parsed,
        )


def parse_rows(text: str) -> list[dict[str, Any]]:
    r"""Rows of a CSV file with numbers as numbers and empty cells as None.

    >>> parse_rows("date,seen\n2017-11-01,3\n2017-11-02,\n")
    [{'date': '2017-11-01', 'seen': 3.0}, {'date': '2017-11-02', 'seen': None}]
    """
    return [{name: _cell(value) for name, value in row.items()} for row in csv.DictReader(StringIO(text))]


def tiles_of(content: ReportContent) -> list[dict[str, str]]:
    """The headline figures: name, value, bounds and note of each."""
    return [*list_tiles(content.results["related"]), *headline(content.results, content.policy)]


def render_report(content: ReportContent) -> str:
    """Return the page as HTML that opens offline: styles and figures are inside, and there are no scripts."""
    results = content.results
    chosen = {POLICIES.get(name, name): search for name, search in content.searches.items() if "random" not in name}
    points = [row | {"search": POLICIES.get(row["search"], row["search"])} for row in content.operating_points]
    drawn = {
        "delay": figures.delay_curve(content.delay_curve),
        "positives": figures.positives_per_day(content.positives_per_day),
        "z": figures.z_reliability(content.z_reliability),
        "weights": figures.label_weights(content.label_weights),
        "reliability": figures.reliability(results["reliability"]),
        "pcoc": figures.calibration_by_level(results["by_level"]),
        "cuts": figures.cuts(chosen),
        "points": figures.operating_points(points, list(chosen), content.policy["precision_target"]),
    }
    judged = results["related"]
    pictures = {relation: hits_against_lift(relation, judged["methods"]) for relation in RELEVANT if judged["methods"]}
    return page_template("report.html.jinja", FILTERS).render(
        content=content,
        results=results,
        judged=judged,
        pictures=pictures,
        describe_lists=describe_lists,
        relevant=RELEVANT,
        name_of=name_of,
        is_served=is_served,
        rule=RULE,
        questions=QUESTIONS,
        answers=(content.direction_asked, content.delay_asked, content.doubt_asked),
        figures=drawn,
        ways=[figures.neighbourhood(number, shown) for number, shown in enumerate(content.neighbourhoods)],
        searches=POLICIES,
        heat=heat_map(results["heat_map"]),
        tiles=tiles_of(content),
        rows=row_accounts(content.ingest["tables"]),
        reasons=quarantine_reasons(content.ingest["tables"]),
        estimator=describe_estimator(content.delay),
        found_groups=describe_groups(results),
        gain=describe_gain(results["decisions"], results["deployed_policy"]),
        files=[*REPORT_FILES.values(), EDGES, PRODUCTS, str(_FROM_ROOT.bundle)],
    )


def _cell(value: str | None) -> str | float | None:
    if not value:
        return None
    try:
        return float(value)
    except ValueError:
        return value
