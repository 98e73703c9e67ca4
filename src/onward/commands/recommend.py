"""`onward recommend`: the four lists of a product for people, or of many products as JSON for programs."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from onward.commands.project import project_registry
from onward.errors import DataError, RegistryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import JustifyMethod

    from onward.deployment.bundle import Bundle
    from onward.deployment.graph_lists import GraphLists
    from onward.deployment.listed_products import ListedProducts
    from onward.serving.recommend import Answer, Recommendation

COLOURS = {"show": "green", "abstain": "yellow", "don't show": "dim"}
_TITLES = {"goes_with": "Goes with", "after": "Bought after", "before": "Bought before", "instead": "Instead of"}
_FIGURES = ("chance", "range", "doubt", "decision")
_JUSTIFIED: "tuple[JustifyMethod, ...]" = ("right", "right", "left", "left")
_GAP, _NARROWEST = 2, 20
_out = Console()


def recommend(
    name: Annotated[
        list[str] | None, typer.Argument(help="Words of a product's name, or its id.", metavar="NAME")
    ] = None,
    *,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=100, help="Products in each list.")] = 5,
    ids: Annotated[
        Path | None, typer.Option("--ids", help="A file of product ids, one a line, in place of a name.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line and product.")] = False,
    similar: Annotated[
        bool, typer.Option("--similar", help="What the encoder finds like the product, in the whole catalogue.")
    ] = False,
    batch: Annotated[
        Path | None, typer.Option("--batch", help="Write all lists of all products into this folder, as Parquet.")
    ] = None,
) -> None:
    """Say what goes with a product, what is bought after and before it, and what could stand in for it, and why."""
    from onward.deployment.bundle_files import read_bundle
    from onward.deployment.graph_lists import holds_graph_lists, read_graph_lists

    if (name is not None) + (ids is not None) + (batch is not None) != 1:
        raise DataError("recommend: give a product's name, or --ids FILE with one product id a line, or --batch FOLDER")
    registry = project_registry()
    champion = registry.champion()
    if champion is None:
        raise RegistryError("nothing is deployed; run `make run`, or see `onward status` if a model was refused")
    folder = registry.folder(champion)
    of_graph = holds_graph_lists(folder)
    if of_graph and (batch is not None or similar):
        raise DataError("recommend: the model in use holds the lists of a graph; ask for NODE, or give --ids FILE")
    if of_graph:
        _tell_of_graph(read_graph_lists(folder), [" ".join(name)] if name else _lines(ids), count, as_json=as_json)
    elif batch is not None:
        _write_batch(read_bundle(folder), champion.bundle_sha256, batch, count)
    else:
        _tell_of_products(folder, name, ids, count, as_json=as_json, similar=similar)


def _tell_of_products(
    folder: Path, name: list[str] | None, ids: Path | None, count: int, *, as_json: bool, similar: bool
) -> None:
    from onward.artifacts import StoredFiles
    from onward.deployment.bundle_files import worked_out_by
    from onward.deployment.listed_products import ListedProducts
    from onward.deployment.product_search import find_products
    from onward.serving.recommend import recommend_all

    # Not the whole bundle: reading it takes longer than the answer.
    listed = ListedProducts.from_files(StoredFiles(folder))
    names = listed.names
    product_ids = listed.product_ids
    if ids is not None:
        places = _known(listed, ids)
    else:
        places = find_products(" ".join(name or []), names, product_ids, listed.customers)
    asked = places if ids is not None else places[:1]
    if similar:
        _tell_similar(listed, folder, asked, count, as_json=as_json)
        return
    answers = recommend_all(listed, asked, count, worked_out_by(folder))
    if as_json:
        for answer in answers:
            typer.echo(json.dumps(asdict(answer), allow_nan=False))
        return
    for answer in answers:
        _show(answer, listed)
    if ids is None and len(places) > 1:
        others = ", ".join(f"{names[place]} ({product_ids[place]})" for place in places[1:6])
        more = f" and {len(places) - 6} more" if len(places) > 6 else ""
        _out.print(f"[dim]Also named like that: {escape(others)}{more}.[/]")


def _write_batch(bundle: "Bundle", bundle_sha256: str, folder: Path, count: int) -> None:
    from rich.progress import track

    from onward.serving.batch_lists import parts_of, write_part

    parts = parts_of(bundle, bundle_sha256, folder, count)
    waiting = [part for part in parts if not part.finished]
    for part in track(waiting, "lists", console=Console(stderr=True), transient=True):
        write_part(bundle, part)
    kept = len(parts) - len(waiting)
    _out.print(
        f"{escape(str(folder))}: {len(parts)} parts, {kept} of them kept from an earlier run of the same version",
        soft_wrap=True,
    )


def _tell_similar(listed: "ListedProducts", folder: Path, places: list[int], count: int, *, as_json: bool) -> None:
    from onward.artifacts import StoredFiles
    from onward.model.embeddings import Embeddings
    from onward.serving.similar_products import SimilarProducts

    similar = SimilarProducts(Embeddings.from_arrays(StoredFiles(folder)["embeddings.npz"]))
    names = listed.names
    product_ids = listed.product_ids
    for place in places:
        others = similar.of(place, count)
        if as_json:
            found = [{"product_id": product_ids[other], "likeness": score} for other, score in others.items()]
            typer.echo(json.dumps({"product_id": product_ids[place], "similar": found}))
            continue
        _out.print(f"[bold]Like {escape(names[place])}[/] [dim](product {escape(product_ids[place])})[/]")
        for other, score in others.items():
            _out.print(f"  {score:5.2f}  {escape(names[other])} [dim]{escape(product_ids[other])}[/]")
        _out.print("[dim]By the encoder alone: likeness on the scale of log lifts, no chance and no counts.[/]")


def _tell_of_graph(lists: "GraphLists", nodes: list[str], count: int, *, as_json: bool) -> None:
    for node in nodes:
        if as_json:
            identity, ways = lists.answer(node, count)
            typer.echo(json.dumps({"product_id": identity, **{way: dict(others) for way, others in ways.items()}}))
        else:
            _out.print(escape(lists.told(node, count)), soft_wrap=True)


def _lines(path: Path | None) -> list[str]:
    """The lines of a file that hold anything.

    Raises:
        DataError: the file cannot be read, or holds nothing.
    """
    try:
        text = path.read_text(encoding="utf-8") if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"recommend: cannot read {path} ({error}); give a text file, one product id a line") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError(f"recommend: {path} holds no id; give one product id a line")
    return lines


def _known(listed: "ListedProducts", path: Path) -> list[int]:
    """Inside numbers of the ids of a file.

    Raises:
        DataError: the file cannot be read, or holds an id that the model does not know.
    """
    identities = _lines(path)
    inside = listed.inside(identities)
    unknown = [identity for identity, number in zip(identities, inside, strict=True) if number < 0]
    if unknown:
        raise DataError(
            f"recommend: {path}: {len(unknown)} of {len(identities)} ids are not in the catalogue, "
            f"first {unknown[0]!r}; give ids as in the log's product_id"
        )
    return [int(number) for number in inside]


def _show(answer: "Answer", listed: "ListedProducts") -> None:
    from onward.ranking.list_names import LISTS

    _out.print(f"[bold]{escape(answer.name)}[/] [dim](product {escape(answer.product_id)})[/]")
    if answer.of_its_type:
        _out.print("[dim]Too few customers have bought it: what follows is of its type.[/]")
    for name in LISTS:
        print_list(_out, f"{_TITLES[name]} {answer.name}", getattr(answer, name))
    if any(entry.decision == "abstain" for name in LISTS for entry in getattr(answer, name)):
        _out.print(
            "[dim]Abstain: too little is known to decide, mostly because the log has no impression like that pair.[/]"
        )
    if not answer.directed:
        _out.print("[dim]This log shows no order beyond frequency and season: after and before lean on goes with.[/]")
    facts = listed.facts
    _out.print(
        f"[dim]Chance that a typical customer who is shown it buys it new within {facts['attribution_days']} days; "
        f"the range is kept by nine in ten groups of shown pairs, not by every pair. "
        f"Learnt from {escape(str(facts['source']))} as of {facts['as_of']}.[/]"
    )


def print_list(console: Console, title: str, recommendations: "Sequence[Recommendation]") -> None:
    """A list: a line of figures for each product and below it, over the whole width, its id and the reason."""
    if not recommendations:
        console.print(f"[bold]{escape(title)}[/]: nothing known")
        return
    figures = [
        (f"{each.probability:.1%}", f"{each.low:.1%} to {each.high:.1%}", each.doubt, each.decision)
        for each in recommendations
    ]
    widths = [max(map(len, column)) for column in zip(_FIGURES, *figures, strict=True)]
    room = console.width - sum(widths) - _GAP * len(widths)
    name = max(_NARROWEST, min(room, max(len(each.name) for each in recommendations)))

    def line(first: str, cells: tuple[str, ...], style: str = "") -> Table:
        table = Table.grid(padding=(0, _GAP, 0, 0))
        table.add_column(width=name)
        for width, justify in zip(widths, _JUSTIFIED, strict=True):
            table.add_column(width=width, justify=justify, no_wrap=True)
        table.add_row(first, *cells, style=style)
        return table

    console.print(f"[bold]{escape(title)}[/]")
    console.print(line("product", _FIGURES, "dim"))
    for each, (*cells, decision) in zip(recommendations, figures, strict=True):
        console.print(line(escape(each.name), (*cells, f"[{COLOURS[decision]}]{decision}[/]")))
        reason = ": ".join(filter(None, (each.product_id, each.why)))
        console.print(Padding(f"[dim]{escape(reason)}[/]", (0, 0, 0, 2)))
