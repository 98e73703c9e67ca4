"""Public data sets of the direction benchmarks in small, in the files that they come in."""

import numpy as np
import scipy.sparse as sp

from benchmarks.direction.datasets import CORA

# 0 -> 1 -> 2 -> 0 with a loop at 1; 3 and 4 are a smaller component.
ADJACENCY = sp.csr_matrix(np.array([
    [0, 1, 0, 0, 0], [0, 1, 1, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]
], dtype=np.float32))  # fmt: skip


WORDS = sp.csr_matrix(np.random.default_rng(0).integers(0, 2, (5, 6)).astype(np.float32))


def arrays_of(matrix, name, joint):
    parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "shape": np.array(matrix.shape)}
    return {f"{name}{joint}{part}": values for part, values in parts.items()}


def write_cora(folder):
    (folder / CORA).parent.mkdir(parents=True)
    foreign = {"labels": np.array([{"an": "object"}], dtype=object)}
    np.savez(
        folder / CORA, **arrays_of(ADJACENCY, "adj_matrix", "."), **arrays_of(WORDS, "attr_matrix", "."), **foreign
    )


def write_split(folder, edges):
    place = folder / "dirlink/cora_ml/split/0"
    place.mkdir(parents=True)
    for name, part in edges.items():
        np.save(place / f"{name}_edges.npy", np.array(part).reshape(-1, 2))
