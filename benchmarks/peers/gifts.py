"""What a customer of UCI Online Retail newly buys after a product: peers on the queries of benchmarks.direction.retail.

A list is what a customer bought, in order of time. At a query peers are told all that the customer bought until that
day, the product of the query last; what was bought in the sixty days before competes nowhere. Peers are tuned on the
earlier period's queries of the customers that pick Onward's settings. Onward reads what was bought longer ago only
through one score of its blend, while peers continue a customer's whole list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from benchmarks.direction import retail
from benchmarks.direction.counted_baselines import Popularity
from benchmarks.direction.shops import FOLLOW_DAYS, Shop, online_retail
from benchmarks.peers.exams import Ask, Exam, Ints, Queries
from benchmarks.peers.published import Control, Published, lead
from benchmarks.peers.sittings import Room
from benchmarks.peers.standings import DOES_NOT_APPLY, NOT_RUN, ONWARD, Line
from onward.metrics.customer_bootstrap import CustomerBootstrap
from onward.metrics.ranking import PairRanks
from onward.ranking.link_ranks import target_ranks
from onward.ranking.method import Method
from onward.ranking.purchase_log import PurchaseLog

NAME = "UCI Online Retail"
PEERS = ("EASE", "BM25 (implicit)", "ALS (implicit)", "SASRec (RecTools)", "LightGCN (PyG)", "BERT4Rec (RecTools)")
NOT_ASKED = {"DirGNN (PyG)": "what is bought on one day has no order, and lists of hundreds no few next items"}
METRICS = ("hr@10", "hr@50", "ndcg@10")
CONTROL = "recent popularity"
ASK = "next"


@dataclass(frozen=True)
class Gifts:
    """The shop, asked in an earlier and a later period."""

    shop: Shop

    @classmethod
    def of(cls, folder: Path) -> "Gifts":
        """Read the data."""
        return cls(online_retail(folder))

    @cached_property
    def asked(self) -> Mapping[str, retail.Asked]:
        """Both moments, as Onward's benchmark draws them."""
        shop = self.shop
        return {
            "validation": retail.ask(shop, shop.learn, shop.test - FOLLOW_DAYS, retail.TAUGHT),
            "test": retail.ask(shop, shop.test, shop.end, retail.TESTED),
        }

    @cached_property
    def exam(self) -> Exam:
        """What peers see."""
        judging = np.flatnonzero(retail.judges(self.asked["validation"].customer))
        moment = self.asked["validation"].moment.subset(judging)
        queries = {
            "validation": self._queries("validation", judging),
            "test": self._queries("test", np.arange(self.asked["test"].moment.queries)),
        }
        ask = Ask("pairs", queries["validation"], moment.pairs, moment.seen, queries["test"])
        customers = int(self.shop.log.customer.max()) + 1
        lists = {moment: lists_of(asked.log, customers) for moment, asked in self.asked.items()}
        return Exam(NAME, self.shop.log.products, lists, {ASK: ask})

    def _queries(self, moment: str, queries: Ints) -> Queries:
        asked, log = self.asked[moment], self.shop.log
        first = np.searchsorted(log.customer, np.arange(log.customer.max() + 2))
        histories = []
        for query in queries:
            mine = slice(first[asked.customer[query]], first[asked.customer[query] + 1])
            source = asked.moment.history[query][-1]
            bought = log.product[mine][log.day[mine] <= asked.day[query]]
            histories.append(np.append(bought[bought != source], source))
        return Queries(histories, asked.customer[queries])

    def judge(self, _ask: str, scores: np.ndarray) -> np.ndarray:
        """[r] rank of every answer, by the code that ranks Onward's."""
        return self.ranks(lambda queries: scores[queries].astype(np.float64)).rank

    def ranks(self, method: Method) -> PairRanks:
        """How high the answers stand, by the customer that asks."""
        asked = self.asked["test"]
        rank = target_ranks(method, asked.moment.pairs, asked.moment.seen)
        return PairRanks(asked.customer[asked.moment.pairs[:, 0]], rank)

    def control(self) -> Control:
        """Recent popularity, picked on the earlier period, against what benchmarks.direction.retail recorded."""
        settings: Sequence[Popularity] = [each for each in retail.IN_TIME[CONTROL] if isinstance(each, Popularity)]
        recorded = Published.of("direction_retail").figure("hr@10", data=NAME, method=CONTROL).value
        nothing = np.zeros(1, dtype=np.int64)
        found = []
        for setting in settings:
            share = np.asarray(setting.fit(self.asked["test"].log)(nothing)[0], dtype=np.float32).astype(np.float64)
            found.append(float(self.ranks(partial(_same_for_all, share)).metrics()["hr@10"].mean()))
        # Which one was picked is not recorded; the figure has to be that of one of them.
        return Control(NAME, CONTROL, recorded, min(found, key=lambda value: abs(value - recorded)))


def _same_for_all(share: np.ndarray, queries: Ints) -> np.ndarray:
    return np.tile(share, (len(queries), 1))


def lists_of(log: PurchaseLog, customers: int) -> Sequence[Ints]:
    """What each customer bought, in order of days; an empty list for one who bought nothing yet."""
    return np.split(log.product, np.searchsorted(log.customer, np.arange(1, customers)))


def lines(data: Gifts, room: Room, seeds: int) -> list[Line]:
    """Onward as it was recorded, and every peer."""
    recorded = Published.of("direction_retail")
    asked = data.asked["test"]
    source = asked.customer[asked.moment.pairs[:, 0]]
    bootstrap = CustomerBootstrap.of(source, retail.SAMPLES, retail.SEED)
    sittings = {peer: room.sit(data.exam, peer, data.judge, seeds) for peer in PEERS}
    found: list[Line] = []
    for metric in METRICS:
        onward = recorded.figure(metric, data=NAME, method="blend")
        found.append(Line(NAME, metric, ONWARD, onward, setting="trees over counts", note=recorded.note))
        for peer, sat in sittings.items():
            if sat is None:
                found.append(Line(NAME, metric, peer, None, note=NOT_RUN))
                continue
            value = sat.figure(ASK, metric, source, bootstrap)
            made = len(sat.judged[ASK])
            found.append(Line(NAME, metric, peer, value, lead(onward, value), sat.setting(ASK), made, sat.note))
        for peer, why in NOT_ASKED.items():
            found.append(Line(NAME, metric, peer, None, note=f"{DOES_NOT_APPLY}: {why}"))
    return found
