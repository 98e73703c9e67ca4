"""Fit the pair scorer: every head on its own bootstrap of customers, stopped where held-out customers say.

Customers, not rows, are drawn: rows of one customer are alike, and heads that differ by rows only would agree too
much (Efron and Tibshirani 1993, ch. 8, on resampling clusters; Oza and Russell 2001 for Poisson weights).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.boosting import Boosting, Trees, TreeSettings, bin_rows, grow
from onward.errors import DataError
from onward.graph.product_graph import ProductGraph
from onward.metrics.classification import log_loss
from onward.model.embeddings import Embeddings
from onward.model.pair_features import scorer_frame
from onward.model.scorer import PairScorer, feature_matrix
from onward.random_streams import Stream

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Iterations between two looks at the selection customers.
_LOOK_EVERY = 10


@dataclass(frozen=True, kw_only=True)
class ScorerSettings(TreeSettings):
    """What boosting may vary; see params.yaml. `iterations` is the most a head may take."""

    heads: int


@dataclass(frozen=True)
class LabelledPairs:
    """Rows to learn or to select from.

    Attributes:
        frame: [n] the scorer's input columns.
        label: [n] 0 or 1; to judge by, not to learn from, anything between.
        weight: [n] what the delay estimator says the row is worth.
        customer: [n] customer ids.
    """

    frame: pd.DataFrame
    label: FloatArray
    weight: FloatArray
    customer: IntArray


def labelled_pairs(
    labels: pd.DataFrame,
    impressions: pd.DataFrame,
    features: pd.DataFrame,
    graph: ProductGraph,
    embeddings: Embeddings,
) -> LabelledPairs:
    """Put the scorer's input beside every label row whose impression is given.

    Args:
        labels: impression, label, weight; an impression may come several times.
        impressions: impression, customer, source, target.
        features: the feature columns of the same impressions, in the same order.
        graph: the directed product graph.
        embeddings: the products' embeddings.
    """
    position = pd.Index(impressions["impression"]).get_indexer(pd.Index(labels["impression"]))
    labels, position = labels[position >= 0], position[position >= 0]
    used, row = np.unique(position, return_inverse=True)
    source, target = (impressions[name].to_numpy(np.int64)[used] for name in ("source", "target"))
    frame = scorer_frame(features.iloc[used], graph, embeddings, source, target)
    return LabelledPairs(
        frame=frame.iloc[row].reset_index(drop=True),
        label=labels["label"].to_numpy(np.float64),
        weight=labels["weight"].to_numpy(np.float64),
        customer=impressions["customer"].to_numpy(np.int64)[position],
    )


@dataclass(frozen=True)
class TrainedScorer:
    """The scorer, the iterations its heads kept and the selection loss of the ensemble at each look."""

    scorer: PairScorer
    iterations: int
    selection_loss: tuple[tuple[int, float], ...]


def train_scorer(
    fit: LabelledPairs, selection: LabelledPairs, settings: ScorerSettings, seed: int, threads: int
) -> TrainedScorer:
    """Boost the heads, then cut all of them where the mean of their probabilities fits `selection` best.

    Columns named `cat_*` are taken as category codes.

    Raises:
        DataError: there is nothing to learn or to select from.
    """
    for name, pairs in (("training", fit), ("selection", selection)):
        if not 0.0 < float(pairs.weight @ pairs.label) < float(pairs.weight.sum()):
            raise DataError(
                f"scorer: the {len(pairs.label)} {name} rows do not hold both labels; "
                "widen run.training_days or the customers' split"
            )
    features = tuple(fit.frame.columns)
    categorical = tuple(name for name in features if name.startswith("cat_"))
    boosting = Boosting.of(settings, seed, threads, category_smoothing=50.0)
    # One binned data set for all heads: only the weights change.
    matrix = feature_matrix(fit.frame, features)
    binned = bin_rows(matrix, fit.label, boosting, names=features, categorical=categorical).construct()
    held_out = feature_matrix(selection.frame, features)
    heads = []
    ends = [*range(_LOOK_EVERY, settings.iterations, _LOOK_EVERY), settings.iterations]
    probabilities = np.zeros((len(ends), len(held_out)))
    for head in range(settings.heads):
        binned.set_weight(fit.weight * bootstrap_weights(fit.customer, seed, head))
        trees = grow(binned, replace(boosting, feature_seed=seed + head))
        heads.append(trees)
        probabilities += _probabilities_at(trees, held_out, ends, threads) / settings.heads
    losses = [log_loss(selection.label, row, selection.weight) for row in probabilities]
    best = ends[int(np.argmin(losses))]
    texts = tuple(trees.to_text(best) for trees in heads)
    return TrainedScorer(PairScorer(texts, features, categorical), best, tuple(zip(ends, losses, strict=True)))


def bootstrap_weights(customer: IntArray, seed: int, head: int) -> FloatArray:
    """[n] how often each row's customer comes in this head's bootstrap: Poisson with mean 1, one draw a customer."""
    draws = np.random.default_rng([seed, Stream.HEAD_BOOTSTRAP, head]).poisson(1.0, int(customer.max(initial=-1)) + 1)
    return draws[customer].astype(np.float64)


def heads_that_saw(customer: IntArray, trained: npt.NDArray[np.bool_], seed: int, heads: int) -> npt.NDArray[np.bool_]:
    """[n, heads] whether a head's bootstrap held the row's customer; never where the customer was not `trained` on."""
    drawn = np.stack([bootstrap_weights(customer, seed, head) > 0.0 for head in range(heads)], axis=1)
    return drawn & trained[:, None]


def _probabilities_at(trees: Trees, values: npt.NDArray[np.float32], ends: list[int], threads: int) -> FloatArray:
    """[looks, n] probability after each number of iterations, from partial sums of raw scores."""
    raw = np.zeros(len(values))
    start = 0
    rows = np.empty((len(ends), len(values)))
    for look, end in enumerate(ends):
        raw += trees.raw_score(values, threads, first=start, iterations=end - start)
        rows[look] = 1.0 / (1.0 + np.exp(-raw))
        start = end
    return rows
