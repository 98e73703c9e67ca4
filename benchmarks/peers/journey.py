"""Related products of Complete Journey at three clocks: peers on the queries and candidates of benchmarks.related.

A list to learn from is an order, a query one product of an order. Relevant is what else was in the order, and apart from
that what its household newly bought within thirty days. Two figures: the hit rate, for which Onward lists the most
probable and peers are picked by hits; and the lift, for which Onward lists the most related and peers are picked by lift.
Selection households pick, test households judge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.peers.exams import Ask, Exam, Ints, Measure, Queries, seen_before
from benchmarks.peers.published import Control, Published, lead
from benchmarks.peers.sittings import Room, Sitting
from benchmarks.peers.standings import DOES_NOT_APPLY, NOT_RUN, ONWARD, Line
from benchmarks.related.clocks import CLOCKS, SAMPLES, Asked, ClockData
from benchmarks.related.counted import Cosine
from benchmarks.related.pooling import Pool
from onward.evaluation.listing import best_first
from onward.evaluation.related_quality import Outcome, columns_of, judge_lists
from onward.evaluation.related_queries import Relation
from onward.metrics.intervals import Interval
from onward.ranking.method import Method

NAME = "Complete Journey"
PEERS = ("EASE", "BM25 (implicit)", "ALS (implicit)", "LightGCN (PyG)")
NOT_ASKED = {
    "DirGNN (PyG)": "products of one order have no direction",
    "SASRec (RecTools)": "a query is one product without a history",
    "BERT4Rec (RecTools)": "a query is one product without a history",
}
RELEVANT: dict[Relation, str] = {"basket": "same basket", "later": "newly later"}
SEED = 20171120
COUNT = 10
CONTROL_POWER = 0.5


@dataclass(frozen=True)
class Question:
    """A figure: which answers, which measure, and which of Onward's orders stands for it."""

    relation: Relation
    measure: Measure
    metric: str
    weight: str

    @property
    def name(self) -> str:
        """In the exam."""
        return f"{self.relation} {self.metric}"

    @property
    def title(self) -> str:
        """In the table."""
        return f"{self.metric}@{COUNT}, {RELEVANT[self.relation]}"


QUESTIONS = tuple(
    Question(relation, measure, metric, weight)
    for measure, metric, weight in (("any", "hr", "w = 1"), ("lift", "lift", "w = 0"))
    for relation in RELEVANT
)


@dataclass(frozen=True)
class Clock:
    """What is asked at one clock."""

    day: str
    select: Asked
    judge: Asked

    @classmethod
    def of(cls, day: str) -> "Clock":
        """Run the pipeline's ingest, if that was not done, and draw the queries as benchmarks.related does."""
        data = ClockData.of(day)
        return cls(day, Asked.to_select(data, SEED), Asked.to_judge(data, SEED))

    @cached_property
    def exam(self) -> Exam:
        """What peers see."""
        size = self.judge.past.products
        queries = {
            moment: Queries.of_nobody([np.array([source]) for source in asked.plain.queries.source])
            for moment, asked in (("validation", self.select), ("test", self.judge))
        }
        excluded = seen_before(queries["validation"].histories, size)
        asks = {}
        for question in QUESTIONS:
            answers = self.select.plain.queries.answers[question.relation]
            pairs = np.stack([answers.query, answers.product], axis=1)
            chance = self.select.plain.chance[question.relation]
            asks[question.name] = Ask(
                question.measure, queries["validation"], pairs, excluded, queries["test"], chance=chance
            )
        lists = {"validation": _orders(self.select), "test": _orders(self.judge)}
        return Exam(f"{NAME} {self.day}", size, lists, asks)

    def judged(self, ask: str, scores: np.ndarray) -> np.ndarray:
        """[q, 6] columns of the outcome, by the code that judges Onward; ask names the relation first."""
        source = self.judge.plain.queries.source
        distinct, first = np.unique(source, return_index=True)

        def method(sources: Ints) -> np.ndarray:
            return scores[first[np.searchsorted(distinct, sources)]].astype(np.float64)

        return columns_of(self.outcome(method, "basket" if ask.startswith("basket") else "later"))

    def outcome(self, method: Method, relation: Relation) -> Outcome:
        """What the first ten of a method are worth."""
        lists = self.judge.by_query(best_first(method, self.judge.past.products, COUNT)(self.judge.sources))
        asked = self.judge.plain
        return judge_lists(lists, asked.queries.answers[relation], asked.chance[relation], COUNT)


def _orders(asked: Asked) -> Sequence[Ints]:
    past = asked.past
    order = np.argsort(past.order, kind="stable")
    _, first = np.unique(past.order[order], return_index=True)
    return np.split(past.product[order].astype(np.int64), first[1:])


def _outcome(columns: np.ndarray) -> Outcome:
    answered, hr, ndcg, mrr, hits, expected = columns.T
    return Outcome(answered, hits, expected, hr, ndcg, mrr)


def controls(clocks: Sequence[Clock]) -> list[Control]:
    """Cosine of orders with a fixed power, fitted and judged here, against what benchmarks.related recorded."""
    recorded, found = Published.of("related"), []
    for relation, relevant in RELEVANT.items():
        outcomes = [clock.outcome(Cosine(CONTROL_POWER).fit(clock.judge.past), relation) for clock in clocks]
        here = float(np.mean([each.hr.sum() / each.answered.sum() for each in outcomes]))
        value = recorded.figure(
            f"hr@{COUNT}", relevant=relevant, clock="mean", method="cosine", setting=f"power {CONTROL_POWER}"
        ).value
        found.append(Control(f"{NAME}, {relevant}", "cosine", value, here))
    return found


def lines(clocks: Sequence[Clock], room: Room, seeds: int) -> list[Line]:
    """Onward as it was recorded, and every peer: means of the clocks."""
    recorded = Published.of("related")
    pool = Pool.of([clock.judge.household for clock in clocks], SAMPLES, SEED)
    sittings = {peer: [room.sit(clock.exam, peer, clock.judged, seeds) for clock in clocks] for peer in PEERS}
    found: list[Line] = []
    for question in QUESTIONS:
        onward = recorded.figure(
            f"{question.metric}@{COUNT}", relevant=RELEVANT[question.relation], clock="mean", method=ONWARD,
            setting=question.weight,
        )  # fmt: skip
        found.append(Line(NAME, question.title, ONWARD, onward, setting=question.weight, note=recorded.note))
        for peer, sat in sittings.items():
            found.append(_line(pool, question, peer, sat, onward))
        for peer, why in NOT_ASKED.items():
            found.append(Line(NAME, question.title, peer, None, note=f"{DOES_NOT_APPLY}: {why}"))
    return found


def _line(
    pool: Pool, question: Question, peer: str, sat: Sequence[Sitting | None], onward: Interval
) -> Line:
    done = [each for each in sat if each is not None]
    if len(done) < pool.clocks:
        return Line(NAME, question.title, peer, None, note=NOT_RUN)
    outcomes = [_outcome(each.judged[question.name].mean(axis=0)) for each in done]
    value = pool.sums(outcomes).interval(question.metric, None)
    settings = " | ".join(dict.fromkeys(each.setting(question.name) for each in done))
    seeds = len(done[0].judged[question.name])
    return Line(NAME, question.title, peer, value, lead(onward, value), settings, seeds, done[0].note)
