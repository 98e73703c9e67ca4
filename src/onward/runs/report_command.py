"""`onward report`: the page about the run in this folder, which begins with what it recommends."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from onward.artifacts import Layout
    from onward.deployment.recommend import Recommendation
    from onward.evaluation.related_cards import Entry, RelatedCard

_PRODUCTS, _IN_A_LIST = 8, 5
_out = Console()


def report() -> None:
    """Render reports/index.html and reports/positivity.html, and print the headline figures."""
    from onward.artifacts import Layout, read_json, read_table, read_text, write_text
    from onward.daily.watched import dashboards_folder
    from onward.deployment.provenance import provenance
    from onward.evaluation.neighbourhood import telling_neighbourhoods
    from onward.evaluation.report import (
        EDGES,
        PRODUCTS,
        REPORT_FILES,
        ReportContent,
        render_report,
        tiles_of,
    )
    from onward.monitoring.evidently_report import publish

    layout = Layout(Path.cwd())
    _require_impressions(layout)
    made_by = provenance(layout.root)
    texts = {name: read_text(layout.root / path) for name, path in REPORT_FILES.items()}
    names = read_table(layout.root / PRODUCTS, ["name"])["name"].tolist()
    content = ReportContent.from_texts(
        texts, commit=made_by["git_commit"], lock_hash=made_by["dvc_lock_sha256"],
        neighbourhoods=telling_neighbourhoods(read_table(layout.root / EDGES), names),
        related=_related(layout.deployment / "bundle"),
    )  # fmt: skip
    write_text(layout.reports / "index.html", render_report(content))
    positivity = read_table(layout.monitoring / "positivity.parquet")
    verdict = read_json(layout.monitoring / "verdict.json")
    publish(positivity, verdict, layout.reports / "positivity.html", dashboards_folder(os.environ, layout.root))
    _out.print(_tiles(tiles_of(content), content.deployment))
    _out.print("Pages: [bold]reports/index.html[/], [bold]reports/positivity.html[/]")


def _require_impressions(layout: "Layout") -> None:
    """Refuse a run without impressions, which leaves no page, by the reason that its stages wrote."""
    from onward.artifacts import read_json
    from onward.errors import ArtifactError

    note = layout.monitoring / "passed_through.json"
    if note.is_file():
        why = read_json(note)["passed_through"]
        raise ArtifactError(f"report: {why}; metrics/evaluation.json says how its lists do")


def _related(folder: Path) -> "tuple[RelatedCard, ...]":
    """Cards of well-known products, answered by the very code behind `onward recommend`; none where no lists were made.

    The bundle is the one that this run made, which the rest of the page is about; the gate may have refused it.
    """
    import numpy as np

    from onward.deployment.bundle_files import read_bundle
    from onward.deployment.recommend import recommend_all
    from onward.evaluation.related_cards import RelatedCard
    from onward.evaluation.well_known import well_known_products

    bundle = read_bundle(folder)
    if not len(bundle.lists.table):
        return ()
    customers = np.asarray(bundle.graph.customers, dtype=np.float64)
    own = bundle.lists.stands_for == np.arange(len(bundle.products))
    picked = well_known_products(bundle.products["category"], customers, own, _PRODUCTS)
    answers = recommend_all(bundle, picked, _IN_A_LIST)
    return tuple(
        RelatedCard(
            answer.name, answer.product_id, int(customers[product]), _entries(answer.goes_with),
            _entries(answer.after) if answer.directed else (), _entries(answer.before) if answer.directed else (),
            _entries(answer.instead[:3]), answer.directed,
        )
        for product, answer in zip(picked, answers, strict=True)
    )  # fmt: skip


def _entries(found: "tuple[Recommendation, ...]") -> "tuple[Entry, ...]":
    from onward.evaluation.related_cards import Entry

    return tuple(Entry(each.name, each.probability, each.decision, each.why) for each in found)


def _tiles(tiles: list[dict[str, str]], deployment: Any) -> Table:
    table = Table(title=f"{deployment['source']} as of {deployment['as_of']}", box=None, show_header=False)
    for tile in tiles:
        table.add_row(*(escape(text) for text in tile.values()))
    return table
