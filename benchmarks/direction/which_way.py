"""Direction of held-out one-way edges, for `direction_matched`: scores, what edges say of nodes, and their blend."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from rich.console import Console
from scipy.stats import binom

from benchmarks.direction.direction_blend import DirectionBlend
from benchmarks.direction.direction_pairs import DirectionPairs
from benchmarks.direction.shops import Shop
from benchmarks.harness.trials import settings_key
from onward.metrics.customer_bootstrap import Floats
from onward.metrics.intervals import Interval
from onward.ranking.blend import BlendSettings, Features, fit_scores, pair_features
from onward.ranking.directed_graph import DirectedGraph, Ints
from onward.ranking.link_folds import cross_fit
from onward.ranking.link_scores import GRIDS, LinkScore
from onward.ranking.link_settings import by_name, every_score
from onward.ranking.link_split import LinkSplit
from onward.ranking.node_facts import NODE_FACTS

SAMPLES = 500
HELD_OUT = 0.15
LEARNT_PAIRS = 60_000
MOST_ROUNDS = 6
SETTINGS = (
    BlendSettings(iterations=200, learning_rate=0.05, leaves=16, min_rows_in_leaf=40, feature_share=0.3, bags=2),
    BlendSettings(iterations=400, learning_rate=0.03, leaves=8, min_rows_in_leaf=80, feature_share=0.3, bags=2),
    BlendSettings(iterations=800, learning_rate=0.03, leaves=31, min_rows_in_leaf=100, feature_share=0.3, bags=2),
)
MATCHED = ("both matched", "in matched")
COLUMNS = ("scores and node facts", "node facts")
"""What a blend may read; scores come first."""
DIRECTION_KEY = settings_key(GRIDS, NODE_FACTS, HELD_OUT, LEARNT_PAIRS, MOST_ROUNDS, SETTINGS, COLUMNS)

LEAST_SUPPORT = 10
FALSE_DISCOVERIES = 0.05
WITHIN_DAYS = 90


def ordered_pairs(shop: Shop) -> Ints:
    """[m, 2] pairs U -> V where first purchases within 90 days come in that order more often than by chance.

    Each customer who bought both first within 90 days of each other is a throw; a two-sided binomial test, with
    Benjamini and Hochberg's bound on the share of false discoveries.
    """
    log, counts = shop.log, np.zeros((shop.log.products,) * 2, dtype=np.int32)
    _, first = np.unique(log.customer * log.products + log.product, return_index=True)
    # Rows are sorted by customer, day and product: the first row of a customer and product is the first purchase.
    by_customer = first[np.argsort(log.customer[first], kind="stable")]
    for mine in np.split(by_customer, np.flatnonzero(np.diff(log.customer[by_customer])) + 1):
        gap = log.day[mine][None, :] - log.day[mine][:, None]
        row, column = np.nonzero((gap > 0) & (gap <= WITHIN_DAYS))
        counts[log.product[mine][row], log.product[mine][column]] += 1  # a customer holds each pair once
    source, target = np.nonzero((counts + counts.T >= LEAST_SUPPORT) & (counts > counts.T))
    there, back = counts[source, target], counts[target, source]
    chance = np.minimum(1.0, 2.0 * binom.sf(there - 1, there + back, 0.5))
    order = np.argsort(chance)
    below = chance[order] <= FALSE_DISCOVERIES * np.arange(1, len(order) + 1) / len(order)
    kept = order[: np.flatnonzero(below)[-1] + 1] if below.any() else order[:0]
    return np.stack([source[kept], target[kept]], axis=1).astype(np.int64)


@dataclass(frozen=True)
class Study:
    """A graph's one-way edges, ready to be told from their reverse.

    Attributes:
        scores: of pairs, by name; a row of features holds them first, both ways.
        test: held-out pairs that judge.
        validation: held-out pairs that pick.
        shown: [r, f] features of the test pairs.
        judging: [q, f] features of the validation pairs.
        learnt: [n, f] features of further held-out pairs, to learn from.
        weights: [n] of these, by matching.
    """

    scores: tuple[str, ...]
    test: DirectionPairs
    validation: DirectionPairs
    shown: Features
    judging: Features
    learnt: Features
    weights: Mapping[str, Floats]

    @classmethod
    def of(cls, data: str, split: LinkSplit) -> Self:
        """Score everything by what is left of the graph."""
        scores = every_score(by_name(GRIDS))
        fitted = fit_scores(scores, split.graph)
        test, validation = (
            DirectionPairs.of(pairs, split.graph, split.known) for pairs in (split.test, split.validation)
        )
        shown, judging = (pair_features(fitted, split.graph, pairs.pairs) for pairs in (test, validation))
        Console(stderr=True).print(
            f"{data}: {len(split.graph.edges)} edges, {len(test.pairs)} one-way test pairs", highlight=False
        )
        return cls(tuple(scores), test, validation, shown, judging, *_learnt(split.graph, scores))

    def first_column(self, columns: str) -> int:
        """Where the features begin that a blend may read."""
        return dict(zip(COLUMNS, (0, 2 * len(self.scores)), strict=True))[columns]

    def alone(self) -> dict[str, Mapping[str, Interval]]:
        """How every score and every fact of the nodes tells the way by itself."""
        found: dict[str, Mapping[str, Interval]] = {}
        for number, name in enumerate(self.scores):
            found[name] = _auc(self.test, self.shown[:, number], self.shown[:, len(self.scores) + number])
        of_source, of_target = np.split(self.shown[:, 2 * len(self.scores) :], 2, axis=1)
        for number, name in enumerate(NODE_FACTS):
            found[name] = _auc(self.test, of_target[:, number], of_source[:, number])
        return found

    def blend(self, weights: Floats, settings: BlendSettings, columns: str) -> "Way":
        """Fit one blend and judge it by both kinds of held-out pairs."""
        first = self.first_column(columns)
        blend = DirectionBlend.fit(self.learnt[:, first:], weights, settings)
        return Way(_of(blend, self.validation, self.judging[:, first:]), _of(blend, self.test, self.shown[:, first:]))


@dataclass(frozen=True)
class Way:
    """How well a blend tells the way, by matching."""

    validation: Mapping[str, Interval]
    test: Mapping[str, Interval]


def _learnt(graph: DirectedGraph, scores: Mapping[str, LinkScore]) -> tuple[Features, dict[str, Floats]]:
    """Features of held-out one-way edges and their weights by matching."""
    parts: list[Features] = []
    weights: dict[str, list[Floats]] = {matching: [] for matching in MATCHED}
    rounds = min(MOST_ROUNDS, int(np.ceil(LEARNT_PAIRS / (HELD_OUT * len(graph.edges)))))
    for fold in cross_fit(graph, rounds, HELD_OUT, 1, seed=7):
        pairs = DirectionPairs.of(fold.held_out, fold.graph, graph)
        parts.append(pair_features(fit_scores(scores, fold.graph), fold.graph, pairs.pairs))
        for matching in MATCHED:
            weights[matching].append(pairs.weights[matching])
    return np.concatenate(parts), {matching: np.concatenate(each) for matching, each in weights.items()}


def _of(blend: DirectionBlend, pairs: DirectionPairs, features: Features) -> Mapping[str, Interval]:
    score = blend.predict(features)
    return _auc(pairs, score, -score)


def _auc(pairs: DirectionPairs, forward: np.ndarray, reverse: np.ndarray) -> Mapping[str, Interval]:
    return pairs.auc(forward, reverse, SAMPLES, 0)
