"""An exam as a peer sees it: what it may learn from, what it is asked, and the answers of validation alone."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

RULES = 1
"""Raised whenever a method or the way it is tuned changes what it finds: what was kept is then of no use."""

TOP = 10
HITS = 100
_BLOCK = 500


@dataclass(frozen=True)
class Lesson:
    """What a peer is fitted to.

    Attributes:
        items: number of items N.
        lists: items of each user, order or node, in order of time where there is one.
        is_graph: list n holds the nodes that node n points to.
        words: [N, F] presence of a node's words; F is 0 where nothing is known.
    """

    items: int
    lists: tuple[Ints, ...]
    is_graph: bool
    words: sp.csr_matrix


@dataclass(frozen=True)
class Queries:
    """What is asked: histories [Q] in order of time, and which list of the lesson is the asker's, -1 if none is."""

    histories: tuple[Ints, ...]
    owners: Ints

    def part(self, start: int, end: int) -> "Queries":
        """Some of them."""
        return Queries(self.histories[start:end], self.owners[start:end])


Scorer = Callable[[Queries], Floats]
"""Scores [Q, N]; higher comes first."""


@runtime_checkable
class PairScorer(Protocol):
    """A scorer of a graph that is much faster on single pairs than on all."""

    def pairs(self, pairs: Ints) -> Floats:
        """[r] scores of [r, 2] pairs of nodes."""
        ...


@dataclass(frozen=True)
class Ask:
    """One kind of question with the answers of its validation.

    Attributes:
        name: of the question.
        measure: `pairs`, `any` or `hits`; see `quality`.
        validation: queries whose answers are known.
        answers: [r, 2] query and item; of `hits` the edges.
        absent: [a, 2] of `hits`: pairs that are no edges; else empty.
        hits_of: number of non-edges that Hits@100 is asked of.
        excluded: [Q, N] what does not compete.
        test: queries whose answers only the examiner has.
    """

    name: str
    measure: str
    validation: Queries
    answers: Ints
    absent: Ints
    hits_of: int
    excluded: sp.csr_matrix
    test: Queries


@dataclass(frozen=True)
class Paper:
    """A whole exam.

    Attributes:
        lessons: by `validation` and `test`, which are the same where `refit` is false.
        refit: the lesson of the test holds more than that of validation.
        asks: the questions.
    """

    lessons: dict[str, Lesson]
    refit: bool
    asks: tuple[Ask, ...]


def read_paper(folder: Path) -> Paper:
    """Read what the examiner wrote."""
    told = json.loads((folder / "paper.json").read_text(encoding="utf-8"))
    with np.load(folder / "paper.npz", allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    items = int(told["items"])

    def lists(name: str) -> tuple[Ints, ...]:
        return tuple(np.split(found[f"{name}_items"], found[f"{name}_offsets"][1:-1]))

    def matrix(name: str, width: int) -> sp.csr_matrix:
        indices, offsets = found[f"{name}_items"], found[f"{name}_offsets"]
        return sp.csr_matrix((np.ones(len(indices), np.float32), indices, offsets), shape=(len(offsets) - 1, width))

    words = matrix("words", int(told["words"]))
    lessons = {
        moment: Lesson(items, lists(f"{moment}_lists"), bool(told["is_graph"]), words)
        for moment in ("validation", "test")
    }
    asks = []
    for name, measure in told["asks"].items():
        queries = {
            moment: Queries(lists(f"{name}_{moment}"), found[f"{name}_{moment}_owners"])
            for moment in ("validation", "test")
        }
        ask = Ask(
            name, measure, queries["validation"], found[f"{name}_answers"], found[f"{name}_absent"],
            int(told["hits_of"]), matrix(f"{name}_excluded", items), queries["test"],
        )  # fmt: skip
        asks.append(ask)
    return Paper(lessons, bool(told["refit"]), tuple(asks))


def score_all(scorer: Scorer, queries: Queries) -> "list[Floats]":
    """Blocks of scores of all queries."""
    return [
        scorer(queries.part(start, start + _BLOCK)).astype(np.float32)
        for start in range(0, len(queries.owners), _BLOCK)
    ]


def write_scores(scorer: Scorer, queries: Queries, items: int, path: Path) -> None:
    """Write [Q, N] float32, block by block."""
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(len(queries.owners), items))
    for start in range(0, len(queries.owners), _BLOCK):
        out[start : start + _BLOCK] = scorer(queries.part(start, start + _BLOCK))
    out.flush()


def quality(ask: Ask, scorer: Scorer) -> float:
    """What validation says of a scorer, by the measure that the test takes.

    `pairs`: share of the answers among the first ten that compete, the query's other answers left out.
    `any`: share of the queries with an answer among the first ten.
    `hits`: share of the edges above the non-edge at the place that Hits@100 of the test leaves it.
    """
    if ask.measure == "hits":
        return _hits(ask, scorer)
    order = np.argsort(ask.answers[:, 0], kind="stable")
    answers = ask.answers[order]
    first = np.searchsorted(answers[:, 0], np.arange(len(ask.validation.owners) + 1))
    hit: list[float] = []
    for block, scores in enumerate(score_all(scorer, ask.validation)):
        for row, line in enumerate(scores):
            query = block * _BLOCK + row
            wanted = answers[first[query] : first[query + 1], 1]
            if not len(wanted):
                continue
            own = line[wanted]
            line[ask.excluded.indices[ask.excluded.indptr[query] : ask.excluded.indptr[query + 1]]] = -np.inf
            if ask.measure == "pairs":
                line[wanted] = -np.inf
                hit += [float(_rank(each, line) <= TOP) for each in own]
                continue
            line[wanted] = own
            hit.append(float(np.isin(np.argsort(-line, kind="stable")[:TOP], wanted).any()))
    return float(np.mean(hit))


def _rank(own: np.float32, rivals: Floats) -> float:
    return 1.0 + float((rivals > own).sum()) + float((rivals == own).sum()) / 2.0


def _hits(ask: Ask, scorer: Scorer) -> float:
    if isinstance(scorer, PairScorer):
        edges, absent = (scorer.pairs(pairs) for pairs in (ask.answers, ask.absent))
    else:
        scores = np.concatenate(score_all(scorer, ask.validation))
        edges, absent = (scores[pairs[:, 0], pairs[:, 1]] for pairs in (ask.answers, ask.absent))
    place = max(1, round(HITS * len(absent) / ask.hits_of))
    bar = np.partition(absent, len(absent) - place)[len(absent) - place]
    return float((edges > bar).mean())


def presence(lists: Sequence[Ints], items: int) -> sp.csr_matrix:
    """[lists, N] presence."""
    owner = np.repeat(np.arange(len(lists)), [len(each) for each in lists])
    flat = np.concatenate([*lists, np.zeros(0, np.int64)])
    rows = sp.csr_matrix((np.ones(len(flat), np.float32), (owner, flat)), shape=(len(lists), items))
    rows.data[:] = 1.0
    return rows


def with_own(lists: Sequence[Ints], owners: Ints, *, own: bool) -> Sequence[Ints]:
    """Each node's list with the node itself behind, if asked."""
    if not own:
        return lists
    return [np.append(each, owner) if owner >= 0 else each for each, owner in zip(lists, owners, strict=True)]
