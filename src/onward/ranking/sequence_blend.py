"""What comes next in a sequence: counts, embeddings and attributes, blended by a ranker of short lists.

Settings are picked, and the blend is fitted, one item before the one to be predicted, by customers kept back for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from onward.boosting import Bags
from onward.errors import DataError
from onward.ranking.catalogue_ranker import Examples, Question, Ranker, RankerSettings
from onward.ranking.directed_graph import Ints
from onward.ranking.link_ranks import target_ranks
from onward.ranking.link_scores import (
    DualSvd,
    Ease,
    Edges,
    ItemKnn,
    LinkScore,
    Paths,
    Popularity,
    PropagatedAttributes,
    PropagatedEdges,
    ReversedEdges,
    SmoothedEdges,
    Undirected,
)
from onward.ranking.method import Method
from onward.ranking.sequence_moments import HISTORY, METHOD_BY_QUERY, PREVIOUS_ITEM, Chains, QueryMoment

SEED = 5
JUDGES = 2000
"""Learning customers that are kept back to pick settings and the ranker."""

GRIDS: Mapping[str, tuple[tuple[str, LinkScore], ...]] = {
    "popularity": (("near", Popularity()), ("all", Popularity())),
    "Markov": (("next", Edges()), ("next", Edges(0.25))),
    "window counts": (("near", Edges()), ("near", Edges(0.25)), ("all", Edges())),
    "undirected co-occurrence": (
        ("all", Undirected(1, 0.0, 0.0)),
        ("all", Undirected(1, 0.25, 0.0)),
        ("all", Undirected(3)),
    ),
    "reversed edge": (("near", ReversedEdges()), ("all", ReversedEdges())),
    "propagated edges": (("near", PropagatedEdges(1)), ("all", PropagatedEdges(1))),
    "resource allocation": (("near", Paths("out", "out", 1.0)), ("near", Paths("in", "out", 1.0))),
    "dual SVD": (("near", DualSvd(128, 3.0)), ("all", DualSvd(128, 3.0)), ("all", DualSvd(256, 3.0))),
    "item kNN": (("near", ItemKnn("node")), ("near", ItemKnn("node", prior=5.0))),
    "EASE": (("near", Ease(300.0, "node")),),
    "attributes": tuple(("all", PropagatedAttributes(*hops)) for hops in ((0, 0), (1, 0), (1, 2))),
    "attribute neighbours": (("all", SmoothedEdges("source")), ("all", SmoothedEdges("target"))),
}
"""Every setting that tuning may pick, by method, each over one way of counting."""

OF_ATTRIBUTES = ("attributes", "attribute neighbours")

_LEAST_QUERIES = 3
RANKERS = (RankerSettings(bags=3), RankerSettings(objective="lambdarank", bags=3))


@dataclass(frozen=True)
class TrainingMoment:
    """A moment to learn at, its queries parted into those that fit the blend and those that select settings.

    Attributes:
        fitting: what the blend learns from.
        selection: what picks settings and the ranker, kept back from learning.
        chains: every setting fitted to the moment's counts.
    """

    fitting: QueryMoment
    selection: QueryMoment
    chains: Chains

    @classmethod
    def of(
        cls, moment: QueryMoment, chains: Chains, kept_back: npt.NDArray[np.bool_] | None = None
    ) -> "TrainingMoment":
        """Keep some queries [Q] back for selection; None keeps the first ones, each being another customer's.

        Raises:
            DataError: too few to learn from some and to select by others.
        """
        if moment.queries < _LEAST_QUERIES:
            raise DataError(
                f"sequences: {moment.queries} customers have a next item to learn from, need {_LEAST_QUERIES}; "
                "longer sequences, or more of them"
            )
        if kept_back is None:
            kept_back = np.arange(moment.queries) < min(JUDGES, moment.queries // 3)
        fitting, selection = (moment.subset(np.flatnonzero(mask)) for mask in (~kept_back, kept_back))
        return cls(fitting, selection, chains)


@dataclass(frozen=True)
class NextBlend:
    """The fitted blend for one kind of query.

    Attributes:
        query: `previous item` or `history`.
        picks: by method, the number of the setting that proposes.
        ranker: puts short lists in order.
        per_proposer: candidates that each method proposes.
        covered: share of the answers on the short lists it learnt from.
        validation: HR@10 of the selection queries by each ranker setting.
    """

    query: str
    picks: Mapping[str, int]
    ranker: Ranker
    per_proposer: int
    covered: float
    validation: tuple[float, ...]

    def method(self, moment: QueryMoment, chains: Chains) -> Method:
        """Scores of all items by query number, for a moment and every setting fitted to its counts."""
        return self.ranker.method(question_of(moment, chains, self.picks, self.query, self.per_proposer))

    def to_manifest(self) -> dict[str, Any]:
        """All but the trees."""
        return {
            "picks": dict(self.picks),
            "per_proposer": self.per_proposer,
            "covered": self.covered,
            "validation_hr_at_10": list(self.validation),
        }

    @classmethod
    def restore(cls, query: str, manifest: Mapping[str, Any], texts: Mapping[str, str], threads: int) -> "NextBlend":
        """Read back what was fitted."""
        return cls(
            query,
            manifest["picks"],
            Ranker(Bags.restore(texts, query), threads),
            manifest["per_proposer"],
            manifest["covered"],
            tuple(manifest["validation_hr_at_10"]),
        )


def fit_all(moment: QueryMoment) -> Chains:
    """Every setting of every method, fitted to the counts of its kind; those of attributes where there are any."""
    has_attributes = moment.graphs["all"].attributes is not None
    return {
        name: tuple(score.fit(moment.graphs[kind]) for kind, score in grid)
        for name, grid in GRIDS.items()
        if has_attributes or name not in OF_ATTRIBUTES
    }


def question_of(
    moment: QueryMoment, chains: Chains, proposers: Mapping[str, int], query: str, per_proposer: int
) -> Question:
    """What the ranker may see: with the whole history, also the previous item alone."""
    kinds = (PREVIOUS_ITEM,) if query == PREVIOUS_ITEM else (PREVIOUS_ITEM, HISTORY)
    methods = {
        f"{name} {number} {kind}": METHOD_BY_QUERY[kind](chain, moment)
        for kind in kinds
        for name, settings in chains.items()
        for number, chain in enumerate(settings)
    }
    proposing = [f"{name} {number} {query}" for name, number in proposers.items()]
    counts = np.log1p(np.asarray(moment.graphs["near"].baskets.sum(axis=0))).astype(np.float32).reshape(-1, 1)
    last = counts[[history[-1] for history in moment.history]]
    length = np.log([[len(history)] for history in moment.history]).astype(np.float32)
    facts = last if query == PREVIOUS_ITEM else np.concatenate([last, length], axis=1)
    return Question(methods, proposing, moment.seen, facts, counts, per_proposer)


def hit_rate(method: Method, moment: QueryMoment) -> float:
    """HR@10 of all queries."""
    return float((target_ranks(method, moment.pairs, moment.seen) <= 10).astype(np.float64).mean())


def pick(query: str, training: TrainingMoment) -> dict[str, int]:
    """The setting of each method that finds most answers of the selection queries."""
    method_of = METHOD_BY_QUERY[query]
    selection = training.selection
    return {
        name: int(np.argmax([hit_rate(method_of(chain, selection), selection) for chain in settings]))
        for name, settings in training.chains.items()
    }


def fit_next(
    query: str,
    training: TrainingMoment,
    picked: Mapping[str, int],
    per_proposer: int,
    rankers: Sequence[RankerSettings] | None = None,
) -> NextBlend:
    """Fit every ranker to the fitting queries, and keep the one that finds most answers of the selection queries."""
    question_at = partial(question_of, proposers=picked, query=query, per_proposer=per_proposer)
    question = question_at(training.fitting, training.chains)
    ranker_settings = rankers or RANKERS
    examples = Examples.of(question, training.fitting.answers, ranker_settings[0].negative_share, SEED)
    fitted = [Ranker.fit(examples, settings) for settings in ranker_settings]
    selection_question = question_at(training.selection, training.chains)
    hit_rates = tuple(hit_rate(ranker.method(selection_question), training.selection) for ranker in fitted)
    return NextBlend(query, picked, fitted[int(np.argmax(hit_rates))], per_proposer, examples.covered, hit_rates)


def draw_customers(users: Sequence[Ints], least_items: int, most: int, seed: int) -> Ints:
    """At most so many customers, in random order, of those with enough items."""
    order = np.random.default_rng(seed).permutation(len(users))
    enough = np.array([len(user) >= least_items for user in users], dtype=np.bool_)
    return order[enough[order]][:most]
