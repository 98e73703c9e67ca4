"""What goes with a product, what comes after and before it, and what could stand in for it, with chance and reason.

The order is the ranking's (see ranking/related_lists.py). The chance beside it is for a typical customer, since the
question names none (see deployment/typical_scores.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.deployment.listed_products import ListedProducts
from onward.deployment.listed_scores import ScorePairs
from onward.errors import DataError
from onward.ranking.list_names import AFTER, BEFORE, GOES_WITH, INSTEAD, LISTS

Ints = npt.NDArray[np.int64]

_WORDS = ("sure", "fairly sure", "in between", "fairly unsure", "unsure")
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
        low: of the range; see ChanceRange for what it promises.
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


def recommend_all(listed: ListedProducts, products: Sequence[int], count: int, score: ScorePairs) -> Iterator[Answer]:
    """Answers for many products, in their order.

    Args:
        listed: catalogue and lists of the model in use.
        products: inside numbers.
        count: entries of each list at most.
        score: works out pairs that stand on no list, as of a product that is given its type's.

    Raises:
        DataError: the bundle holds no lists.
    """
    if not len(listed.lists.table):
        raise DataError(
            "recommend: the model in use was made before lists were; run `dvc repro` and let the gate take the new one"
        )
    batch = max(1, _PAIRS_AT_ONCE // (count * len(LISTS)))
    for start in range(0, len(products), batch):
        yield from _answers(listed, products[start : start + batch], count, score)


def word_for(level: int, levels: int) -> str:
    """A word for an uncertainty level.

    >>> [word_for(level, 3) for level in range(3)]
    ['sure', 'in between', 'unsure']
    """
    return _WORDS[round(level / max(levels - 1, 1) * (len(_WORDS) - 1))]


def _answers(listed: ListedProducts, products: Sequence[int], count: int, score: ScorePairs) -> Iterator[Answer]:
    rows = [part for product in products for part in listed.lists.rows(product, count)]
    lengths = [len(part) for part in rows]
    product_of_row = np.repeat(np.repeat(np.asarray(products, np.int64), len(LISTS)), lengths)
    names = np.repeat(np.tile(np.arange(len(LISTS)), len(products)), lengths)
    entries = iter(_entries(listed, product_of_row, np.concatenate(rows), names, score))
    stands_for = listed.lists.stands_for
    for number, product in enumerate(products):
        own_lengths = lengths[number * len(LISTS) : (number + 1) * len(LISTS)]
        entries_of = {
            name: tuple(next(entries) for _ in range(length)) for name, length in zip(LISTS, own_lengths, strict=True)
        }
        yield Answer(
            product_id=listed.product_ids[product],
            name=listed.names[product],
            goes_with=entries_of[GOES_WITH],
            after=entries_of[AFTER],
            before=entries_of[BEFORE],
            instead=entries_of[INSTEAD],
            directed=listed.lists.directed,
            of_its_type=int(stands_for[product]) not in {product, -1},
        )


def _entries(listed: ListedProducts, product: Ints, rows: Ints, names: Ints, score: ScorePairs) -> list[Recommendation]:
    """Entries of the table's rows, each with the product that is asked for and the number of its list."""
    if not len(rows):
        return []
    columns = {name: values[rows] for name, values in listed.lists.columns.items()}
    other = columns["other"].astype(np.int64)
    backwards = names == LISTS.index(BEFORE)
    source = np.where(backwards, other, product)
    target = np.where(backwards, product, other)
    # The same pair stands in several lists: it is scored once.
    pairs, place = np.unique(source * len(listed.products) + target, return_inverse=True)
    scores = listed.scores.answer(pairs // len(listed.products), pairs % len(listed.products), score)
    probability, low, high, level, decision = (
        values[place].tolist()
        for values in (scores.probability, scores.low, scores.high, scores.level, scores.decision)
    )
    levels = listed.scores.levels.count
    times, counts, type_counts = (columns[name].tolist() for name in ("times", "count", "type_count"))
    reasons = [
        reason_for(LISTS[name], times[row], counts[row], type_counts[row], listed.lists.follow_days)
        for row, name in enumerate(names.tolist())
    ]
    return [
        Recommendation(
            product_id=listed.product_ids[place_of_other],
            name=listed.names[place_of_other],
            score=order_score,
            probability=probability[row],
            low=low[row],
            high=high[row],
            level=level[row],
            doubt=word_for(level[row], levels),
            decision=decision[row],
            why=reasons[row],
        )
        for row, (place_of_other, order_score) in enumerate(zip(other.tolist(), columns["score"].tolist(), strict=True))
    ]


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
    if max(count, of_types) < _FEW:
        return f"{chance}, by what is like them"
    if name == GOES_WITH:
        if count >= _FEW:
            return f"in {count} baskets together, {chance}"
        return f"their types are in {of_types} baskets together, {chance}"
    way = "after" if name == AFTER else "before"
    if count >= _FEW:
        return f"{count} times within {follow_days} days {way} it, {chance}"
    return f"their types {of_types} times within {follow_days} days {way} it, {chance}"
