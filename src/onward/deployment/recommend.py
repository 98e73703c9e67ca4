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
from onward.uncertainty.doubt import Judged

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


def recommend(bundle: Bundle, product: int, count: int, threads: int = 1) -> Answer:
    """Answer for the product of an inside number, with up to `count` entries a list.

    Raises:
        DataError: the bundle holds no lists.
    """
    return next(recommend_all(bundle, [product], count, threads))


def recommend_all(bundle: Bundle, products: Sequence[int], count: int, threads: int = 1) -> Iterator[Answer]:
    """Answers for many products, in their order.

    Raises:
        DataError: the bundle holds no lists.
    """
    if not len(bundle.lists.table):
        raise DataError(
            "recommend: the model in use was made before lists were; run `dvc repro` and let the gate take the new one"
        )
    each = max(1, _PAIRS_AT_ONCE // (count * len(LISTS)))
    for start in range(0, len(products), each):
        yield from _answers(bundle, products[start : start + each], count, threads)


def word_for(level: int, levels: int) -> str:
    """A word for an uncertainty level.

    >>> [word_for(level, 3) for level in range(3)]
    ['sure', 'in between', 'unsure']
    """
    return _WORDS[round(level / max(levels - 1, 1) * (len(_WORDS) - 1))]


def _answers(bundle: Bundle, products: Sequence[int], count: int, threads: int) -> Iterator[Answer]:
    lists = [bundle.lists.of(product, count) for product in products]
    asked = [(product, name) for product in products for name in LISTS]
    parts = [found[name] for found in lists for name in LISTS]
    rows = pd.concat(parts, ignore_index=True)
    this = np.repeat([product for product, _ in asked], [len(part) for part in parts]).astype(np.int64)
    found = iter(_entries(bundle, this, rows, threads))
    stands_for = bundle.lists.stands_for
    for product, of_product in zip(products, lists, strict=True):
        named = {name: tuple(next(found) for _ in range(len(of_product[name]))) for name in LISTS}
        about = bundle.products.iloc[product]
        yield Answer(
            str(about["product_id"]), str(about["name"]), named[GOES_WITH], named[AFTER], named[BEFORE],
            named[INSTEAD], bundle.lists.directed, int(stands_for[product]) not in {product, -1},
        )  # fmt: skip


def _entries(bundle: Bundle, this: Ints, rows: pd.DataFrame, threads: int) -> list[Recommendation]:
    if not len(rows):
        return []
    other, backwards = rows["other"].to_numpy(np.int64), (rows["list"] == BEFORE).to_numpy(bool)
    source, target = np.where(backwards, other, this), np.where(backwards, this, other)
    # The same pair stands in several lists: it is judged once.
    pairs, place = np.unique(source * len(bundle.products) + target, return_inverse=True)
    source, target = pairs // len(bundle.products), pairs % len(bundle.products)
    said = _over_contexts(bundle, source, target, threads)
    shape = (len(source), len(bundle.contexts))
    probability = said.probability.reshape(shape).mean(axis=1)
    bounds = bundle.calibrator.interval(said.score, said.disagreement, _SPREAD)
    low, high = (bound.reshape(shape).mean(axis=1) for bound in bounds)
    levels = bundle.levels.assign(said.uncertainty.reshape(shape).mean(axis=1))
    decisions = bundle.policy.answer(said.score.reshape(shape).mean(axis=1), levels)
    paths = bundle.products["category"]
    decisions = np.where(bundle.lists.like_shown(paths.iloc[source], paths.iloc[target]), decisions, "abstain")
    ids, names = (bundle.products[column].iloc[other].to_numpy() for column in ("product_id", "name"))
    scores, reasons = rows["score"].tolist(), _reasons(rows, bundle.lists.follow_days)
    return [
        Recommendation(
            str(ids[row]), str(names[row]), scores[row], float(probability[pair]), float(low[pair]), float(high[pair]),
            int(levels[pair]), word_for(int(levels[pair]), bundle.levels.count), str(decisions[pair]), reasons[row],
        )
        for row, pair in enumerate(place)
    ]  # fmt: skip


def _over_contexts(bundle: Bundle, source: Ints, target: Ints, threads: int) -> Judged:
    """What is said of every pair in every reference context, [pairs · contexts], pair by pair."""
    pairs, contexts = len(source), len(bundle.contexts)
    of_pair = pair_state(bundle.state, bundle.products["category"], source, target)
    of_pair = of_pair.loc[np.repeat(np.arange(pairs), contexts)].reset_index(drop=True)
    situation = bundle.contexts.loc[np.tile(np.arange(contexts), pairs)].reset_index(drop=True)
    features = pd.concat([situation, of_pair], axis=1)
    return bundle.judge(features, np.repeat(source, contexts), np.repeat(target, contexts), threads)


def _reasons(rows: pd.DataFrame, follow_days: int) -> list[str]:
    said = zip(rows["list"], rows["times"].tolist(), rows["count"].tolist(), rows["type_count"].tolist(), strict=True)
    return [why(name, times, count, of_types, follow_days) for name, times, count, of_types in said]


def why(name: str, times: float, count: int, of_types: int, follow_days: int) -> str:
    """The reason for an entry of a list, from what was counted.

    >>> why("goes_with", 9.2, 214, 900, 30)
    'in 214 baskets together, 9.2 times chance'
    >>> why("goes_with", 30.1, 0, 451, 30)
    'their types are in 451 baskets together, 30 times chance'
    """
    chance = f"{times:.0f} times chance" if times >= 10 else f"{times:.1f} times chance"
    if name == INSTEAD:
        return f"of the same type; in {count} baskets together, {chance}" if count >= _FEW else "of the same type"
    if name == GOES_WITH:
        one, types = f"in {count} baskets together", f"their types are in {of_types} baskets together"
    else:
        way = "after" if name == AFTER else "before"
        one = f"{count} times within {follow_days} days {way} it"
        types = f"their types {of_types} times within {follow_days} days {way} it"
    if count >= _FEW:
        return f"{one}, {chance}"
    return f"{types}, {chance}" if of_types >= _FEW else f"{chance}, by what is like them"
