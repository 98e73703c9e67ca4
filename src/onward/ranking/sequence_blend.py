"""What comes next in a sequence: counts, embeddings and attributes, blended by a ranker of short lists.

Settings are picked, and the blend is fitted, one item before the one that is asked for, by customers kept back for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

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
from onward.ranking.sequence_moments import ASKED, HISTORY, PREVIOUS_ITEM, Chains, Moment
from onward.ranking.shortlist import Examples, Question, Ranker, RankerSettings

SEED = 5
JUDGES = 2000
"""Learners that are kept back to pick settings and the ranker."""

GRIDS: Mapping[str, tuple[tuple[str, LinkScore], ...]] = {
    "popularity": (("near", Popularity()), ("all", Popularity())),
    "Markov": (("next", Edges()), ("next", Edges(0.25))),
    "window counts": (("near", Edges()), ("near", Edges(0.25)), ("all", Edges())),
    "undirected co-occurrence": tuple(("all", Undirected(*each)) for each in ((1, 0.0, 0.0), (1, 0.25, 0.0), (3,))),
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

RANKERS = (RankerSettings(), RankerSettings(objective="lambdarank"))


@dataclass(frozen=True)
class Lesson:
    """A moment to learn at, parted into those who teach the blend and those who judge settings.

    Attributes:
        taught: what the blend learns from.
        judging: what picks settings and the ranker, kept back from learning.
        chains: every setting fitted to the moment's counts.
    """

    taught: Moment
    judging: Moment
    chains: Chains

    @classmethod
    def of(cls, moment: Moment, chains: Chains, kept_back: npt.NDArray[np.bool_] | None = None) -> "Lesson":
        """Keep the judges back: [Q] whether a query judges, or the first of them where each is another customer's."""
        if kept_back is None:
            kept_back = np.arange(moment.queries) < min(JUDGES, moment.queries // 3)
        taught, judging = (moment.some(np.flatnonzero(which)) for which in (~kept_back, kept_back))
        return cls(taught, judging, chains)


@dataclass(frozen=True)
class NextBlend:
    """The fitted blend for one way of asking.

    Attributes:
        query: `previous item` or `history`.
        picks: by method, the number of the setting that proposes.
        ranker: puts short lists in order.
        per_proposer: candidates that each method proposes.
        covered: share of the answers on the short lists it learnt from.
        validation: HR@10 of the judges' queries by each ranker setting.
    """

    query: str
    picks: Mapping[str, int]
    ranker: Ranker
    per_proposer: int
    covered: float
    validation: tuple[float, ...]

    def method(self, moment: Moment, chains: Chains) -> Method:
        """Scores of all items by query number, for a moment and every setting fitted to its counts."""
        return self.ranker.method(question_of(moment, chains, self.picks, self.query, self.per_proposer))

    def to_manifest(self) -> dict[str, Any]:
        """All but the trees."""
        return {
            "picks": dict(self.picks), "per_proposer": self.per_proposer, "covered": self.covered,
            "validation_hr_at_10": list(self.validation),
        }  # fmt: skip

    @classmethod
    def restore(cls, query: str, manifest: Mapping[str, Any], trees: str, threads: int) -> "NextBlend":
        """Read back what was fitted."""
        return cls(
            query, manifest["picks"], Ranker.restore(trees, threads), manifest["per_proposer"], manifest["covered"],
            tuple(manifest["validation_hr_at_10"]),
        )  # fmt: skip


def fit_all(moment: Moment) -> Chains:
    """Every setting of every method, fitted to the counts of its kind; those of attributes where there are any."""
    known = moment.graphs["all"].attributes is not None
    return {
        name: tuple(score.fit(moment.graphs[kind]) for kind, score in grid)
        for name, grid in GRIDS.items()
        if known or name not in OF_ATTRIBUTES
    }


def question_of(
    moment: Moment, chains: Chains, proposers: Mapping[str, int], query: str, per_proposer: int
) -> Question:
    """What the ranker may see: with the whole history, also the previous item alone."""
    kinds = (PREVIOUS_ITEM,) if query == PREVIOUS_ITEM else (PREVIOUS_ITEM, HISTORY)
    methods = {
        f"{name} {number} {kind}": ASKED[kind](chain, moment)
        for kind in kinds
        for name, each in chains.items()
        for number, chain in enumerate(each)
    }
    proposing = [f"{name} {number} {query}" for name, number in proposers.items()]
    counts = np.log1p(np.asarray(moment.graphs["near"].baskets.sum(axis=0))).astype(np.float32).reshape(-1, 1)
    last = counts[[history[-1] for history in moment.history]]
    length = np.log([[len(history)] for history in moment.history]).astype(np.float32)
    facts = last if query == PREVIOUS_ITEM else np.concatenate([last, length], axis=1)
    return Question(methods, proposing, moment.seen, facts, counts, per_proposer)


def hit_rate(method: Method, moment: Moment) -> float:
    """HR@10 of all queries."""
    return float((target_ranks(method, moment.pairs, moment.seen) <= 10).astype(np.float64).mean())


def pick(query: str, lesson: Lesson) -> dict[str, int]:
    """The setting of each method that finds most of what the judges want."""
    ask, judging = ASKED[query], lesson.judging
    return {
        name: int(np.argmax([hit_rate(ask(chain, judging), judging) for chain in settings]))
        for name, settings in lesson.chains.items()
    }


def fit_next(
    query: str,
    lesson: Lesson,
    picked: Mapping[str, int],
    per_proposer: int,
    rankers: Sequence[RankerSettings] | None = None,
) -> NextBlend:
    """Fit every ranker to what the taught want, and keep the one that finds most of what the judges want."""
    ask_for = partial(question_of, proposers=picked, query=query, per_proposer=per_proposer)
    asked, offered = ask_for(lesson.taught, lesson.chains), rankers or RANKERS
    examples = Examples.of(asked, lesson.taught.answers, offered[0].negative_share, SEED)
    fitted = [Ranker.fit(examples, settings) for settings in offered]
    question = ask_for(lesson.judging, lesson.chains)
    found = tuple(hit_rate(ranker.method(question), lesson.judging) for ranker in fitted)
    return NextBlend(query, picked, fitted[int(np.argmax(found))], per_proposer, examples.covered, found)


def draw_customers(users: Sequence[Ints], least_items: int, most: int, seed: int) -> Ints:
    """At most so many customers, in random order, of those with enough items."""
    order = np.random.default_rng(seed).permutation(len(users))
    enough = np.array([len(user) >= least_items for user in users], dtype=np.bool_)
    return order[enough[order]][:most]
