"""Where is the model worst? A search over groups that tells finds from luck, and a repair to go with each find.

Groups are searched on one half of the customers and confirmed on the other, so that the most striking of hundreds has
to strike twice. A group is bad when its conversions are not those that its probabilities promise, beyond what holds for
everybody. Groups overlap: once a bad one is found it is repaired before the next is looked for, or every larger group
that contains it would be found too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammainc, gammaincc

from onward.random_streams import Stream

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_MOST = 20  # groups that one search may name


@dataclass(frozen=True)
class Group:
    """A group that the search named.

    Attributes:
        column: what it is a value of.
        value: the value.
        rows: examples of the confirming customers in it.
        observed: their conversions.
        promised: the conversions that probabilities promise, after what holds for everybody and for groups confirmed
            before.
        p_search: of the searching customers, two-sided.
        p_confirm: of the confirming customers, in the direction that was found.
        confirmed: whether the second half bears the first one out.
    """

    column: str
    value: str
    rows: int
    observed: float
    promised: float
    p_search: float
    p_confirm: float
    confirmed: bool

    @property
    def name(self) -> str:
        """How params speak of it: `column=value`."""
        return f"{self.column}={self.value}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {"group": self.name, **vars(self), "ratio": self.promised / self.observed if self.observed else None}


def find_groups(
    label: Floats,
    probability: Floats,
    customer: npt.NDArray[np.int64],
    slices: Mapping[str, npt.NDArray[Any]],
    *,
    share: float = 0.05,
    smallest: float = 5.0,
    seed: int = 0,
) -> list[Group]:
    """Name the groups in which probabilities are wrong, worst first, and say which of them are confirmed.

    While any group's p value passes Benjamini and Hochberg's rule (JRSS B 1995) at `share`, the one with the smallest
    is named and repaired. The named ones face Holm's rule (1979) at the same level on the other customers.

    Args:
        label: [n] in [0, 1].
        probability: [n] in (0, 1).
        customer: [n]; a customer is on one side only.
        slices: columns [n] of values to group by.
        share: false finds that are tolerated, as a share.
        smallest: groups that promise fewer conversions than this on either side are left alone.
        seed: of the halves.
    """
    first = _first_half(customer, seed)
    names, members = _memberships(slices)
    searching, confirming = (_Side.of(label, probability, customer, rows) for rows in (first, ~first))
    inside = [(np.flatnonzero(rows[first]), np.flatnonzero(rows[~first])) for rows in members]
    large = [
        i
        for i, sides in enumerate(inside)
        if all(side.promised[rows].sum() >= smallest for side, rows in zip((searching, confirming), sides, strict=True))
    ]
    named: list[tuple[int, float, bool]] = []
    while large and len(named) < _MOST:
        p_values = np.array([searching.p_value(inside[i][0]) for i in large])
        if not (np.sort(p_values) <= share * np.arange(1, len(p_values) + 1) / len(p_values)).any():
            break
        place = int(np.argmin(p_values))
        group = large.pop(place)
        rows = inside[group][0]
        named.append((group, float(p_values[place]), searching.too_low(rows)))
        searching = searching.repaired(rows)
    return _confirm(named, names, [sides[1] for sides in inside], confirming, share)


def _confirm(
    named: Sequence[tuple[int, float, bool]],
    names: Sequence[tuple[str, str]],
    inside: Sequence[npt.NDArray[np.int64]],
    side: "_Side",
    share: float,
) -> list[Group]:
    # p values do not depend on the verdicts of others except through repairs, which follow the order of the search.
    tested = []
    for group, p_search, too_low in named:
        rows = inside[group]
        tested.append((group, p_search, side.p_value(rows, too_low=too_low), side))
        side = side.repaired(rows)
    order = np.argsort([p for _, _, p, _ in tested], kind="stable")
    passed = np.zeros(len(tested), np.bool_)
    for rank, place in enumerate(order):
        if tested[place][2] > share / (len(tested) - rank):
            break
        passed[place] = True
    return [
        Group(
            column=names[group][0],
            value=names[group][1],
            rows=len(inside[group]),
            observed=float(seen.label[inside[group]].sum()),
            promised=float(seen.promised[inside[group]].sum()),
            p_search=p_search,
            p_confirm=p_confirm,
            confirmed=bool(verdict),
        )
        for (group, p_search, p_confirm, seen), verdict in zip(tested, passed, strict=True)
    ]


@dataclass(frozen=True)
class _Side:
    """One half of the customers: [n] labels, conversions promised and dense customer codes."""

    label: Floats
    promised: Floats
    customer: npt.NDArray[np.int64]

    @classmethod
    def of(cls, label: Floats, probability: Floats, customer: npt.NDArray[np.int64], rows: Bools) -> "_Side":
        observed, promised = label[rows].astype(np.float64), probability[rows].astype(np.float64)
        _, code = np.unique(customer[rows], return_inverse=True)
        # What is wrong for everybody is a matter of calibration, not of groups.
        return cls(observed, promised * (observed.sum() / max(promised.sum(), 1e-12)), code.astype(np.int64))

    def too_low(self, rows: npt.NDArray[np.int64]) -> bool:
        return bool(self.label[rows].sum() > self.promised[rows].sum())

    def p_value(self, rows: npt.NDArray[np.int64], *, too_low: bool | None = None) -> float:
        """Chance of conversions as far from those promised: both ways, or only in the direction that is asked.

        Conversions are taken as Poisson counts, in units of how much more they scatter between customers than
        independent ones would: the normal law is too bold in the tails of a few dozen conversions.
        """
        gap = self.label[rows] - self.promised[rows]
        observed, promised = float(self.label[rows].sum()), float(self.promised[rows].sum())
        scatter = np.bincount(self.customer[rows], weights=gap)
        units = max(1.0, float(scatter @ scatter) / max(promised, float(gap @ gap), 1e-12))
        seen, mean = observed / units, promised / units
        upper = float(gammainc(seen, mean)) if seen > 0 else 1.0  # P(count ≥ seen)
        lower = float(gammaincc(seen + 1.0, mean))  # P(count ≤ seen)
        return min(1.0, 2.0 * min(upper, lower)) if too_low is None else upper if too_low else lower

    def repaired(self, rows: npt.NDArray[np.int64]) -> "_Side":
        promised = self.promised.copy()
        promised[rows] *= (self.label[rows].sum() + 0.5) / (promised[rows].sum() + 0.5)
        return _Side(self.label, promised, self.customer)


def _first_half(customer: npt.NDArray[np.int64], seed: int) -> Bools:
    customers, code = np.unique(customer, return_inverse=True)
    order = np.random.default_rng([seed, Stream.GROUP_HALVES]).permutation(len(customers))
    return np.asarray(order[code] < (len(customers) + 1) // 2, dtype=np.bool_)


def _memberships(slices: Mapping[str, npt.NDArray[Any]]) -> tuple[list[tuple[str, str]], list[Bools]]:
    names = []
    members = []
    for column, values in slices.items():
        for value in np.unique(values):
            names.append((column, str(value)))
            members.append(np.asarray(values == value, dtype=np.bool_))
    return names, members
