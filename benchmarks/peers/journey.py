"""Related products of Complete Journey at three clocks: peers on the queries and candidates of benchmarks.related.

That benchmark fits EASE, and BM25 and ALS of `implicit`, itself, tunes them by selection households and judges them as
it judges Onward: their rows are taken from there. LightGCN sits an exam. A list to learn from is an order, a query one
product of an order; relevant is what else was in the order, and apart from that what its household newly bought within
thirty days. Onward lists the most probable, since peers are tuned for hits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.peers.exams import Ask, Exam, Ints, Queries
from benchmarks.peers.models.exam_paper import presence
from benchmarks.peers.published import Published, lead
from benchmarks.peers.sittings import Room
from benchmarks.peers.standings import DOES_NOT_APPLY, NOT_RUN, ONWARD, Line
from benchmarks.related.clocks import CLOCKS, SAMPLES, Asked, ClockData
from benchmarks.related.pooling import Pool
from onward.evaluation.listing import best_first
from onward.evaluation.related_quality import Outcome, columns_of, judge_lists
from onward.evaluation.related_queries import Relation
from onward.metrics.intervals import Interval
from onward.ranking.method import Method

NAME = "Complete Journey"
RECORDED = ("EASE", "BM25 (implicit)", "ALS (implicit)")
SITS = "LightGCN (PyG)"
NOT_ASKED = {
    "DirGNN (PyG)": "products of one order have no direction",
    "SASRec (RecTools)": "a query is one product without a history",
    "BERT4Rec (RecTools)": "a query is one product without a history",
}
RELEVANT: dict[Relation, str] = {"basket": "same basket", "later": "newly later"}
METRIC = "hr@10"
MOST_PROBABLE = "w = 1"
SEED = 20171120
COUNT = 10


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
        """What a peer sees."""
        size = self.judge.past.products
        queries = {
            moment: Queries.of_nobody([np.array([source]) for source in asked.plain.queries.source])
            for moment, asked in (("validation", self.select), ("test", self.judge))
        }
        excluded = presence(queries["validation"].histories, size)
        asks: dict[str, Ask] = {}
        for relation in RELEVANT:
            answers = self.select.plain.queries.answers[relation]
            pairs = np.stack([answers.query, answers.product], axis=1)
            asks[relation] = Ask("any", queries["validation"], pairs, excluded, queries["test"])
        lists = {"validation": _orders(self.select), "test": _orders(self.judge)}
        return Exam(f"{NAME} {self.day}", size, lists, asks)

    def judged(self, ask: str, scores: np.ndarray) -> np.ndarray:
        """[q, 6] columns of the outcome, by the code that judges Onward."""
        source = self.judge.plain.queries.source
        distinct, first = np.unique(source, return_index=True)

        def method(sources: Ints) -> np.ndarray:
            return scores[first[np.searchsorted(distinct, sources)]].astype(np.float64)

        return columns_of(self.outcome(method, "basket" if ask == "basket" else "later"))

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


def outcome_of(columns: np.ndarray) -> Outcome:
    """The outcome that `columns_of` made these of."""
    answered, hr, ndcg, mrr, hits, expected = columns.T
    return Outcome(answered, hits, expected, hr, ndcg, mrr)


def lines(room: Room, seeds: int) -> list[Line]:
    """Onward and three peers as they were recorded, and LightGCN: means of the clocks."""
    recorded = Published.of("related")
    sat = _light_gcn(room, seeds)
    found: list[Line] = []
    for relation, relevant in RELEVANT.items():
        title = f"{METRIC}, {relevant}"
        where = {"relevant": relevant, "clock": "mean"}
        onward = recorded.figure(METRIC, **where, method=ONWARD, setting=MOST_PROBABLE)
        found.append(Line(NAME, title, ONWARD, onward, setting=MOST_PROBABLE, note=recorded.note))
        for peer in RECORDED:
            # The first row of a method is the one that selection households picked.
            value, setting = (
                recorded.figure(METRIC, **where, method=peer),
                recorded.row(**where, method=peer)["setting"],
            )
            found.append(Line(NAME, title, peer, value, lead(onward, value), setting, note=recorded.note))
        if sat is None:
            found.append(Line(NAME, title, SITS, None, note=NOT_RUN))
        else:
            value = sat.interval(relation)
            setting = " | ".join(dict.fromkeys(sat.settings[relation]))
            found.append(Line(NAME, title, SITS, value, lead(onward, value), setting, seeds, sat.note))
        for peer, why in NOT_ASKED.items():
            found.append(Line(NAME, title, peer, None, note=f"{DOES_NOT_APPLY}: {why}"))
    return found


@dataclass(frozen=True)
class Clocks:
    """LightGCN at every clock: outcomes and settings by relation."""

    pool: Pool
    outcomes: dict[Relation, list[Outcome]]
    settings: dict[Relation, list[str]]
    note: str

    def interval(self, relation: Relation) -> Interval:
        """Mean of the clocks' hit rates."""
        return self.pool.sums(self.outcomes[relation]).interval("hr", None)


def _light_gcn(room: Room, seeds: int) -> Clocks | None:
    if room.finished and not list(room.store.glob(f"{NAME} *")):
        return None  # Nothing was judged, so that nothing need be ingested.
    clocks = [Clock.of(day) for day in CLOCKS]
    sat = [found for clock in clocks if (found := room.sit(clock.exam, SITS, clock.judged, seeds)) is not None]
    if len(sat) < len(clocks):
        return None
    pool = Pool.of([clock.judge.household for clock in clocks], SAMPLES, SEED)
    outcomes = {relation: [outcome_of(each.judged[relation].mean(axis=0)) for each in sat] for relation in RELEVANT}
    return Clocks(pool, outcomes, {name: [each.setting(name) for each in sat] for name in RELEVANT}, sat[0].note)
