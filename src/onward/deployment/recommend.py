"""What is bought after a product, and what before it, for a typical customer.

A probability needs a customer, and the question names none. The answer is therefore a mean over reference contexts:
feature rows of real impressions, sampled once when the bundle was made, in which the pair's own features (sales,
prices, categories, counts, embeddings) are replaced by those of the pair in question. What remains of the reference
row is who the customer is and what that customer had bought of the reference pair; the mean runs over both.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.deployment.bundle import Bundle
from onward.deployment.typical_features import pair_state
from onward.uncertainty.doubt import Judged

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_WORDS = ("sure", "fairly sure", "in between", "fairly unsure", "unsure")
_SPREAD = 1.96
_LEAST = 10


@dataclass(frozen=True)
class Recommendation:
    """One answer.

    Attributes:
        product_id: outside id.
        name: of the product.
        probability: that a typical customer who was shown it converts, calibrated.
        low: of the interval by the heads' disagreement.
        high: likewise.
        level: uncertainty level, 0 the surest.
        doubt: the level as a word.
        decision: the policy's: show, don't show or abstain.
    """

    product_id: str
    name: str
    probability: float
    low: float
    high: float
    level: int
    doubt: str
    decision: str


@dataclass(frozen=True)
class Answer:
    """What comes after a product and what comes before it, the most probable first."""

    product_id: str
    name: str
    after: tuple[Recommendation, ...]
    before: tuple[Recommendation, ...]


def recommend(bundle: Bundle, product: int, count: int, threads: int = 1) -> Answer:
    """Answer for the product of an inside number, with up to `count` products in each direction."""
    after, before = candidates(bundle, product)
    others = np.concatenate([after, before])
    source = np.concatenate([np.full(len(after), product), before])
    target = np.concatenate([after, np.full(len(before), product)])
    found = _judge(bundle, source, target, others, threads)
    row = bundle.products.iloc[product]
    return Answer(
        str(row["product_id"]), str(row["name"]), _best(found[: len(after)], count), _best(found[len(after) :], count)
    )


def candidates(bundle: Bundle, product: int) -> tuple[Ints, Ints]:
    """Inside numbers of the products that may come after a product, and of those that may come before it.

    Its neighbours in the graph; if those are few, also the nearest by embedding, so that a product that nobody has
    bought yet has answers too. Nothing without any edge is ever recommended on its embedding alone.
    """
    graph, connected = bundle.graph, np.flatnonzero(bundle.graph.connected)
    after = graph.out_targets[graph.out_offsets[product] : graph.out_offsets[product + 1]]
    before = graph.in_sources[graph.in_offsets[product] : graph.in_offsets[product + 1]]
    this = np.array([product])
    forward = bundle.embeddings.relevance_matrix(this, connected)[0]
    backward = bundle.embeddings.relevance_matrix(connected, this)[:, 0]
    return _filled(after, connected, forward, product), _filled(before, connected, backward, product)


def word_for(level: int, levels: int) -> str:
    """A word for an uncertainty level.

    >>> [word_for(level, 3) for level in range(3)]
    ['sure', 'in between', 'unsure']
    """
    return _WORDS[round(level / max(levels - 1, 1) * (len(_WORDS) - 1))]


def _filled(neighbours: Ints, others: Ints, relevance: npt.NDArray[np.float32], product: int) -> Ints:
    missing = max(_LEAST - len(neighbours), 0)
    ranked = others[np.argsort(-relevance, kind="stable")]
    known = np.append(neighbours, product)
    return np.concatenate([neighbours, ranked[~np.isin(ranked, known)][:missing]]).astype(np.int64)


def _judge(bundle: Bundle, source: Ints, target: Ints, others: Ints, threads: int) -> list[Recommendation]:
    if not len(others):
        return []
    said = _over_contexts(bundle, source, target, threads)
    shape = (len(others), len(bundle.contexts))
    probability = said.probability.reshape(shape).mean(axis=1)
    bounds = bundle.calibrator.interval(said.score, said.disagreement, _SPREAD)
    low, high = (bound.reshape(shape).mean(axis=1) for bound in bounds)
    levels = bundle.levels.assign(said.uncertainty.reshape(shape).mean(axis=1))
    decisions = bundle.policy.answer(said.score.reshape(shape).mean(axis=1), levels)
    ids, names = bundle.products["product_id"].to_numpy()[others], bundle.products["name"].to_numpy()[others]
    return [
        Recommendation(
            str(ids[row]), str(names[row]), float(probability[row]), float(low[row]), float(high[row]), int(level),
            word_for(int(level), bundle.levels.count), str(decisions[row]),
        )
        for row, level in enumerate(levels)
    ]  # fmt: skip


def _over_contexts(bundle: Bundle, source: Ints, target: Ints, threads: int) -> Judged:
    """What is said of every pair in every reference context, [pairs · contexts], pair by pair."""
    pairs, contexts = len(source), len(bundle.contexts)
    of_pair = pair_state(bundle.state, bundle.products["category"], source, target)
    of_pair = of_pair.loc[np.repeat(np.arange(pairs), contexts)].reset_index(drop=True)
    situation = bundle.contexts.loc[np.tile(np.arange(contexts), pairs)].reset_index(drop=True)
    features = pd.concat([situation, of_pair], axis=1)
    return bundle.judge(features, np.repeat(source, contexts), np.repeat(target, contexts), threads)


def _best(found: list[Recommendation], count: int) -> tuple[Recommendation, ...]:
    return tuple(sorted(found, key=lambda each: (-each.probability, each.product_id))[:count])
