"""What the lists in use were worth, week by week, by what customers bought in that week and after it.

The figures are those of the backtest and of the gate, by the same code: lift and hit rate at ten of *goes with* against
other types of the same order, and of *after* against what was newly bought later (evaluation/related_quality.py). Each
purchase asks for the lists of the version that was in use on its day, which knew nothing of that day. P(v) and the
candidates are those at the beginning of the week, so a week that is over keeps its figures whoever looks, and when.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.evaluation.listing import NOTHING
from onward.evaluation.related_backtest import among
from onward.evaluation.related_log import RelatedLog, log_of_lines, type_numbers
from onward.evaluation.related_quality import Outcome, intervals_of, judge_lists, variety
from onward.evaluation.related_queries import RELATIONS, Answers, Relation, related_queries
from onward.metrics.customer_bootstrap import CustomerBootstrap, Floats, error_of_sum
from onward.metrics.intervals import Interval
from onward.ranking.list_names import AFTER, GOES_WITH
from onward.ranking.purchase_log import Bools, Ints

COUNT = 10
"""Lists are judged by their first ten, as at the gate."""
DAYS = 7
JUDGED: Mapping[Relation, str] = {"basket": GOES_WITH, "later": AFTER}
"""The list that each relation's answers are held against, as at the gate."""

Lists = Mapping[str, Ints]
"""[P, COUNT] product numbers by name of list, best first, `NOTHING` where a list is shorter."""


@dataclass(frozen=True)
class Purchases:
    """A shop's purchases up to a look's as_of, over all P products that were ever bought.

    Attributes:
        log: its lines.
        types: [P] type of each product.
    """

    log: RelatedLog
    types: Ints

    @classmethod
    def of(cls, lines: pd.DataFrame, category: pd.Series, fresh_days: int) -> "Purchases":
        """Sort the lines.

        Args:
            lines: customer, order, product (0..P-1) and purchased_at; nothing at or after as_of.
            category: [P] path of each product.
            fresh_days: a purchase is new when the customer had none of the product for so long.
        """
        count = len(category)
        return cls(log_of_lines(lines, np.arange(count), count, fresh_days), type_numbers(category))

    @cached_property
    def _first_bought(self) -> tuple[Ints, Ints]:
        """Product and day of each customer's first purchase of it."""
        bought = self.log.purchases
        # By customer and day, so the first row of a pair is the earliest.
        _, first = np.unique(bought.customer * self.log.products + bought.product, return_index=True)
        return bought.product[first], bought.day[first]

    def candidates(self, day: int, min_customers: int) -> Ints:
        """[C] products, ascending, that at least so many customers had bought when a day began."""
        product, first_day = self._first_bought
        known = np.bincount(product[first_day < day], minlength=self.log.products)
        return np.flatnonzero(known >= min_customers)

    def between(self, start: int, end: int, products: Ints) -> RelatedLog:
        """The lines of some products on the days [start, end); what was new stays new."""
        among_them = np.zeros(self.log.products, dtype=np.bool_)
        among_them[products] = True

        def inside(day: Ints, product: Ints) -> Bools:
            return (day >= start) & (day < end) & among_them[product]

        log, bought = self.log, self.log.purchases
        lines = inside(log.day, log.product)
        return RelatedLog(
            log.customer[lines], log.order[lines], log.product[lines], log.day[lines],
            bought.where(inside(bought.day, bought.product)),
        )  # fmt: skip

    def chance(self, day: int, candidates: Ints) -> dict[Relation, Floats]:
        """[C] P(v) by relation, of purchases before a day."""
        log, bought = self.log, self.log.purchases
        new = bought.fresh & (bought.day < day)
        return {
            "basket": _share(log.product[log.day < day], self.log.products, candidates),
            "later": _share(bought.product[new], self.log.products, candidates),
        }


@dataclass(frozen=True)
class ListWeek:
    """What one list was worth in one week.

    Attributes:
        start: its first day, since 1970-01-01.
        name: of the list.
        version: in use on the week's last day.
        queries: purchases that asked.
        listed: share of them whose product has such a list.
        listed_when_made: the same of the purchases of the week before the version was made.
        coverage: share of the candidates that their lists name.
        hits: relevant products among the first ten.
        expected: hits that chance would have had.
        error: of the lift's logarithm, by customers.
        lift: hits over expected, with its interval over customers.
        hit_rate: share of the queries with an answer that were hit, likewise.
    """

    start: int
    name: str
    version: int
    queries: int
    listed: float
    listed_when_made: float
    coverage: float
    hits: float
    expected: float
    error: float
    lift: Interval
    hit_rate: Interval


@dataclass(frozen=True)
class Asking:
    """How much is asked, as at the gate.

    Attributes:
        min_customers: that make a product a candidate.
        follow_days: how long after a purchase a new one is an answer.
        limit: most queries of a week.
        samples: resamples of customers.
        seed: of queries and resamples.
    """

    min_customers: int
    follow_days: int
    limit: int
    samples: int
    seed: int


