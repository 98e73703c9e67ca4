"""A blend that ranks whole catalogues: a short list a query from several scores, put in order by boosted trees.

A query is whatever methods are asked for: a node of a graph, or a customer with a history. Its short list is the union
of the best candidates of several methods. The trees see every score of a candidate, its place in the short list by each
score, and what is known of query and candidate; they are fitted on answers that no score has seen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from onward.boosting import Bags, Boosting, Trees, bin_rows, grow
from onward.errors import DataError
from onward.random_streams import Stream
from onward.ranking.chains import Floats
from onward.ranking.directed_graph import Ints
from onward.ranking.method import Method

Features = npt.NDArray[np.float32]

OFF_THE_LIST = -1e30
"""Score of what is not on the short list; all of it ties behind the list."""

_BLOCK_CELLS = 2_000_000


@dataclass(frozen=True)
class Question:
    """What there is to rank.

    Attributes:
        methods: scores of all candidates for query numbers, by name; every one becomes two features.
        proposers: names of the methods that propose candidates.
        excluded: [Q, N] what is never proposed after a query.
        query_facts: [Q, a] further features of a query.
        candidate_facts: [N, b] further features of a candidate.
        per_proposer: candidates that each proposer adds to the list.
    """

    methods: Mapping[str, Method]
    proposers: Sequence[str]
    excluded: sp.csr_matrix
    query_facts: Features
    candidate_facts: Features
    per_proposer: int = 100


@dataclass(frozen=True)
class Listed:
    """Rows of short lists, query by query.

    Attributes:
        query: [n] query number.
        candidate: [n].
        features: [n, f].
    """

    query: Ints
    candidate: Ints
    features: Features


def propose_candidates(question: Question, queries: Ints) -> Iterator[Listed]:
    """Yield the short lists of the given queries, a block of queries at a time."""
    candidates = question.excluded.shape[1]
    step = max(1, _BLOCK_CELLS // candidates)
    count = min(question.per_proposer, candidates)
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        gone = question.excluded[block].tocoo()
        scores = {name: method(block).astype(np.float32) for name, method in question.methods.items()}
        listed = np.zeros((len(block), candidates), dtype=np.bool_)
        for name in question.proposers:
            open_scores = scores[name].copy()
            open_scores[gone.row, gone.col] = -np.inf
            best = np.argpartition(open_scores, candidates - count, axis=1)[:, candidates - count :]
            np.put_along_axis(listed, best, values=True, axis=1)
        listed[gone.row, gone.col] = False
        row, column = np.nonzero(listed)
        values = np.stack([score[row, column] for score in scores.values()], axis=1)
        features = [values, _places(row, values), question.query_facts[block][row], question.candidate_facts[column]]
        yield Listed(block[row], column.astype(np.int64), np.concatenate(features, axis=1).astype(np.float32))


@dataclass(frozen=True)
class RankerSettings:
    """How the trees are grown.

    Attributes:
        iterations: trees.
        learning_rate: of the trees.
        leaves: of a tree.
        min_rows_in_leaf: of a tree.
        l2: penalty of a leaf.
        feature_share: columns a tree may see.
        negative_share: of the candidates that are no answer, how many are learnt from.
        objective: `binary`, or `lambdarank`, which cares for the order at the top only.
        bags: rankers with seeds of their own, averaged.
        seed: of sampling and trees.
        threads: of LightGBM.
    """

    iterations: int = 300
    learning_rate: float = 0.05
    leaves: int = 16
    min_rows_in_leaf: int = 80
    l2: float = 10.0
    feature_share: float = 0.3
    negative_share: float = 0.15
    objective: Literal["binary", "lambdarank"] = "binary"
    bags: int = 1
    seed: int = 0
    threads: int = 1


@dataclass(frozen=True)
class Examples:
    """Short-list rows with answers, thinned; lists without an answer teach nothing and are left out.

    Attributes:
        features: [n, f].
        label: [n].
        lists: rows of each list, in order.
        covered: share of the answers that were on a list.
    """

    features: Features
    label: npt.NDArray[np.bool_]
    lists: Ints
    covered: float

    @classmethod
    def of(cls, question: Question, answers: sp.csr_matrix, share: float, seed: int) -> "Examples":
        """Short lists of all queries with an answer in [Q, N] `answers`, `share` of the others kept.

        Raises:
            DataError: no query has an answer.
        """
        generator = np.random.default_rng([seed, Stream.SHORT_LIST_SAMPLE])
        asked = np.flatnonzero(np.diff(answers.indptr) > 0)
        features, labels, lists = [], [], []
        for rows in propose_candidates(question, asked):
            label = np.asarray(answers[rows.query, rows.candidate]).ravel() > 0
            answered = np.isin(rows.query, rows.query[label])
            kept = answered & (label | (generator.random(len(label)) < share))
            features.append(rows.features[kept])
            labels.append(label[kept])
            lists.append(np.unique(rows.query[kept], return_counts=True)[1])
        if not features:
            raise DataError("ranking: no pair is left to learn from; the graph needs more edges, or longer sequences")
        label = np.concatenate(labels)
        return cls(np.concatenate(features), label, np.concatenate(lists), float(label.sum() / max(answers.nnz, 1)))

    @classmethod
    def joined(cls, parts: Sequence["Examples"]) -> "Examples":
        """Several parts, one after another."""
        return cls(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.label for part in parts]),
            np.concatenate([part.lists for part in parts]),
            float(np.mean([part.covered for part in parts])),
        )


@dataclass(frozen=True)
class Ranker:
    """Fitted trees that order short lists, of every bag."""

    bags: Bags
    threads: int

    @classmethod
    def fit(cls, examples: Examples, settings: RankerSettings) -> "Ranker":
        """Fit to examples.

        Raises:
            DataError: no short list holds an answer.
        """
        if not examples.label.any():
            raise DataError("ranker: no short list holds an answer; raise per_proposer or hold out more")
        return cls(Bags(tuple(_grow(examples, settings, bag) for bag in range(settings.bags))), settings.threads)

    def method(self, question: Question) -> Method:
        """Score all candidates of query numbers; what is not on the short list has `OFF_THE_LIST`."""

        def scores(queries: Ints) -> Floats:
            out = np.full((len(queries), question.excluded.shape[1]), OFF_THE_LIST)
            place = {int(query): row for row, query in enumerate(queries)}
            for rows in propose_candidates(question, queries):
                at = np.array([place[int(query)] for query in rows.query], dtype=np.int64)
                out[at, rows.candidate] = self.bags.raw_score(rows.features, self.threads)
            return out

        return scores


def _grow(examples: Examples, settings: RankerSettings, bag: int) -> Trees:
    boosting = Boosting(
        settings.iterations,
        settings.learning_rate,
        settings.leaves,
        settings.min_rows_in_leaf,
        settings.l2,
        settings.seed + bag,
        settings.threads,
        objective=settings.objective,
        feature_share=settings.feature_share,
        bins=127,
        ordered_places=50,
    )
    lists = examples.lists if settings.objective == "lambdarank" else None
    return grow(bin_rows(examples.features, examples.label.astype(np.float32), boosting, lists=lists), boosting)


def _places(row: Ints, values: Features) -> Features:
    """[n, s] log of the place of each value within its row's list, best first; rows ascend."""
    bounds = np.r_[0, np.flatnonzero(np.diff(row)) + 1, len(row)]
    places = np.empty(values.shape, dtype=np.float32)
    for first, last in pairwise(bounds.tolist()):
        order = np.argsort(-values[first:last].T, axis=1, kind="stable")
        mine = np.empty(order.shape, dtype=np.float32)
        np.put_along_axis(mine, order, np.log1p(np.arange(last - first)).astype(np.float32)[None], axis=1)
        places[first:last] = mine.T
    return places
