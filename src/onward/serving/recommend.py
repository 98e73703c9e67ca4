"""What goes with a product, what comes after and before it, and what could stand in for it, with chance and reason.

The order is the ranking's (see ranking/related_lists.py). The chance beside it is for a typical customer: a probability
needs a customer, and the question names none. It is a mean over reference contexts: feature rows of real impressions,
sampled once when the bundle was made, in which the pair's own features (sales, prices, categories, counts, embeddings)
are replaced by those of the pair in question.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.deployment.bundle import Bundle
from onward.deployment.typical_features import pair_state
from onward.errors import DataError
from onward.ranking.list_names import AFTER, BEFORE, GOES_WITH, INSTEAD, LISTS
from onward.uncertainty.uncertainty_model import PairPredictions

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_WORDS = ("sure", "fairly sure", "in between", "fairly unsure", "unsure")
_SPREAD = 1.96
_FEW = 3
_PAIRS_AT_ONCE = 2000


@dataclass(frozen=True)
class Recommendation:
    """One entry of a list.

    Attributes:
        product_id: outside id.
        name: of the product.
        score: the list's order.
        probability: that a typical customer who was shown it buys it new within the attribution window, calibrated.
        low: of the interval by the heads' disagreement.
        high: likewise.
        level: uncertainty level, 0 the surest.
        doubt: the level as a word.
        decision: the policy's: show, don't show or abstain; a pair unlike any impression abstains.
        why: the reason for its place, in a line.
    """

    product_id: str
    name: str
    score: float
    probability: float
    low: float
    high: float
    level: int
    doubt: str
    decision: str
    why: str


@dataclass(frozen=True)
class Answer:
    """The four lists of a product, each best first.

    Attributes:
        product_id: outside id.
        name: of the product.
        goes_with: complements.
        after: what is bought after it.
        before: what is bought before it.
        instead: substitutes.
        directed: whether after and before rest on an order beyond frequency and season.
        of_its_type: whether the product sells too little for lists of its own and is given its type's.
    """

    product_id: str
    name: str
    goes_with: tuple[Recommendation, ...]
    after: tuple[Recommendation, ...]
    before: tuple[Recommendation, ...]
    instead: tuple[Recommendation, ...]
    directed: bool
    of_its_type: bool


def recommend_all(bundle: Bundle, products: Sequence[int], count: int, threads: int = 1) -> Iterator[Answer]:
    """Answers for many products, in their order.

    Raises:
        DataError: the bundle holds no lists.
    """
    if not len(bundle.lists.table):
        raise DataError(
            "recommend: the model in use was made before lists were; run `dvc repro` and let the gate take the new one"
        )
    batch = max(1, _PAIRS_AT_ONCE // (count * len(LISTS)))
    for start in range(0, len(products), batch):
        yield from _answers(bundle, products[start : start + batch], count, threads)


def word_for(level: int, levels: int) -> str:
    """A word for an uncertainty level.

    >>> [word_for(level, 3) for level in range(3)]
    ['sure', 'in between', 'unsure']
    """
    return _WORDS[round(level / max(levels - 1, 1) * (len(_WORDS) - 1))]


def _answers(bundle: Bundle, products: Sequence[int], count: int, threads: int) -> Iterator[Answer]:
    lists = [bundle.lists.of(product, count) for product in products]
    tables = [product_lists[name] for product_lists in lists for name in LISTS]
    rows = pd.concat(tables, ignore_index=True)
    product_of_table = [product for product in products for _ in LISTS]
    product_of_row = np.repeat(product_of_table, [len(table) for table in tables]).astype(np.int64)
    entries = iter(_entries(bundle, product_of_row, rows, threads))
    stands_for = bundle.lists.stands_for
    for product, product_lists in zip(products, lists, strict=True):
        entries_of = {name: tuple(next(entries) for _ in range(len(product_lists[name]))) for name in LISTS}
        details = bundle.products.iloc[product]
        yield Answer(
            product_id=str(details["product_id"]),
            name=str(details["name"]),
            goes_with=entries_of[GOES_WITH],
            after=entries_of[AFTER],
            before=entries_of[BEFORE],
            instead=entries_of[INSTEAD],
            directed=bundle.lists.directed,
            of_its_type=int(stands_for[product]) not in {product, -1},
        )


def _entries(bundle: Bundle, product: Ints, rows: pd.DataFrame, threads: int) -> list[Recommendation]:
    if not len(rows):
        return []
    other = rows["other"].to_numpy(np.int64)
    backwards = (rows["list"] == BEFORE).to_numpy(bool)
    source = np.where(backwards, other, product)
    target = np.where(backwards, product, other)
    # The same pair stands in several lists: it is scored once.
    pairs, place = np.unique(source * len(bundle.products) + target, return_inverse=True)
    source, target = pairs // len(bundle.products), pairs % len(bundle.products)
    predicted = _over_contexts(bundle, source, target, threads)
    shape = (len(source), len(bundle.contexts))
    probability = predicted.probability.reshape(shape).mean(axis=1)
    bounds = bundle.uncertainty.calibrator.interval(predicted.score, predicted.disagreement, _SPREAD)
    low, high = (bound.reshape(shape).mean(axis=1) for bound in bounds)
    levels = bundle.uncertainty.levels.assign(predicted.uncertainty.reshape(shape).mean(axis=1))
    decisions = bundle.policy.answer(predicted.score.reshape(shape).mean(axis=1), levels)
    paths = bundle.products["category"]
    decisions = np.where(bundle.lists.like_shown(paths.iloc[source], paths.iloc[target]), decisions, "abstain")
    ids, names = (bundle.products[column].iloc[other].to_numpy() for column in ("product_id", "name"))
    scores = rows["score"].tolist()
    reasons = _reasons(rows, bundle.lists.follow_days)
    return [
        Recommendation(
            product_id=str(ids[row]),
            name=str(names[row]),
            score=scores[row],
            probability=float(probability[pair]),
            low=float(low[pair]),
            high=float(high[pair]),
            level=int(levels[pair]),
            doubt=word_for(int(levels[pair]), bundle.uncertainty.levels.count),
            decision=str(decisions[pair]),
            why=reasons[row],
        )
        for row, pair in enumerate(place)
    ]


def _over_contexts(bundle: Bundle, source: Ints, target: Ints, threads: int) -> PairPredictions:
    """The scores of every pair in every reference context, [pairs · contexts], pair by pair."""
    pairs, contexts = len(source), len(bundle.contexts)
    of_pair = pair_state(bundle.state, bundle.products["category"], source, target)
    of_pair = of_pair.loc[np.repeat(np.arange(pairs), contexts)].reset_index(drop=True)
    situation = bundle.contexts.loc[np.tile(np.arange(contexts), pairs)].reset_index(drop=True)
    features = pd.concat([situation, of_pair], axis=1)
    return bundle.predict(features, np.repeat(source, contexts), np.repeat(target, contexts), threads)


def _reasons(rows: pd.DataFrame, follow_days: int) -> list[str]:
    entries = zip(
        rows["list"], rows["times"].tolist(), rows["count"].tolist(), rows["type_count"].tolist(), strict=True
    )
    return [reason_for(name, times, count, of_types, follow_days) for name, times, count, of_types in entries]


def reason_for(name: str, times: float, count: int, of_types: int, follow_days: int) -> str:
    """The reason for an entry of a list, from what was counted.

    >>> reason_for("goes_with", 9.2, 214, 900, 30)
    'in 214 baskets together, 9.2 times chance'
    >>> reason_for("goes_with", 30.1, 0, 451, 30)
    'their types are in 451 baskets together, 30 times chance'
    """
    chance = f"{times:.0f} times chance" if times >= 10 else f"{times:.1f} times chance"
    if name == INSTEAD:
        return f"of the same type; in {count} baskets together, {chance}" if count >= _FEW else "of the same type"
    if name == GOES_WITH:
        own_counts = f"in {count} baskets together"
        type_counts = f"their types are in {of_types} baskets together"
    else:
        way = "after" if name == AFTER else "before"
        own_counts = f"{count} times within {follow_days} days {way} it"
        type_counts = f"their types {of_types} times within {follow_days} days {way} it"
    if count >= _FEW:
        return f"{own_counts}, {chance}"
    return f"{type_counts}, {chance}" if of_types >= _FEW else f"{chance}, by what is like them"
