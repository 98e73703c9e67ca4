"""A bundle as a folder of plain files, and the hash that names it."""

import hashlib
from pathlib import Path

import pandas as pd

from onward.artifacts import (
    read_arrays,
    read_json,
    read_table,
    read_text,
    write_arrays,
    write_json,
    write_table,
    write_text,
)
from onward.deployment.bundle import Bundle
from onward.deployment.graph_lists import holds_graph_lists
from onward.deployment.served_lists import ServedLists, no_lists
from onward.errors import DataError
from onward.graph.product_graph import ProductGraph
from onward.model.embeddings import Embeddings
from onward.model.scorer import PairScorer
from onward.thresholds.policy import Policy
from onward.uncertainty.calibration import IsotonicCalibrator
from onward.uncertainty.group_repair import GroupRepair
from onward.uncertainty.levels import UncertaintyLevels
from onward.uncertainty.sources import HeadEnsemble
from onward.uncertainty.spread_choice import spread_from_dict, spread_to_dict

_REPAIR, _SPREAD, _LISTS = "repair.json", "spread.json", "lists.json"


def write_bundle(folder: Path, bundle: Bundle) -> None:
    """Write every part; the same bundle gives the same bytes."""
    write_table(folder / "products.parquet", bundle.products)
    write_table(folder / "edges.parquet", bundle.graph.edge_table())
    write_table(folder / "nodes.parquet", bundle.graph.node_table())
    write_arrays(folder / "embeddings.npz", bundle.embeddings.to_arrays())
    for number, head in enumerate(bundle.scorer.heads):
        write_text(folder / "heads" / f"head_{number}.txt", head)
    write_json(folder / "scorer.json", bundle.scorer.to_manifest())
    write_json(folder / "calibrator.json", bundle.calibrator.to_dict())
    write_json(folder / "levels.json", bundle.levels.to_dict())
    write_json(folder / "policy.json", bundle.policy.to_dict())
    write_json(folder / "categories.json", bundle.categories)
    write_table(folder / "state.parquet", bundle.state)
    write_table(folder / "contexts.parquet", bundle.contexts)
    write_json(folder / "facts.json", bundle.facts)
    lists = bundle.lists
    write_table(folder / "lists.parquet", lists.table)
    write_table(folder / "categories_shown.parquet", lists.seen)
    write_table(folder / "stands_for.parquet", pd.DataFrame({"stands_for": lists.stands_for.astype("int32")}))
    said = {"directed": lists.directed, "follow_days": lists.follow_days, "popularity_weight": lists.weight}
    write_json(folder / _LISTS, said)
    # What a run did not ask for leaves no file, so that bundles from before these choices are read as they were meant.
    if bundle.repair.shifts:
        write_json(folder / _REPAIR, bundle.repair.to_dict())
    if bundle.spread != HeadEnsemble():
        write_json(folder / _SPREAD, spread_to_dict(bundle.spread))


def read_bundle(folder: Path) -> Bundle:
    """Read what `write_bundle` wrote.

    Raises:
        ArtifactError: a file is missing or unreadable.
        DataError: the folder holds the lists of a graph, which are no bundle.
    """
    if holds_graph_lists(folder):
        raise DataError(f"{folder}: holds the lists of a graph, which score nothing; `onward recommend NODE` asks them")
    products = read_table(folder / "products.parquet")
    edges, nodes = read_table(folder / "edges.parquet"), read_table(folder / "nodes.parquet")
    return Bundle(
        products=products,
        graph=ProductGraph.from_tables(len(products), edges, nodes),
        embeddings=Embeddings.from_arrays(read_arrays(folder / "embeddings.npz")),
        scorer=read_scorer(folder),
        calibrator=IsotonicCalibrator.from_dict(read_json(folder / "calibrator.json")),
        levels=UncertaintyLevels.from_dict(read_json(folder / "levels.json")),
        policy=Policy.from_dict(read_json(folder / "policy.json")),
        categories=read_json(folder / "categories.json"),
        state=read_table(folder / "state.parquet"),
        contexts=read_table(folder / "contexts.parquet"),
        facts=read_json(folder / "facts.json"),
        lists=_read_lists(folder, len(products)),
        repair=GroupRepair.from_dict(read_json(folder / _REPAIR) if (folder / _REPAIR).is_file() else {}),
        spread=spread_from_dict(read_json(folder / _SPREAD)) if (folder / _SPREAD).is_file() else HeadEnsemble(),
    )


def _read_lists(folder: Path, products: int) -> ServedLists:
    if not (folder / _LISTS).is_file():
        return no_lists(products)
    said = read_json(folder / _LISTS)
    return ServedLists(
        read_table(folder / "lists.parquet"),
        read_table(folder / "stands_for.parquet")["stands_for"].to_numpy("int64"),
        read_table(folder / "categories_shown.parquet"),
        said["directed"],
        said["follow_days"],
        said["popularity_weight"],
    )


def read_scorer(folder: Path) -> PairScorer:
    """Read scorer.json and the heads beside it."""
    manifest = read_json(folder / "scorer.json")
    heads = [read_text(folder / "heads" / f"head_{number}.txt") for number in range(manifest["heads"])]
    return PairScorer.from_manifest(manifest, heads)


def bundle_hash(folder: Path) -> str:
    """SHA-256 over the sorted relative names and the bytes of all files; no name or file can stand for another."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        if path.is_file():
            content = path.read_bytes()
            # Lengths first, or moving a byte from a name to its content would not show.
            name = path.relative_to(folder).as_posix().encode()
            digest.update(len(name).to_bytes(8, "big") + name + len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
