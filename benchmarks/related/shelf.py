"""Products that nobody has bought yet: which are hidden at a clock, and the queries that judge lists of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from benchmarks.related.clocks import Asked, ClockData
from benchmarks.related.entries import COUNT
from onward.evaluation.listing import NOTHING, Lister
from onward.evaluation.related_log import RelatedLog
from onward.evaluation.related_quality import Outcome, judge_lists, list_once
from onward.evaluation.related_queries import RELATIONS, Answers, Relation
from onward.metrics.customer_bootstrap import Floats
from onward.ranking.method import Method
from onward.ranking.purchase_log import Bools, Ints

Task = Literal["targets", "sources"]
TASKS: Mapping[Task, str] = {
    "targets": "new ones, after a known one", "sources": "known ones, after a new one",
}  # fmt: skip


def hidden_twice(candidates: int, share: float, seed: int, draw: int = 0) -> tuple[Bools, Bools]:
    """[C] candidates hidden from the model, and [C] others hidden from who picks settings; other ones at each draw."""
    drawn = np.random.default_rng([seed, 0xC01D, draw]).permutation(candidates)
    count = round(share * candidates)
    judged, picking = np.zeros((2, candidates), dtype=np.bool_)
    judged[drawn[:count]] = True
    picking[drawn[count : 2 * count]] = True
    return judged, picking


def bought_apart_from(log: RelatedLog, hidden: Bools) -> RelatedLog:
    """The log as if nobody had bought the hidden candidates [C]."""
    kept, purchases = ~hidden[log.product], log.purchases
    return RelatedLog(
        log.customer[kept], log.order[kept], log.product[kept], log.day[kept],
        purchases.where(~hidden[purchases.product]),
    )  # fmt: skip


def known_apart_from(data: ClockData, hidden: Bools) -> ClockData:
    """A clock whose model knows no purchase of the hidden candidates [C], but their rows of the catalogue."""
    bought = np.isin(data.known["product"].to_numpy(np.int64), data.candidates[hidden])
    return replace(data, known=data.known[~bought].reset_index(drop=True))


@dataclass(frozen=True)
class Shelf:
    """New and known candidates at one time, and the queries that judge how they are found.

    Attributes:
        asked: queries, whose answers hold new candidates too.
        past: what may be counted: no purchase of a new candidate.
        new: [C] that nobody has bought, as far as is known.
        known: [C] that count, are asked about and are listed beside new ones.
    """

    asked: Asked
    past: RelatedLog
    new: Bools
    known: Bools

    @classmethod
    def to_judge(cls, data: ClockData, hidden: Bools, seed: int) -> "Shelf":
        """Queries of test customers after the clock."""
        asked = Asked.to_judge(data, seed)
        return cls(asked, bought_apart_from(asked.past, hidden), hidden, ~hidden)

    @classmethod
    def to_select(cls, data: ClockData, hidden: Bools, picking: Bools, seed: int) -> "Shelf":
        """Queries of selection customers before the clock, about other new candidates; `hidden` ones do not exist."""
        before = bought_apart_from(data.log.before(data.windows.clock), hidden)
        asked = Asked.of(data, before, data.selection, data.windows.earlier(), seed)
        return cls(asked, bought_apart_from(asked.past, picking), picking, ~hidden & ~picking)

    @property
    def orders(self) -> Ints:
        """[C] past orders with each."""
        return np.bincount(self.past.product, minlength=self.past.products).astype(np.int64)

    def listed(self, task: Task) -> Bools:
        """[C] what the lists of a task hold."""
        return self.new if task == "targets" else self.known

    def answers(self, task: Task, relation: Relation) -> Answers:
        """What is relevant in a task: new products of queries about known ones, or the reverse."""
        queries = self.asked.plain.queries
        answers, asking = queries.answers[relation], self.known if task == "targets" else self.new
        return answers.where(self.listed(task)[answers.product] & asking[queries.source[answers.query]])

    def lists(self, lister: Lister, task: Task) -> Ints:
        """[q, COUNT] lists of the queries that a task asks; empty ones for the others."""
        queries = self.asked.plain.queries
        found = np.full((len(queries.source), COUNT), NOTHING, dtype=np.int64)
        rows = np.unique(np.concatenate([self.answers(task, relation).query for relation in RELATIONS]))
        found[rows] = list_once(lister, queries.source[rows])
        return found

    def outcome(self, lists: Ints, task: Task, relation: Relation) -> Outcome:
        """What the first ten of each query's list were worth; chance is P(v) among what is listed."""
        chance = np.where(self.listed(task), self.asked.plain.chance[relation], 0.0)
        return judge_lists(lists, self.answers(task, relation), chance / max(chance.sum(), 1e-300), COUNT)


def only(method: Method, allowed: Bools) -> Method:
    """The same scores, with -inf for candidates [C] that are not allowed."""

    def scores(sources: Ints) -> Floats:
        return np.where(allowed, method(sources), -np.inf)

    return scores


def hit_rate(outcome: Outcome) -> float:
    """HR over the queries that have answers; 0 where there are none."""
    return float(outcome.hr.sum() / max(1.0, outcome.answered.sum()))
