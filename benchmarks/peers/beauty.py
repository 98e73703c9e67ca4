"""What is bought next on Amazon Beauty: peers on the customers, histories and candidates of Onward's own benchmark.

The protocol is that of benchmarks.direction.sequences, asked by the previous item alone and by the whole history:
statistics count items before the last two only, 9,000 random customers are asked for their last item, seen items are
left out, ties take their mean rank. Peers are tuned one item earlier, by the customers that pick Onward's settings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.direction.datasets import Sequences, beauty
from benchmarks.peers.exams import Ask, Exam, Ints, Queries
from benchmarks.peers.models.exam_paper import presence
from benchmarks.peers.published import Control, Published, lead
from benchmarks.peers.sittings import Room
from benchmarks.peers.standings import NOT_RUN, ONWARD, Line
from onward.metrics.customer_bootstrap import CustomerBootstrap
from onward.ranking.link_ranks import rank_links, target_ranks
from onward.ranking.sequence_blend import GRIDS, JUDGES, TrainingMoment, draw_customers, pick
from onward.ranking.sequence_moments import HISTORY, METHOD_BY_QUERY, PREVIOUS_ITEM, Chains, QueryMoment

NAME = "Amazon Beauty"
PEERS = (
    "EASE", "BM25 (implicit)", "ALS (implicit)", "SASRec (RecTools)", "LightGCN (PyG)", "BERT4Rec (RecTools)",
    "DirGNN (PyG)",
)  # fmt: skip
METRICS = ("hr@10", "hr@50", "ndcg@10")
ASKS = {"previous": PREVIOUS_ITEM, "history": HISTORY}
CONTROL = "window counts"
SEED = 5
TESTED, LEARNERS = 9000, 14000
"""Customers asked in the test, and those that Onward's blend learns from; the first of these tune peers."""
SAMPLES = 500


@dataclass(frozen=True)
class Beauty:
    """The data under the strict protocol."""

    sequences: Sequences

    @classmethod
    def of(cls, folder: Path) -> "Beauty":
        """Read the data."""
        return cls(beauty(folder))

    @cached_property
    def customers(self) -> Mapping[str, Ints]:
        """Who is asked at which moment."""
        users = self.sequences.users
        return {
            "validation": draw_customers(users, 2, LEARNERS, SEED + 1)[:JUDGES],
            "test": draw_customers(users, 2, TESTED, SEED),
        }

    @cached_property
    def exam(self) -> Exam:
        """What peers see."""
        validation, test = (self._queries(moment) for moment in ("validation", "test"))
        users = self.sequences.users
        answers = self._answers("validation")
        excluded = presence(validation["history"].histories, self.sequences.items)
        asks = {name: Ask("pairs", validation[name], answers, excluded, test[name]) for name in ASKS}
        known = {moment: [user[: -back - 1] for user in users] for moment, back in (("validation", 2), ("test", 1))}
        return Exam(NAME, self.sequences.items, known, asks)

    def _queries(self, moment: str) -> dict[str, Queries]:
        back = 2 if moment == "validation" else 1
        histories = [self.sequences.users[customer][:-back] for customer in self.customers[moment]]
        return {
            "history": Queries(histories, self.customers[moment]),
            "previous": Queries.of_nobody([history[-1:] for history in histories]),
        }

    def _answers(self, moment: str) -> Ints:
        back = 2 if moment == "validation" else 1
        asked = [self.sequences.users[customer] for customer in self.customers[moment]]
        return np.array([(query, user[-back]) for query, user in enumerate(asked)], dtype=np.int64)

    @cached_property
    def answers(self) -> Ints:
        """[r, 2] test query and the item it asks for."""
        return self._answers("test")

    def judge(self, _ask: str, scores: np.ndarray) -> np.ndarray:
        """[r] rank of every answer, by the code that ranks Onward's."""
        seen = presence(self._queries("test")["history"].histories, self.sequences.items)
        return target_ranks(lambda queries: scores[queries].astype(np.float64), self.answers, seen)

    def controls(self) -> list[Control]:
        """Window counts fitted, picked and ranked here, against what benchmarks.direction.sequences recorded."""
        users, items = self.sequences.users, self.sequences.items
        learners = draw_customers(users, 2, LEARNERS, SEED + 1)
        learning, test = (
            QueryMoment.of(users, items, customers, None, back)
            for customers, back in ((learners, 2), (self.customers["test"], 1))
        )
        lesson, now = TrainingMoment.of(learning, _counted(learning)), _counted(test)
        recorded, found = Published.of("direction_sequences"), []
        for query in ASKS.values():
            method = METHOD_BY_QUERY[query](now[CONTROL][pick(query, lesson)[CONTROL]], test)
            here = rank_links(method, self.answers, test.seen).metrics()["hr@10"].mean()
            value = recorded.figure("hr@10", query=query, method=CONTROL).value
            found.append(Control(f"{NAME}, {query}", CONTROL, value, float(here)))
        return found


def _counted(moment: QueryMoment) -> Chains:
    return {CONTROL: tuple(score.fit(moment.graphs[kind]) for kind, score in GRIDS[CONTROL])}


def lines(data: Beauty, room: Room, seeds: int) -> list[Line]:
    """Onward as it was recorded, and every peer."""
    recorded = Published.of("direction_sequences")
    bootstrap = CustomerBootstrap.of(data.answers[:, 0], SAMPLES, SEED)
    sittings = {peer: room.sit(data.exam, peer, data.judge, seeds) for peer in PEERS}
    found: list[Line] = []
    for ask, query in ASKS.items():
        for metric in METRICS:
            title = f"{metric}, {query}"
            onward = recorded.figure(metric, query=query, method="blend")
            found.append(Line(NAME, title, ONWARD, onward, setting="trees over counts", note=recorded.note))
            for peer, sat in sittings.items():
                if sat is None:
                    found.append(Line(NAME, title, peer, None, note=NOT_RUN))
                    continue
                value = sat.figure(ask, metric, data.answers[:, 0], bootstrap)
                own = len(sat.judged[ask])
                found.append(Line(NAME, title, peer, value, lead(onward, value), sat.setting(ask), own, sat.note))
    return found
