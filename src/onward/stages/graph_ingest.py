"""Ingest of a source that is a graph: what was known goes to serving/, held-out answers to backtest/."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from onward.artifacts import Layout, replacing_directory, write_json
from onward.data.sources.attribute_list import presence, read_attributes
from onward.data.sources.edge_list import read_edge_list, read_pairs
from onward.data.sources.ids import Names, in_order, numbers_of
from onward.data.sources.sequence_list import read_sequences
from onward.errors import DataError
from onward.params import Params
from onward.ranking.directed_graph import attribute_vectors
from onward.ranking.link_split import PARTS, Edges, LinkSplit, official_split, random_split
from onward.stages.graph_files import Vectors, write_held_out, write_known, write_nodes, write_sequences

_DIMENSION = 256


def run(layout: Layout, params: Params) -> str:
    """Write serving/, backtest/, quarantine/ and metrics/ingest.json."""
    facts = _edge_list(layout, params) if params.run.source == "edge_list" else _sequences(layout, params)
    with replacing_directory(layout.quarantine) as folder:
        write_json(folder / "passed_through.json", {"reason": "a malformed line stops the run; none is set aside"})
    write_json(layout.metrics / "ingest.json", {"source": params.run.source, **facts})
    told = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in facts.items())
    return f"{params.run.source}: {told}"


def _edge_list(layout: Layout, params: Params) -> dict[str, int]:
    asked = params.sources.edge_list
    found = read_edge_list(layout.root / asked.edges)
    named = _attributes(layout.root, asked.attributes)
    ids = in_order([*found.ids.tolist(), *named])
    edges = numbers_of(ids, found.ids)[found.edges]
    vectors = _vectors(named, ids)
    graph = (edges[np.lexsort((edges[:, 1], edges[:, 0]))], len(ids), vectors)
    if asked.split is None:
        split = random_split(graph, asked.edges.stem, params.run.seed, asked.validation, asked.test)
    else:
        split = _official(graph, ids, layout.root / asked.split, params.run.seed)
    if not (len(split.validation) and len(split.test)):
        raise DataError(
            f"edge list: {len(edges)} edges leave {len(split.validation)} to pick by and {len(split.test)} to test on; "
            "hold out more, or give more edges"
        )
    with replacing_directory(layout.serving) as folder:
        write_nodes(folder, ids, vectors)
        write_known(folder, split)
    with replacing_directory(layout.backtest) as folder:
        write_held_out(folder, split)
    return {
        "nodes": len(ids), "edges_known": len(split.graph.edges), "edges_to_pick_by": len(split.validation),
        "edges_held_out": len(split.test), "loops_left_out": found.loops,
        "edges_whose_weight_is_not_used": int((found.weight != 1.0).sum()), "nodes_with_attributes": len(named),
    }  # fmt: skip


def _sequences(layout: Layout, params: Params) -> dict[str, int]:
    asked = params.sources.sequences
    found = read_sequences(layout.root / asked.file)
    named = _attributes(layout.root, asked.attributes)
    ids, known = found.items, tuple(sequence[:-1] for sequence in found.sequences)
    with replacing_directory(layout.serving) as folder:
        write_nodes(folder, ids, _vectors(named, ids))
        write_sequences(folder, known)
    with replacing_directory(layout.backtest) as folder:
        write_sequences(folder, tuple(sequence[-1:] for sequence in found.sequences))
    return {
        "customers": len(known), "items": len(ids), "events_known": sum(map(len, known)),
        "events_held_out": sum(len(sequence) > 0 for sequence in found.sequences),
        "items_with_attributes": int(np.isin(ids, list(named)).sum()),
    }  # fmt: skip


def _official(graph: Edges, ids: Names, folder: Path, seed: int) -> LinkSplit:
    absent = {part: folder / f"{part}_absent.txt" for part in PARTS[1:]}
    return official_split(
        graph, folder.name, {part: read_pairs(folder / f"{part}.txt", ids) for part in PARTS},
        {part: read_pairs(path, ids) if path.is_file() else None for part, path in absent.items()}, seed,
    )  # fmt: skip


def _attributes(root: Path, path: Path | None) -> Mapping[str, Sequence[str]]:
    return {} if path is None else read_attributes(root / path)


def _vectors(named: Mapping[str, Sequence[str]], ids: Names) -> Vectors | None:
    return attribute_vectors(presence(named, ids), _DIMENSION) if named else None
