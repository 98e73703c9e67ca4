"""How a split is handed to a peer: one folder with what it may know and what it is asked, and the test's answers not.

The examiner writes lists to learn from and queries; the peer's process writes a matrix of scores back.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from onward.artifacts import write_arrays

Ints = npt.NDArray[np.int64]
Measure = Literal["pairs", "any", "hits"]

NO_PAIRS: Ints = np.zeros((0, 2), dtype=np.int64)


@dataclass(frozen=True)
class Queries:
    """Histories [Q] in order of time, and which list of the lesson belongs to who asks, -1 if none does."""

    histories: Sequence[Ints]
    owners: Ints

    @classmethod
    def of_nobody(cls, histories: Sequence[Ints]) -> "Queries":
        """Histories that nobody's list stands behind."""
        return cls(histories, np.full(len(histories), -1, dtype=np.int64))


@dataclass(frozen=True)
class Ask:
    """One kind of question.

    Attributes:
        measure: what validation is judged by; see `models.exam_paper.quality`.
        validation: queries whose answers are given.
        answers: [r, 2] query and item.
        excluded: [Q, N] what does not compete in validation.
        test: queries whose answers are kept back.
        absent: [a, 2] non-edges of validation, for `hits`.
    """

    measure: Measure
    validation: Queries
    answers: Ints
    excluded: sp.csr_matrix
    test: Queries
    absent: Ints = field(default_factory=lambda: NO_PAIRS)


@dataclass(frozen=True)
class Exam:
    """A split as peers see it.

    Attributes:
        name: of the split.
        items: number of items N.
        lists: what is learnt from, by `validation` and `test`; one and the same where nothing is learnt anew.
        asks: by name.
        is_graph: list n holds the nodes that node n points to.
        words: [N, F] presence of words, None where nothing is known.
        hits_of: non-edges that Hits@100 of the test is asked of.
    """

    name: str
    items: int
    lists: Mapping[str, Sequence[Ints]]
    asks: Mapping[str, Ask]
    is_graph: bool = False
    words: sp.csr_matrix | None = None
    hits_of: int = 0

    def write(self, folder: Path) -> str:
        """Write the exam's paper; returns a digest of all that is in it."""
        arrays: dict[str, np.ndarray] = {}

        def keep(name: str, lists: Sequence[Ints]) -> None:
            arrays[f"{name}_items"] = np.concatenate([*lists, np.zeros(0, np.int64)]).astype(np.int64)
            arrays[f"{name}_offsets"] = np.r_[0, np.cumsum([len(each) for each in lists])].astype(np.int64)

        def keep_matrix(name: str, matrix: sp.csr_matrix) -> None:
            arrays[f"{name}_items"] = matrix.indices.astype(np.int64)
            arrays[f"{name}_offsets"] = matrix.indptr.astype(np.int64)

        for moment, lists in self.lists.items():
            keep(f"{moment}_lists", lists)
        words = self.words if self.words is not None else sp.csr_matrix((self.items, 0), dtype=np.float32)
        keep_matrix("words", words)
        for name, ask in self.asks.items():
            for moment, queries in (("validation", ask.validation), ("test", ask.test)):
                keep(f"{name}_{moment}", queries.histories)
                arrays[f"{name}_{moment}_owners"] = queries.owners
            arrays |= {f"{name}_answers": ask.answers, f"{name}_absent": ask.absent}
            keep_matrix(f"{name}_excluded", ask.excluded)
        told = {
            "name": self.name, "items": self.items, "is_graph": self.is_graph, "words": int(words.shape[1]),
            "refit": self.refit, "hits_of": self.hits_of,
            "asks": {name: ask.measure for name, ask in self.asks.items()},
        }  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        write_arrays(folder / "paper.npz", arrays)
        (folder / "paper.json").write_text(json.dumps(told), encoding="utf-8")
        digest = hashlib.blake2b(json.dumps(told).encode(), digest_size=8)
        for name in sorted(arrays):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(arrays[name]).tobytes())
        return digest.hexdigest()

    @property
    def refit(self) -> bool:
        """Whether the test's lesson holds more than validation's."""
        return self.lists["test"] is not self.lists["validation"]
