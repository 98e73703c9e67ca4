"""One score from many: boosted trees over untrained scores, what edges say of nodes and, when given, the encoder.

The trees are fitted on held-out edges. The features of a held-out edge come from a graph without it (`cross_fit`), as
those of a test edge do, so no edge helps to score itself and training and test rows look alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from onward.boosting import Bags, Boosting, Trees, bin_rows, grow
from onward.ranking.chains import Floats
from onward.ranking.directed_graph import DirectedGraph, Ints
from onward.ranking.link_scores import LinkScore
from onward.ranking.method import Method, score_pairs
from onward.ranking.node_facts import NODE_FACTS, node_facts

Features = npt.NDArray[np.float32]

_LINEAR = ("linear_mean", "linear_scale", "linear_weights", "linear_start")

_LEAST = 1e-4  # what the logarithm of a score adds to it, so that zero is finite


@dataclass(frozen=True)
class BlendSettings:
    """How the blend is fitted.

    Attributes:
        iterations: trees a bag.
        learning_rate: of the trees.
        leaves: of a tree.
        min_rows_in_leaf: of a tree.
        l2: penalty of a leaf.
        feature_share: columns a tree may see.
        bags: boosted models with seeds of their own, averaged.
        linear: start the trees from a logistic regression on the scores and their logarithms.
        both_ways: read the scores of v -> u too, which say more of the direction and less of whether there is an edge.
        seed: of the trees.
        threads: of LightGBM.
    """

    iterations: int = 300
    learning_rate: float = 0.03
    leaves: int = 12
    min_rows_in_leaf: int = 40
    l2: float = 5.0
    feature_share: float = 0.4
    bags: int = 3
    linear: bool = True
    both_ways: bool = True
    seed: int = 0
    threads: int = 1

    def boosting(self, bag: int) -> Boosting:
        """How the trees of a bag are grown, 0 .. bags - 1."""
        return Boosting(
            self.iterations,
            self.learning_rate,
            self.leaves,
            self.min_rows_in_leaf,
            self.l2,
            self.seed + bag,
            self.threads,
            feature_share=self.feature_share,
            row_share=0.8,
        )


@dataclass(frozen=True)
class PairRows:
    """Features of pairs and whether each is an edge."""

    features: Features
    label: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, scores: Mapping[str, Method], graph: DirectedGraph, held_out: Ints, absent: Ints) -> "PairRows":
        """Rows of held-out edges and of absent pairs, seen from a graph that knows neither."""
        features = pair_features(scores, graph, np.concatenate([held_out, absent]))
        return cls(features, np.arange(len(features)) < len(held_out))

    @classmethod
    def joined(cls, parts: Sequence["PairRows"]) -> "PairRows":
        """Rows of several parts, one after another."""
        return cls(np.concatenate([part.features for part in parts]), np.concatenate([part.label for part in parts]))


def pair_features(scores: Mapping[str, Method], graph: DirectedGraph, pairs: Ints) -> Features:
    """[r, 2 scores + 2 F] every score of each pair u -> v, every score of v -> u, `node_facts` of u, then of v."""
    source, target = pairs[:, 0], pairs[:, 1]
    # Both ways at once: a method then computes the scores after each node only once.
    from_nodes = np.concatenate([source, target])
    to_nodes = np.concatenate([target, source])
    features = np.empty((len(pairs), 2 * (len(scores) + len(NODE_FACTS))), dtype=np.float32)
    for number, method in enumerate(scores.values()):
        forward, backward = score_pairs(method, from_nodes, to_nodes, graph.nodes).reshape(2, -1)
        features[:, number] = forward
        features[:, len(scores) + number] = backward
    facts = node_facts(graph)
    features[:, 2 * len(scores) : -len(NODE_FACTS)] = facts[source]
    features[:, -len(NODE_FACTS) :] = facts[target]
    return features


def fit_scores(scores: Mapping[str, LinkScore], graph: DirectedGraph) -> dict[str, Method]:
    """Every score fitted to the graph."""
    return {name: score.fit(graph) for name, score in scores.items()}


@dataclass(frozen=True)
class Blend:
    """A fitted blend: log-odds that a pair is an edge, up to the share of edges among the rows it was fitted on."""

    linear: Pipeline | None
    trees: Bags
    threads: int
    both_ways: bool

    @classmethod
    def fit(cls, rows: PairRows, settings: BlendSettings) -> "Blend":
        """Fit to labelled rows."""
        linear = None
        offset = None
        rows = rows if settings.both_ways else PairRows(_one_way(rows.features), rows.label)
        if settings.linear:
            linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
            linear.fit(_with_logarithms(rows.features), rows.label)
            offset = linear.decision_function(_with_logarithms(rows.features))
        trees = tuple(_grow(rows, offset, settings.boosting(bag)) for bag in range(settings.bags))
        return cls(linear, Bags(trees), settings.threads, settings.both_ways)

    def predict(self, features: Features) -> Floats:
        """[r] log-odds, from the features that `pair_features` gives."""
        features = features if self.both_ways else _one_way(features)
        log_odds = self.trees.raw_score(features, self.threads)
        if self.linear is not None:
            log_odds = log_odds + self.linear.decision_function(_with_logarithms(features))
        return np.asarray(log_odds, dtype=np.float64)

    def linear_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The linear part as arrays; nothing where there is none."""
        if self.linear is None:
            return {}
        scaler, regression = (step for _, step in self.linear.steps)
        parts = (scaler.mean_, scaler.scale_, regression.coef_, regression.intercept_)
        return dict(zip(_LINEAR, parts, strict=True))

    @classmethod
    def restore(cls, trees: Bags, arrays: Mapping[str, npt.NDArray[Any]], *, both_ways: bool, threads: int) -> "Blend":
        """Read back what `linear_arrays` says, beside the trees."""
        linear = None
        if _LINEAR[0] in arrays:
            mean, scale, weights, start = (arrays[name] for name in _LINEAR)
            scaler = StandardScaler()
            regression = LogisticRegression()
            scaler.mean_ = mean
            scaler.scale_ = scale
            scaler.n_features_in_ = len(mean)
            regression.coef_ = weights
            regression.intercept_ = start
            regression.classes_ = np.array([False, True])
            regression.n_features_in_ = len(mean)
            linear = Pipeline([("standardscaler", scaler), ("logisticregression", regression)])
        return cls(linear, trees, threads, both_ways)


def _grow(rows: PairRows, offset: Floats | None, boosting: Boosting) -> Trees:
    return grow(bin_rows(rows.features, rows.label.astype(np.float32), boosting, offset=offset), boosting)


def _scores(features: Features) -> int:
    return int(features.shape[1]) // 2 - len(NODE_FACTS)


def _one_way(features: Features) -> Features:
    scores = _scores(features)
    return np.concatenate([features[:, :scores], features[:, 2 * scores :]], axis=1)


def _with_logarithms(features: Features) -> Features:
    return np.concatenate([np.log(np.abs(features) + _LEAST), features], axis=1)
