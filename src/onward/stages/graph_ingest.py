"""Ingest of a source that is a graph: what was known goes to serving/, held-out answers to backtest/."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from onward.artifacts import replacing_directory, write_json
from onward.data.sources.attribute_list import presence, read_attributes
from onward.data.sources.edge_list import read_edge_list, read_pairs
from onward.data.sources.ids import Names, in_order, numbers_of
from onward.data.sources.sequence_list import read_sequences
from onward.errors import DataError
from onward.layout import Layout
from onward.params import Params
from onward.ranking.directed_graph import attribute_vectors
from onward.ranking.link_split import PARTS, Edges, LinkSplit, official_split, random_split
from onward.stages.graph_files import Vectors, write_held_out, write_known, write_nodes, write_sequences

_DIMENSION = 256


def run(layout: Layout, params: Params) -> str:
    """Write serving/, backtest/, quarantine/ and metrics/ingest.json."""
    facts = _edge_list(layout, params) if params.run.source == "edge_list" else _sequences(layout, params)
    with replacing_directory(layout.quarantine) as folder:
        write_json(
            folder / layout.passed_through("quarantine").name,
            {"reason": "a malformed line stops the run; none is set aside"},
        )
    write_json(layout.metric("ingest"), {"source": params.run.source, **facts})
    told = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in facts.items())
    return f"{params.run.source}: {told}"


def _edge_list(layout: Layout, params: Params) -> dict[str, int]:
    settings = params.sources.edge_list
    parsed = read_edge_list(layout.root / settings.edges)
    named = _attributes(layout.root, settings.attributes)
    ids = in_order([*parsed.ids.tolist(), *named])
    edges = numbers_of(ids, parsed.ids)[parsed.edges]
    vectors = _vectors(named, ids)
    graph = (edges[np.lexsort((edges[:, 1], edges[:, 0]))], len(ids), vectors)
    if settings.split is None:
        split = random_split(graph, settings.edges.stem, params.run.seed, settings.validation, settings.test)
    else:
        split = _official(graph, ids, layout.root / settings.split, params.run.seed)
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
        "nodes": len(ids),
        "edges_known": len(split.graph.edges),
        "edges_to_pick_by": len(split.validation),
        "edges_held_out": len(split.test),
        "loops_left_out": parsed.loops,
        "edges_whose_weight_is_not_used": int((parsed.weight != 1.0).sum()),
        "nodes_with_attributes": len(named),
    }


def _sequences(layout: Layout, params: Params) -> dict[str, int]:
    settings = params.sources.sequences
    parsed = read_sequences(layout.root / settings.file)
    named = _attributes(layout.root, settings.attributes)
    ids = parsed.items
    beginnings = tuple(sequence[:-1] for sequence in parsed.sequences)
    with replacing_directory(layout.serving) as folder:
        write_nodes(folder, ids, _vectors(named, ids))
        write_sequences(folder, beginnings)
    with replacing_directory(layout.backtest) as folder:
        write_sequences(folder, tuple(sequence[-1:] for sequence in parsed.sequences))
    return {
        "customers": len(beginnings),
        "items": len(ids),
        "events_known": sum(map(len, beginnings)),
        "events_held_out": sum(len(sequence) > 0 for sequence in parsed.sequences),
        "items_with_attributes": int(np.isin(ids, list(named)).sum()),
    }


def _official(graph: Edges, ids: Names, folder: Path, seed: int) -> LinkSplit:
    absent = {part: folder / f"{part}_absent.txt" for part in PARTS[1:]}
    return official_split(
        graph,
        folder.name,
        {part: read_pairs(folder / f"{part}.txt", ids) for part in PARTS},
        {part: read_pairs(path, ids) if path.is_file() else None for part, path in absent.items()},
        seed,
    )


def _attributes(root: Path, path: Path | None) -> Mapping[str, Sequence[str]]:
    return {} if path is None else read_attributes(root / path)


def _vectors(named: Mapping[str, Sequence[str]], ids: Names) -> Vectors | None:
    return attribute_vectors(presence(named, ids), _DIMENSION) if named else None
