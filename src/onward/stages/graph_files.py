"""What the stages write and read of a source that is a graph: the graph itself and the blend that was fitted to it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.artifacts import (
    read_arrays,
    read_json,
    read_table,
    read_text,
    replacing_directory,
    write_arrays,
    write_json,
    write_table,
    write_text,
)
from onward.ranking.directed_graph import DirectedGraph, Ints
from onward.ranking.link_split import FittingSplit, LinkSplit

_ENDS = ["source", "target"]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class KnownSequences:
    """Customers' items that were known, in order, and attribute vectors [items, F] where there are any."""

    users: tuple[Ints, ...]
    items: int
    vectors: Vectors | None


def write_nodes(folder: Path, ids: npt.NDArray[np.str_], vectors: Vectors | None) -> None:
    """Write outside ids by inside number, and attribute vectors."""
    write_table(folder / "nodes.parquet", pd.DataFrame({"node": np.arange(len(ids)), "node_id": ids.astype(object)}))
    if vectors is not None:
        write_arrays(folder / "vectors.npz", {"vectors": vectors})


def read_node_ids(folder: Path) -> list[str]:
    """Outside ids by inside number."""
    return [str(node) for node in read_table(folder / "nodes.parquet", ["node_id"])["node_id"].tolist()]


def write_known(folder: Path, split: LinkSplit) -> None:
    """Write what may be seen of a split: training edges, and validation pairs that are edges or none."""
    write_table(folder / "edges.parquet", pd.DataFrame(split.graph.edges, columns=_ENDS))
    write_table(folder / "validation.parquet", _labelled(split.validation, split.validation_absent))
    write_json(folder / "split.json", {"name": split.name, "test_absent": len(split.test_absent)})


def write_held_out(folder: Path, split: LinkSplit) -> None:
    """Write the test pairs that are edges or none."""
    write_table(folder / "test.parquet", _labelled(split.test, split.test_absent))


def read_known(folder: Path) -> tuple[FittingSplit, int]:
    """What `write_known` wrote, and how many non-edges there are to test on."""
    nodes = len(read_node_ids(folder))
    edges = read_table(folder / "edges.parquet")[_ENDS].to_numpy(np.int64)
    graph = DirectedGraph.from_edges(edges, nodes, _vectors(folder))
    split = FittingSplit(graph, *_parted(folder / "validation.parquet"))
    return split, int(read_json(folder / "split.json")["test_absent"])


def read_held_out(folder: Path, known_split: FittingSplit) -> LinkSplit:
    """The whole split."""
    edges, absent = _parted(folder / "test.parquet")
    return LinkSplit(known_split.graph, known_split.validation, known_split.validation_absent, "test", edges, absent)


def write_sequences(folder: Path, users: tuple[Ints, ...]) -> None:
    """Write customers' items in order."""
    flat = np.concatenate([np.zeros(0, np.int64), *users])
    write_arrays(folder / "sequences.npz", {"items": flat, "lengths": np.array([len(user) for user in users])})


def read_sequences(folder: Path) -> KnownSequences:
    """What `write_sequences` and `write_nodes` wrote."""
    return KnownSequences(read_users(folder), len(read_node_ids(folder)), _vectors(folder))


def read_users(folder: Path) -> tuple[Ints, ...]:
    """What `write_sequences` wrote."""
    arrays = read_arrays(folder / "sequences.npz")
    return tuple(np.split(arrays["items"], np.cumsum(arrays["lengths"])[:-1]))


def write_fitted(folder: Path, manifest: dict[str, Any], texts: dict[str, str], arrays: dict[str, Any]) -> None:
    """Write a fitted blend in the place of the model."""
    with replacing_directory(folder) as partial:
        write_json(partial / "manifest.json", {**manifest, "texts": sorted(texts)})
        for name, text in texts.items():
            write_text(partial / "trees" / name, text)
        if arrays:
            write_arrays(partial / "arrays.npz", arrays)


def read_fitted(folder: Path) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
    """What `write_fitted` wrote."""
    manifest = read_json(folder / "manifest.json")
    texts = {name: read_text(folder / "trees" / name) for name in manifest["texts"]}
    path = folder / "arrays.npz"
    return manifest, texts, read_arrays(path) if path.is_file() else {}


def _vectors(folder: Path) -> Vectors | None:
    path = folder / "vectors.npz"
    return read_arrays(path)["vectors"] if path.is_file() else None


def _labelled(edges: Ints, absent: Ints) -> pd.DataFrame:
    pairs = np.concatenate([edges, absent])
    return pd.DataFrame(pairs, columns=_ENDS).assign(edge=np.arange(len(pairs)) < len(edges))


def _parted(path: Path) -> tuple[Ints, Ints]:
    table = read_table(path)
    pairs = table[_ENDS].to_numpy(np.int64)
    edge = table["edge"].to_numpy(bool)
    return pairs[edge], pairs[~edge]
