"""`onward report`: the page about the run in this folder, which begins with what it recommends."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from onward.commands.project import project_layout

if TYPE_CHECKING:
    from onward.layout import Layout
    from onward.reporting.related_cards import Entry, RelatedCard
    from onward.serving.recommend import Recommendation

_PRODUCTS = 8
_IN_A_LIST = 5
_out = Console()


def report() -> None:
    """Render reports/index.html and reports/positivity.html, and print the headline figures."""
    from onward.artifacts import read_json, read_table, read_text, write_text
    from onward.deployment.provenance import provenance
    from onward.monitoring.daily_series import require_columns
    from onward.params import read_params
    from onward.reporting.evidently_pages import write_positivity_page
    from onward.reporting.neighbourhood import one_way_neighbourhoods
    from onward.reporting.report_files import EDGES, PRODUCTS, REPORT_FILES
    from onward.reporting.run_report import ReportContent, render_report, tiles_of

    layout = project_layout()
    _require_impressions(layout)
    made_by = provenance(layout.root)
    texts = {name: read_text(layout.root / path) for name, path in REPORT_FILES.items()}
    names = read_table(layout.root / PRODUCTS, ["name"])["name"].tolist()
    content = ReportContent.from_texts(
        texts,
        commit=made_by["git_commit"],
        lock_hash=made_by["dvc_lock_sha256"],
        neighbourhoods=one_way_neighbourhoods(read_table(layout.root / EDGES), names),
        related=_related(layout.bundle),
    )
    write_text(layout.report_page, render_report(content))
    daily = require_columns(read_table(layout.daily_positivity))
    current_days = read_params(layout.params).monitoring.current_days
    write_positivity_page(daily, read_json(layout.verdict), current_days, layout.positivity_page)
    _out.print(_tiles(tiles_of(content), content.deployment))
    _out.print("Pages: [bold]reports/index.html[/], [bold]reports/positivity.html[/]")


def _require_impressions(layout: "Layout") -> None:
    """Refuse a run without impressions, which leaves no page, by the reason that its stages wrote."""
    from onward.artifacts import read_json
    from onward.errors import ArtifactError

    note = layout.passed_through("monitoring")
    if note.is_file():
        why = read_json(note)["passed_through"]
        raise ArtifactError(f"report: {why}; metrics/evaluation.json says how its lists do")


def _related(folder: Path) -> "tuple[RelatedCard, ...]":
    """Cards of well-known products, answered by the very code behind `onward recommend`; none where no lists were made.

    The bundle is the one that this run made, which the rest of the page is about; the gate may have refused it.
    """
    import numpy as np

    from onward.artifacts import StoredFiles
    from onward.deployment.bundle_files import worked_out_by
    from onward.deployment.listed_products import ListedProducts
    from onward.reporting.related_cards import RelatedCard
    from onward.reporting.well_known import well_known_products
    from onward.serving.recommend import recommend_all

    listed = ListedProducts.from_files(StoredFiles(folder))
    if not len(listed.lists.table):
        return ()
    own = listed.lists.stands_for == np.arange(len(listed.products))
    picked = well_known_products(listed.products["category"], listed.customers, own, _PRODUCTS)
    answers = recommend_all(listed, picked, _IN_A_LIST, worked_out_by(folder))
    return tuple(
        RelatedCard(
            answer.name,
            answer.product_id,
            int(listed.customers[product]),
            _entries(answer.goes_with),
            _entries(answer.after) if answer.directed else (),
            _entries(answer.before) if answer.directed else (),
            _entries(answer.instead[:3]),
            answer.directed,
        )
        for product, answer in zip(picked, answers, strict=True)
    )


def _entries(recommendations: "tuple[Recommendation, ...]") -> "tuple[Entry, ...]":
    from onward.reporting.related_cards import Entry

    return tuple(
        Entry(recommendation.name, recommendation.probability, recommendation.decision, recommendation.why)
        for recommendation in recommendations
    )


def _tiles(tiles: list[dict[str, str]], deployment: Any) -> Table:
    table = Table(title=f"{deployment['source']} as of {deployment['as_of']}", box=None, show_header=False)
    for tile in tiles:
        table.add_row(*(escape(text) for text in tile.values()))
    return table
