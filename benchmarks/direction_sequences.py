"""What is bought next on Amazon Beauty: counts, embeddings and their blend, over the whole catalogue.

Strict protocol: a customer's last item is the target; every statistic counts items before the last two only; seen items
are left out; ties take their mean rank. Asked by the previous item alone, and by the whole history. Settings are
picked, and the blend is fitted, one item earlier: there the last but one is the target, and statistics end before the
last three.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Protocol, Self

import numpy as np
import scipy.sparse as sp
from rich.console import Console

from benchmarks.direction_data import Sequences, beauty, data_folder
from benchmarks.form import Cell, Finding, publish
from benchmarks.trials import Trial, Trials, settings_key
from onward.evaluation.links import PairRanks, rank_links
from onward.ranking.chains import Chain
from onward.ranking.directed_graph import DirectedGraph, Ints, attribute_vectors
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
from onward.ranking.sequence_counts import count_followers, histories
from onward.ranking.shortlist import Examples, Question, Ranker, RankerSettings

SEED = 5
SAMPLES = 500
COUNTED: Mapping[str, tuple[int, float]] = {"next": (1, 0.0), "near": (5, 1.0), "all": (60, 0.5)}
"""By name: window in places, and the power of its decay."""

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

RANKERS = (RankerSettings(), RankerSettings(objective="lambdarank"))
DECAY = 0.7
JUDGES = 2000
"""Learners that are kept back to pick settings and the ranker."""


class Asking(Protocol):
    """A fitted score that asks in a way of its own, by more than the graph's nodes."""

    def method(self, moment: "Moment") -> Method:
        """Scores of all items by query number."""


Chains = Mapping[str, tuple[Chain | Asking, ...]]


@dataclass(frozen=True)
class Moment:
    """What is known when something is asked for.

    Attributes:
        graphs: counts of everything before, by the names of `COUNTED`.
        history: [Q] what each customer bought before and cannot be asked for, in order; the last asks.
        pairs: [r, 2] query number and an item that is wanted after it.
    """

    graphs: Mapping[str, DirectedGraph]
    history: tuple[Ints, ...]
    pairs: Ints

    @classmethod
    def of(cls, sequences: Sequences, customers: Ints, vectors: np.ndarray, back: int) -> "Moment":
        """Ask for the item `back` places from the end; statistics end one place before the query."""
        past = [user[: -back - 1] for user in sequences.users]
        graphs = {
            name: count_followers(past, sequences.items, window, decay, vectors)
            for name, (window, decay) in COUNTED.items()
        }
        asked = [sequences.users[customer] for customer in customers]
        pairs = np.array([(query, user[-back]) for query, user in enumerate(asked)])
        return cls(graphs, tuple(user[:-back] for user in asked), pairs)

    @property
    def queries(self) -> int:
        """Number of queries Q."""
        return len(self.history)

    @property
    def items(self) -> int:
        """Number of items N."""
        return self.graphs["near"].nodes

    @property
    def seen(self) -> sp.csr_matrix:
        """[Q, N] what each customer bought before."""
        return histories(self.history, self.items, 1.0)

    def some(self, queries: Ints) -> Self:
        """The same with some of the queries, given in ascending order."""
        pairs = self.pairs[np.isin(self.pairs[:, 0], queries)]
        renumbered = np.stack([np.searchsorted(queries, pairs[:, 0]), pairs[:, 1]], axis=1)
        return replace(self, history=tuple(self.history[query] for query in queries), pairs=renumbered)


def asked_by_item(chain: Chain | Asking, moment: Moment) -> Method:
    """Rank after the previous item."""
    if not isinstance(chain, Chain):
        return chain.method(moment)
    last = np.array([history[-1] for history in moment.history])
    return lambda queries: chain(last[queries])


def asked_by_history(chain: Chain | Asking, moment: Moment) -> Method:
    """Rank after the whole history, recent items weighing more."""
    if not isinstance(chain, Chain):
        return chain.method(moment)
    mixed = histories(moment.history, moment.items, DECAY)
    return lambda queries: chain.ask(mixed[queries])


ASKED = {"previous item": asked_by_item, "history": asked_by_history}


def fit_all(moment: Moment) -> Chains:
    """Every setting of every method, fitted to the counts of its kind."""
    return {name: tuple(score.fit(moment.graphs[kind]) for kind, score in grid) for name, grid in GRIDS.items()}


def question_of(
    moment: Moment, chains: Chains, proposers: Mapping[str, int], query: str, per_proposer: int
) -> Question:
    """What the ranker may see: with the whole history, also the previous item alone."""
    kinds = ("previous item",) if query == "previous item" else ("previous item", "history")
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
    facts = last if query == "previous item" else np.concatenate([last, length], axis=1)
    return Question(methods, proposing, moment.seen, facts, counts, per_proposer)


def hit_rate(method: Method, moment: Moment) -> float:
    """HR@10 of all queries."""
    return float(rank_links(method, moment.pairs, moment.seen).metrics()["hr@10"].mean())


def answers_of(moment: Moment) -> sp.csr_matrix:
    """[Q, N] what is wanted after each query."""
    shape = (moment.queries, moment.items)
    return sp.csr_matrix((np.ones(len(moment.pairs)), (moment.pairs[:, 0], moment.pairs[:, 1])), shape=shape)


def row(query: str, method: str, ranks: PairRanks) -> dict[str, Cell]:
    """One line of the table."""
    found = ranks.intervals(SAMPLES, SEED)
    bounds = {"hr@10 low": found["hr@10"].low, "hr@10 high": found["hr@10"].high}
    return {"query": query, "method": method, **{name: each.value for name, each in found.items()}, **bounds}


