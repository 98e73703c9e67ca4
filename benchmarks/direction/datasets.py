"""Readers of the public sets that direction is judged on: two directed graphs with attributes, and shopping sequences.

The files are not part of the project; whoever lacks one is told which, and where it comes from.
"""

import argparse
import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from onward.errors import DataError
from onward.ranking.directed_graph import DirectedGraph, Ints, attribute_vectors
from onward.ranking.link_split import LinkSplit

VARIABLE = "ONWARD_BENCHMARK_DATA"
CORA = "dirlink/cora_ml/cora_ml.npz"
PHOTO = "dirlink/amazon-photo.zip"
BEAUTY = "sequences/Beauty.txt"
BEAUTY_ATTRIBUTES = "sequences/Beauty_item2attributes.json"
ORIGIN = {
    CORA: "github.com/shchur/gnn-benchmark, data/npz/cora_ml.npz",
    PHOTO: "github.com/shchur/gnn-benchmark, data/npz/amazon_electronics_photo.npz, zipped",
    BEAUTY: "github.com/RUCAIBox/CIKM2020-S3Rec, data/Beauty.txt",
    "retail/online_retail.parquet": "archive.ics.uci.edu, data set 352, its sheet as Parquet",
    BEAUTY_ATTRIBUTES: "github.com/RUCAIBox/CIKM2020-S3Rec, data/Beauty_item2attributes.json",
}
SPLIT_ORIGIN = "DirLinkBench (arXiv 2502.05724), the official splits of Cora-ML"
_ATTRIBUTE_DIMENSION = 256

Words = tuple[Ints, sp.csr_matrix]
"""Edges [m, 2], and presence of words [N, F]."""


@dataclass(frozen=True)
class Sequences:
    """One list of items a user, in order of time; items are 0..items-1.

    Attributes:
        users: a list of item arrays.
        items: how many items there are.
        attributes: [items, F] presence of attributes.
    """

    users: tuple[Ints, ...]
    items: int
    attributes: sp.csr_matrix


def data_folder(arguments: argparse.ArgumentParser) -> None:
    """Add `--data` to a benchmark's arguments."""
    arguments.add_argument(
        "--data",
        type=Path,
        default=os.environ.get(VARIABLE),
        required=VARIABLE not in os.environ,
        help=f"folder of the public data sets (or the variable {VARIABLE})",
    )


def cora_ml(folder: Path) -> tuple[Ints, int, np.ndarray]:
    """Cora-ML: edges [m, 2] "cites", number of nodes, attributes [n, F]; nodes of the largest weak component."""
    edges, words = cora_ml_words(folder)
    return edges, words.shape[0], attribute_vectors(words, _ATTRIBUTE_DIMENSION)


def cora_ml_words(folder: Path) -> Words:
    """The same with the words of each paper, as published."""
    with np.load(file_of(folder, CORA), allow_pickle=False) as arrays:
        adjacency, words = (_stored(arrays, f"{name}_matrix", ".") for name in ("adj", "attr"))
    _, component = connected_components(adjacency, directed=True, connection="weak")
    kept = np.flatnonzero(component == np.bincount(component).argmax())
    return _edges(adjacency[kept][:, kept]), words[kept]


def cora_ml_edges(folder: Path, number: int, part: str) -> Ints:
    """[m, 2] one part of an official split 0..9: `pos_` or `neg_` with `train`, `val` or `test`."""
    path = file_of(folder, f"dirlink/cora_ml/split/{number}/{part}_edges.npy", SPLIT_ORIGIN)
    found: Ints = np.load(path, allow_pickle=False).astype(np.int64)
    return found


def cora_ml_split(folder: Path, number: int, graph: tuple[Ints, int, np.ndarray]) -> LinkSplit:
    """One of the ten official splits, 0..9.

    Raises:
        DataError: a file is missing, or the split and the graph disagree.
    """
    edges, nodes, attributes = graph
    parts = {
        f"{kind}_{part}": cora_ml_edges(folder, number, f"{kind}_{part}")
        for kind in ("pos", "neg")
        for part in ("train", "val", "test")
    }
    used = np.concatenate([parts["pos_train"], parts["pos_val"], parts["pos_test"]])
    if set(map(tuple, used.tolist())) != set(map(tuple, edges.tolist())):
        raise DataError(f"Cora-ML split {number} holds other edges than {CORA}; take both from the named origins")
    known = DirectedGraph.from_edges(parts["pos_train"], nodes, attributes)
    return LinkSplit(
        known, parts["pos_val"], parts["neg_val"], f"cora_ml {number}", parts["pos_test"], parts["neg_test"]
    )


def photo(folder: Path) -> tuple[Ints, int, np.ndarray]:
    """Amazon Photo: edges [m, 2] "bought also", number of products, attributes [n, F]."""
    edges, words = photo_words(folder)
    return edges, words.shape[0], attribute_vectors(words, _ATTRIBUTE_DIMENSION)


def photo_words(folder: Path) -> Words:
    """The same with the words of each product's reviews, as published."""
    with (
        zipfile.ZipFile(file_of(folder, PHOTO)) as archive,
        np.load(io.BytesIO(archive.read("amazon_electronics_photo.npz")), allow_pickle=False) as arrays,
    ):
        adjacency, words = (_stored(arrays, name, "_") for name in ("adj", "attr"))
    return _edges(adjacency), words


def beauty(folder: Path) -> Sequences:
    """Amazon Beauty, 5-core, as S3-Rec published it."""
    lines = file_of(folder, BEAUTY).read_text(encoding="utf-8").splitlines()
    # Items are numbered from 1 in the file.
    users = tuple(np.array(line.split()[1:], dtype=np.int64) - 1 for line in lines)
    items = 1 + max(int(user.max()) for user in users)
    named = json.loads(file_of(folder, BEAUTY_ATTRIBUTES).read_text(encoding="utf-8"))
    pairs = np.array([(int(item) - 1, code) for item, codes in named.items() for code in codes if int(item) <= items])
    shape = (items, int(pairs[:, 1].max()) + 1)
    present = sp.csr_matrix((np.ones(len(pairs), np.float32), (pairs[:, 0], pairs[:, 1])), shape=shape)
    return Sequences(users, items, present)


def file_of(folder: Path, name: str, origin: str | None = None) -> Path:
    """A file of the folder.

    Raises:
        DataError: it is missing; the message says where it comes from.
    """
    path = Path(folder) / name
    if not path.is_file():
        raise DataError(f"{path} is missing; it comes from {origin or ORIGIN[name]}: put it there, or name --data anew")
    return path


def _stored(arrays: "np.lib.npyio.NpzFile", name: str, joint: str) -> sp.csr_matrix:
    data, indices, indptr, shape = (arrays[f"{name}{joint}{part}"] for part in ("data", "indices", "indptr", "shape"))
    return sp.csr_matrix((data.astype(np.float32), indices, indptr), shape=tuple(shape))


def _edges(adjacency: sp.csr_matrix) -> Ints:
    found = sp.coo_matrix(adjacency)
    edges = np.stack([found.row, found.col], axis=1).astype(np.int64)
    edges = edges[edges[:, 0] != edges[:, 1]]
    return np.unique(edges, axis=0)
