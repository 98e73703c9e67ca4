"""A bundle's lists as plain columns, ready to be asked for one product at a time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from onward.deployment.served_lists import ServedLists
from onward.errors import DataError
from onward.ranking.list_names import AFTER, BEFORE, LISTS
from onward.ranking.order_score import order_score
from onward.serving.recommend import reason_for

Ints = npt.NDArray[np.int64]


class HeldEntry(NamedTuple):
    """One row of a list; a tuple, since an answer makes dozens.

    Attributes:
        name: of the list.
        rank: in the list that is held.
        other: inside number.
        score: what orders the list.
        times: how many times chance.
        support: how often both were seen.
        type_support: the same for their types.
        log_lift: f of the list's order; None of a bundle that keeps it not.
        share: P of the other product; likewise.
    """

    name: str
    rank: int
    other: int
    score: float
    times: float
    support: int
    type_support: int
    log_lift: float | None
    share: float | None


@dataclass(frozen=True)
class HeldLists:
    """The lists of `ServedLists`, by product."""

    lists: ServedLists

    @cached_property
    def _columns(self) -> Sequence[npt.NDArray[np.generic]]:
        table = self.lists.table
        missing = np.full(len(table), np.nan)
        code = {name: place for place, name in enumerate(LISTS)}
        return [
            table["list"].map(code).to_numpy(np.int64),
            *(table[name].to_numpy() for name in ("rank", "other", "score", "times", "count", "type_count")),
            *(table[name].to_numpy() if name in table else missing for name in ("log_lift", "share")),
        ]

    @cached_property
    def _places(self) -> tuple[Ints, Ints]:
        """[P] first row and the row after the last of each product's own lists."""
        product = self.lists.table["product"].to_numpy(np.int64)
        numbers = np.arange(len(self.lists.stands_for))
        return np.searchsorted(product, numbers, side="left"), np.searchsorted(product, numbers, side="right")

    @property
    def can_reorder(self) -> bool:
        """Whether lift and popularity are kept apart, so that another weight can order what is held."""
        return {"log_lift", "share"} <= set(self.lists.table.columns)

    @cached_property
    def longest(self) -> int:
        """Entries of the longest list."""
        return int(self.lists.table["rank"].max()) if len(self.lists.table) else 0

    @cached_property
    def listed_products(self) -> int:
        """How many products have lists, of their own or of their type."""
        return int((self.lists.stands_for >= 0).sum())

    def warm(self) -> None:
        """Make the columns."""
        len(self._columns)
        len(self._by_pair)
        len(self._places)

    def of(self, product: int) -> Mapping[str, list[HeldEntry]]:
        """All that is held of each list of a product, best first, without the product itself."""
        held: dict[str, list[HeldEntry]] = {name: [] for name in LISTS}
        owner = int(self.lists.stands_for[product])
        if owner < 0:
            return held
        first, last = self._places
        start, end = int(first[owner]), int(last[owner])
        rows = zip(*(column[start:end].tolist() for column in self._columns), strict=True)
        for values in rows:
            entry = _entry(*values)
            if entry.other != product:
                held[entry.name].append(entry)
        return held

    def reasons(self, products: Ints, others: Ints) -> list[list[str]]:
        """Why others stand on the lists of products, pair by pair: a line a list, as "after: 3 times within 30 days …".

        What scores a page of pairs asks this of all at once, and would not wait for whole lists to be made.

        Args:
            products: [n] inside numbers.
            others: [n] inside numbers.
        """
        pairs, first, rows_of_pairs = self._by_pair
        owner = self.lists.stands_for[products]
        wanted = np.where((owner < 0) | (products == others), -1, owner * len(self.lists.stands_for) + others)
        place = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
        count = np.where(pairs[place] == wanted, first[place + 1] - first[place], 0)
        ends = np.cumsum(count)
        rows = rows_of_pairs[np.repeat(first[place] - ends + count, count) + np.arange(ends[-1])]
        code, _, _, _, times, seen, of_types, _, _ = self._columns
        days = self.lists.follow_days
        counted = (column[rows].tolist() for column in (code, times, seen, of_types))
        lines = [
            f"{LISTS[of]}: {reason_for(LISTS[of], lift, own, types, days)}"
            for of, lift, own, types in zip(*counted, strict=True)
        ]
        return [lines[end - length : end] for end, length in zip(ends.tolist(), count.tolist(), strict=True)]

    @cached_property
    def _by_pair(self) -> tuple[Ints, Ints, Ints]:
        """[n] owner · P + other of all pairs that stand on lists, ascending; [n + 1] where each's rows begin; the rows.

        Those of one pair come by list.
        """
        owner, other = (self.lists.table[name].to_numpy(np.int64) for name in ("product", "other"))
        pair = owner * len(self.lists.stands_for) + other
        rows = np.lexsort((self._columns[0], pair))
        pairs, first = np.unique(pair[rows], return_index=True)
        return pairs, np.append(first, len(rows)), rows

    def reordered(self, name: str, entries: Sequence[HeldEntry], weight: float) -> list[HeldEntry]:
        """A list at another weight: what is held of it, in the order of `order_score`.

        Nothing comes in that was not held. After and before stay as they are where direction orders them.

        Raises:
            DataError: the bundle does not keep lift and popularity apart.
        """
        if self.lists.directed and name in {AFTER, BEFORE}:
            return list(entries)
        if not self.can_reorder:
            raise DataError(
                "weight: the model in use keeps one order alone; run `dvc repro` and let the gate take the new one"
            )
        lift = np.array([entry.log_lift for entry in entries], dtype=np.float64)
        share = np.array([entry.share for entry in entries], dtype=np.float64)
        order = np.argsort(-order_score(lift, share, weight), kind="stable")
        return [entries[place] for place in order.tolist()]


def _entry(code: int, *values: Any) -> HeldEntry:
    entry = HeldEntry(LISTS[code], *values)
    return entry._replace(log_lift=None, share=None) if math.isnan(entry.log_lift or 0.0) else entry