@dataclass(frozen=True)
class Work:
    """Two moments: one to learn and pick at, one to test at, each with every setting fitted to its counts.

    Attributes:
        taught: what the blend learns from.
        judging: what picks settings and the ranker, kept back from learning.
        test: what is reported.
        before: fitted to the counts of the first moment.
        now: fitted to those of the second.
    """

    taught: Moment
    judging: Moment
    test: Moment
    before: Chains
    now: Chains

    @classmethod
    def of(
        cls, learning: Moment, test: Moment, before: Chains, now: Chains, kept_back: np.ndarray | None = None
    ) -> "Work":
        """Keep the judges back: [Q] whether a query judges, or the first of them where each is another customer's."""
        if kept_back is None:
            kept_back = np.arange(learning.queries) < min(JUDGES, learning.queries // 3)
        taught, judging = (learning.some(np.flatnonzero(which)) for which in (~kept_back, kept_back))
        return cls(taught, judging, test, before, now)


def pick(query: str, work: Work) -> dict[str, int]:
    """The setting of each method that finds most of what the judges want."""
    ask, judging = ASKED[query], work.judging
    return {
        name: int(np.argmax([hit_rate(ask(chain, judging), judging) for chain in settings]))
        for name, settings in work.before.items()
    }


def fit_blend(
    query: str,
    work: Work,
    picked: Mapping[str, int],
    per_proposer: int,
    rankers: Sequence[RankerSettings] | None = None,
) -> tuple[float, Method]:
    """Share of answers on the short lists it learnt from, and the blend for the test, its ranker picked by judges."""
    ask_for = partial(question_of, proposers=picked, query=query, per_proposer=per_proposer)
    asked = ask_for(work.taught, work.before)
    examples = Examples.of(asked, answers_of(work.taught), RANKERS[0].negative_share, SEED)
    fitted = [Ranker.fit(examples, settings) for settings in rankers or RANKERS]
    question = ask_for(work.judging, work.before)
    best = max(fitted, key=lambda ranker: hit_rate(ranker.method(question), work.judging))
    return examples.covered, best.method(ask_for(work.test, work.now))


def baselines(query: str, work: Work) -> Trial:
    """The setting of each method that the judges pick, and how it ranks."""
    picked, rows, test = pick(query, work), [], work.test
    for name, number in picked.items():
        method = ASKED[query](work.now[name][number], test)
        rows.append(row(query, name, rank_links(method, test.pairs, test.seen)))
        Console(stderr=True).print(f"{query}: {name}: {rows[-1]['hr@10']:.4f} {rows[-1]['hr@50']:.4f}", highlight=False)
    return {"picked": picked, "rows": rows}


def blend(query: str, work: Work, picked: Mapping[str, int], per_proposer: int) -> Trial:
    """How the blend ranks."""
    covered, method = fit_blend(query, work, picked, per_proposer)
    found = row(query, "blend", rank_links(method, work.test.pairs, work.test.seen))
    shown = f"{found['hr@10']:.4f} {found['hr@50']:.4f}, {covered:.3f} of the answers on a short list"
    Console(stderr=True).print(f"{query}: blend: {shown}", highlight=False)
    return {"covered": covered, "rows": [found]}


def compare(query: str, trials: Trials, key: str, work: Callable[[], Work], per_proposer: int) -> list[dict[str, Cell]]:
    """Pick, fit and rank for one kind of query, or read what was finished before."""
    single = trials.run(f"{query}, baselines, {key}", lambda: baselines(query, work()))
    both = trials.run(f"{query}, blend, {key}", lambda: blend(query, work(), single["picked"], per_proposer))
    return [*single["rows"], *both["rows"]]


def main() -> None:
    """Count, compare both kinds of query and publish."""
    arguments = argparse.ArgumentParser(description=__doc__)
    data_folder(arguments)
    arguments.add_argument("--users", type=int, default=9000, help="random customers asked in the test")
    arguments.add_argument("--learners", type=int, default=14000, help="random customers that the blend learns from")
    arguments.add_argument("--query", choices=tuple(ASKED), nargs="+", default=list(ASKED))
    arguments.add_argument("--per-proposer", type=int, default=150, help="candidates that each method proposes")
    arguments.add_argument("--fresh", action="store_true", help="forget what is finished")
    asked = arguments.parse_args()

    @cache
    def work() -> Work:
        sequences = beauty(asked.data)
        vectors = attribute_vectors(sequences.attributes, 256)
        everyone = np.random.default_rng(SEED).permutation(len(sequences.users))
        learners = np.random.default_rng(SEED + 1).permutation(len(sequences.users))[: asked.learners]
        learning = Moment.of(sequences, learners, vectors, back=2)
        test = Moment.of(sequences, everyone[: asked.users], vectors, back=1)
        return Work.of(learning, test, fit_all(learning), fit_all(test))

    trials = Trials("direction_sequences", fresh=asked.fresh)
    key = settings_key(COUNTED, GRIDS, RANKERS, DECAY, JUDGES, asked.users, asked.learners, asked.per_proposer)
    rows = [line for query in asked.query for line in compare(query, trials, key, work, asked.per_proposer)]
    found = {(line["query"], line["method"]): line for line in rows}
    named = {
        "beauty_hr10_blend": ("previous item", "blend", "hr@10"),
        "beauty_hr50_blend": ("previous item", "blend", "hr@50"),
        "beauty_history_hr10_blend": ("history", "blend", "hr@10"),
    }
    claims = {
        claim: float(found[query, method][metric] or 0.0)
        for claim, (query, method, metric) in named.items()
        if (query, method) in found
    }
    publish(Finding("direction_sequences", [SEED, SEED + 1], rows, claims))


if __name__ == "__main__":
    main()