def closed_weeks(versions: Mapping[int, int], as_of: int) -> list[int]:
    """First days of the weeks, Monday to Sunday, that were over before as_of and of which each day is in the log.

    Args:
        versions: version in use by day, since 1970-01-01.
        as_of: the first day that is not known.

    >>> closed_weeks(dict.fromkeys(range(17487, 17500), 1), 17500)  # Friday 2017-11-17 to Wednesday
    [17490]
    """
    first_thursday = 3  # 1970-01-01 was one, so Mondays are 4 days later, modulo 7
    mondays = {day - (day + first_thursday) % DAYS for day in versions}
    return sorted(
        monday
        for monday in mondays
        if monday + DAYS <= as_of and all(day in versions for day in range(monday, monday + DAYS))
    )


def judge_week(
    purchases: Purchases,
    start: int,
    versions: Mapping[int, int],
    lists: Mapping[int, Lists],
    made: Mapping[int, int],
    asking: Asking,
    as_of: int,
) -> list[ListWeek]:
    """Judge the lists that were in use in a week; a list whose answers are not all known yet is left out.

    Args:
        purchases: up to as_of.
        start: first day of the week, since 1970-01-01.
        versions: version in use by day.
        lists: of each of these versions.
        made: day on which each was made, since 1970-01-01: the first that it does not know.
        asking: how much is asked.
        as_of: the first day that is not known.
    """
    end = start + DAYS
    # The last day's answers come until `follow_days` later; before that, nothing is asked of what came later.
    closed = end + asking.follow_days <= as_of
    follow_days = asking.follow_days if closed else 0
    known = [relation for relation in RELATIONS if closed or relation == "basket"]
    candidates = purchases.candidates(start, asking.min_customers)
    log = purchases.between(start, end + follow_days, candidates)
    customers = np.unique(log.customer)
    queries = related_queries(log, customers, start, end, follow_days, asking.limit, asking.seed)
    if not len(queries.source):
        return []
    strict = queries.of_other_types(purchases.types)
    answers: dict[Relation, Answers] = {"basket": strict.answers["basket"], "later": queries.answers["later"]}
    chance = purchases.chance(start, candidates)
    number = np.full(purchases.log.products, NOTHING, dtype=np.int64)
    number[candidates] = np.arange(len(candidates))
    day = log.day[np.searchsorted(log.order, queries.order)]
    named = {relation: _asked(queries.source, day, versions, lists, JUDGED[relation]) for relation in known}
    inside = {relation: among(rows, candidates, purchases.log.products) for relation, rows in named.items()}
    outcomes = {
        relation: judge_lists(
            rows, Answers(answers[relation].query, number[answers[relation].product]), chance[relation], COUNT
        )
        for relation, rows in inside.items()
    }
    last = versions[end - 1]
    before = {
        relation: listed_share(purchases, made[last] - DAYS, lists[last][JUDGED[relation]], asking)
        for relation in known
    }
    bootstrap = CustomerBootstrap.of(queries.customer, asking.samples, asking.seed)
    told = intervals_of(list(outcomes.values()), bootstrap)
    return [
        ListWeek(
            start=start,
            name=JUDGED[relation],
            version=last,
            queries=len(queries.source),
            listed=float((named[relation] != NOTHING).any(axis=1).mean()),
            listed_when_made=before[relation],
            coverage=float(variety(inside[relation], chance[relation], COUNT)["coverage"] or 0.0),
            hits=float(outcome.hits.sum()),
            expected=float(outcome.expected.sum()),
            error=_error(queries.customer, outcome),
            lift=intervals["lift"],
            hit_rate=intervals["hr"],
        )
        for (relation, outcome), intervals in zip(outcomes.items(), told, strict=True)
    ]


def listed_share(purchases: Purchases, start: int, lists: Ints, asking: Asking) -> float:
    """Share of the purchases of a week, of candidates, whose product has a list [P, COUNT]; 0 without purchases."""
    bought = purchases.between(start, start + DAYS, purchases.candidates(start, asking.min_customers)).product
    return float((lists[bought] != NOTHING).any(axis=1).mean()) if len(bought) else 0.0


def latest(weeks: Sequence[ListWeek], name: str) -> ListWeek | None:
    """The last week of a list; None without one."""
    return next((week for week in reversed(weeks) if week.name == name), None)


def _share(product: Ints, products: int, candidates: Ints) -> Floats:
    count = np.bincount(product, minlength=products)[candidates]
    return np.asarray(count / max(1, count.sum()), dtype=np.float64)


def _asked(source: Ints, day: Ints, versions: Mapping[int, int], lists: Mapping[int, Lists], name: str) -> Ints:
    """[q, COUNT] the list of each query's source, of the version in use on its day."""
    named = np.full((len(day), COUNT), NOTHING, dtype=np.int64)
    for each in np.unique(day):
        rows = day == each
        named[rows] = lists[versions[int(each)]][name][source[rows]]
    return named


def _error(customer: npt.NDArray[np.int64], outcome: Outcome) -> float:
    """Standard error of log lift: that of customers, and never less than that of so many hits."""
    hits, expected = float(outcome.hits.sum()), float(outcome.expected.sum())
    least = 1.0 / np.sqrt(hits + 0.5)
    if hits <= 0 or expected <= 0:
        return float(least)
    return max(float(least), error_of_sum(customer, outcome.hits - hits / expected * outcome.expected) / hits)
