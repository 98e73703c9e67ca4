"""What a customer of a real shop newly buys after a product: counts against their blend.

Two shops in time: every statistic ends where the queries begin. A query is a product that a customer bought on a day;
wanted is what the same customer newly buys in the 30 days after. What the customer bought in the 60 days before can not
be new and competes nowhere; what the customer bought longer ago can, and is told to a baseline of its own and to the
blend. Settings are picked, and the blend is fitted, on the queries of an earlier period with the counts of the time
before it; who judges settings does not teach the blend. A gain is the blend minus the best baseline, paired, with its
interval over customers.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import scipy.sparse as sp
from rich.console import Console

from benchmarks.direction.counted_baselines import Baseline, Markov, Popularity
from benchmarks.direction.datasets import data_folder
from benchmarks.direction.direction_pairs import by_degree
from benchmarks.direction.shops import FOLLOW_DAYS, FRESH_DAYS, SHOPS, Shop
from benchmarks.harness.form import Cell, Finding, publish
from benchmarks.harness.trials import Trial, Trials, settings_key
from onward.evaluation.window_counts import WindowCounts
from onward.metrics.ranking import PairRanks
from onward.ranking.catalogue_ranker import RankerSettings
from onward.ranking.chains import Chain
from onward.ranking.directed_graph import DirectedGraph, Ints
from onward.ranking.link_ranks import rank_links
from onward.ranking.method import Method
from onward.ranking.purchase_log import PurchaseLog
from onward.ranking.sequence_blend import GRIDS, RANKERS, TrainingMoment, fit_all, fit_next, pick
from onward.ranking.sequence_moments import COUNTED, METHOD_BY_QUERY, Chains, QueryMoment

SEED = 11
SAMPLES = 500
QUERY = "previous item"
TAUGHT, TESTED = 5000, 4000
PER_PROPOSER = 60
MOST_DAYS_APART = 30

SHOP_RANKERS = (
    *RANKERS,
    *(RankerSettings(60, leaves=8, min_rows_in_leaf=400, l2=100.0, objective=each.objective) for each in RANKERS),
)
"""Smaller ones too: a shop's queries come from fewer customers than Beauty's."""

IN_TIME: Mapping[str, tuple[Baseline, ...]] = {
    "recent popularity": tuple(Popularity(days, fresh) for days in (14, 28, 56) for fresh in (True, False)),
    "next visit, backed off": (Markov(fresh_only=True, backoff=100.0), Markov(fresh_only=True, backoff=1000.0)),
    "days after, backed off": (
        WindowCounts(30, None, 100.0), WindowCounts(30, None, 1000.0), WindowCounts(30, 7.0, 1000.0),
    ),
}  # fmt: skip
"""Counts in days, beside those in visits."""


BOUGHT_BEFORE = "bought before"
HALF_LIVES = (None, 90.0, 30.0)
"""Days after which a purchase of longer ago counts half; None counts all alike."""


@dataclass(frozen=True)
class ShopQueryMoment(QueryMoment):
    """A moment that also knows what customers bought longer ago than their histories reach.

    Attributes:
        earlier: by `HALF_LIVES`, [Q, N] purchases of each query's customer, the older weighing less.
    """

    earlier: tuple[sp.csr_matrix, ...]

    def subset(self, queries: Ints) -> Self:
        """The same with some of the queries, given in ascending order."""
        fewer = super().subset(queries)
        return replace(fewer, earlier=tuple(each[queries] for each in self.earlier))


@dataclass(frozen=True)
class BoughtBefore:
    """Ranks by what the customer bought longer ago, as popularity does where that is nothing.

    Attributes:
        setting: which of `HALF_LIVES`.
        share: [N] of the purchases of the last four weeks.
    """

    setting: int
    share: np.ndarray

    def method(self, moment: QueryMoment) -> Method:
        """Scores of all products by query number."""
        if not isinstance(moment, ShopQueryMoment):
            raise TypeError("only a shop's moment knows its customers' earlier purchases")
        earlier = moment.earlier[self.setting]
        return lambda queries: np.asarray(earlier[queries].todense(), np.float64) + self.share


@dataclass(frozen=True)
class Asked:
    """A moment of a shop, with the customer and the day of each query.

    Attributes:
        moment: graphs, histories and what is wanted.
        customer: [Q].
        day: [Q] of the query, since 1970-01-01.
        log: what the counts know.
    """

    moment: ShopQueryMoment
    customer: np.ndarray
    day: np.ndarray
    log: PurchaseLog


def ask(shop: Shop, start: int, end: int, most: int) -> Asked:
    """Queries of [start, end) and counts of the time before."""
    log, before = shop.log, shop.log.before(start)
    generator = np.random.default_rng([SEED, start])
    events = generator.permutation(np.flatnonzero((log.day >= start) & (log.day < end)))
    first = np.searchsorted(log.customer, np.arange(log.customer.max() + 2))
    history: list[Ints] = []
    customers: list[int] = []
    days: list[int] = []
    pairs: list[tuple[int, int]] = []
    earlier: list[tuple[Ints, Ints]] = []
    for event in events:
        mine = slice(first[log.customer[event]], first[log.customer[event] + 1])
        product, gap, fresh = log.product[mine], log.day[mine] - log.day[event], log.fresh[mine]
        past = np.unique(product[(gap <= 0) & (gap >= -FRESH_DAYS)])
        wanted = np.setdiff1d(product[fresh & (gap > 0) & (gap <= FOLLOW_DAYS)], past)
        if len(wanted):
            pairs += [(len(history), int(each)) for each in wanted]
            history.append(np.r_[past[past != log.product[event]], log.product[event]])
            customers.append(int(log.customer[event]))
            days.append(int(log.day[event]))
            earlier.append((product[gap < -FRESH_DAYS], -gap[gap < -FRESH_DAYS]))
        if len(history) == most:
            break
    owned = tuple(_earlier(earlier, log.products, half_life) for half_life in HALF_LIVES)
    moment = ShopQueryMoment(_graphs(before, shop.vectors), tuple(history), np.array(pairs), owned)
    return Asked(moment, np.array(customers), np.array(days), before)


def _earlier(bought: list[tuple[Ints, Ints]], products: int, half_life: float | None) -> sp.csr_matrix:
    """[Q, N] purchases of each query (products and days ago), the older weighing less."""
    query = np.repeat(np.arange(len(bought)), [len(product) for product, _ in bought])
    product, ago = (np.concatenate(each) for each in zip(*bought, strict=True))
    weight = np.ones(len(ago)) if half_life is None else 0.5 ** (ago / half_life)
    return sp.csr_matrix((weight.astype(np.float32), (query, product)), shape=(len(bought), products))


def _graphs(log: PurchaseLog, vectors: np.ndarray) -> dict[str, DirectedGraph]:
    _, first, visit = np.unique(log.customer * 2**20 + log.day, return_index=True, return_inverse=True)
    shape = (len(first), log.products)

    def matrix(rows: np.ndarray) -> sp.csr_matrix:
        return sp.csr_matrix((np.ones(len(rows), np.float32), (visit[rows], log.product[rows])), shape=shape)

    everything, new = matrix(np.arange(len(visit))), matrix(np.flatnonzero(log.fresh))
    return {
        name: count_visits(everything, new, log.customer[first], log.day[first], window, decay, vectors)
        for name, (window, decay) in COUNTED.items()
    }


def count_visits(
    visits: sp.csr_matrix,
    wanted: sp.csr_matrix,
    customer: Ints,
    day: Ints,
    window: int,
    decay: float,
    attributes: np.ndarray | None = None,
) -> DirectedGraph:
    """The graph whose edge u -> v weighs the sum of k^-decay over all v that come k <= window visits after u.

    What is bought on one day has no order and counts as one visit.

    Args:
        visits: [W, N] items of each visit, ordered by customer and then day.
        wanted: [W, N] those of them that count as v, such as what was new to the customer.
        customer: [W].
        day: [W].
        window: how many visits after u still count, and no more than 30 days.
        decay: 0 counts all places alike, 1 is the usual 1/k.
        attributes: [N, F] vectors of the items.

    >>> visits = sp.csr_matrix(np.eye(3, dtype=np.float32))
    >>> count_visits(visits, visits, np.array([4, 4, 5]), np.array([1, 3, 9]), 2, 1.0).adjacency.toarray().tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    adjacency = sp.csr_matrix((visits.shape[1],) * 2, dtype=np.float32)
    for gap in range(1, min(window, len(customer) - 1) + 1):
        near = (customer[gap:] == customer[:-gap]) & (day[gap:] - day[:-gap] <= MOST_DAYS_APART)
        first = np.flatnonzero(near)
        adjacency = adjacency + gap**-decay * (visits[first].T @ wanted[first + gap])
    adjacency.setdiag(0.0)
    adjacency.eliminate_zeros()
    return DirectedGraph(sp.csr_matrix(adjacency, dtype=np.float32), visits, attributes)


def fit(asked: Asked) -> Chains:
    """Every setting of every method; counts in days are computed for all products at once."""
    in_time = {name: tuple(_chain(each, asked.log) for each in settings) for name, settings in IN_TIME.items()}
    recent = np.asarray(Popularity(28, fresh_only=True).fit(asked.log)(np.zeros(1, np.int64))[0], np.float64)
    own = tuple(BoughtBefore(number, recent) for number in range(len(HALF_LIVES)))
    return {**fit_all(asked.moment), **in_time, BOUGHT_BEFORE: own}


def _chain(setting: Baseline, log: PurchaseLog) -> Chain:
    everything = np.arange(log.products)
    if isinstance(setting, Popularity):  # the same row after every product
        return Chain((np.ones((log.products, 1), np.float32), setting.fit(log)(everything[:1]).astype(np.float32)))
    return Chain((setting.fit(log)(everything).astype(np.float32),))


def retail(shop: Shop) -> Trial:
    """Every baseline and the blend on one shop, with the blend's gain and ranks by degree."""
    learning, test = ask(shop, shop.learn, shop.test - FOLLOW_DAYS, TAUGHT), ask(shop, shop.test, shop.end, TESTED)
    console = Console(stderr=True)
    told = f"{learning.moment.queries} and {test.moment.queries} queries, {shop.log.products} products"
    console.print(f"{shop.name}: {told}", highlight=False)
    lesson, now = TrainingMoment.of(learning.moment, fit(learning), judges(learning.customer)), fit(test)
    picked, found = pick(QUERY, lesson), {}
    for name, number in picked.items():
        found[name] = _ranks(METHOD_BY_QUERY[QUERY](now[name][number], test.moment), test)
        console.print(f"{shop.name}: {name}: {found[name].metrics()['hr@10'].mean():.4f}", highlight=False)
    blend = fit_next(QUERY, lesson, picked, PER_PROPOSER, SHOP_RANKERS)
    found["blend"] = _ranks(blend.method(test.moment, now), test)
    best = max(picked, key=lambda name: float(found[name].metrics()["hr@10"].mean()))
    gain = found["blend"].gain(found[best], "hr@10", SAMPLES, SEED)
    source = np.array([history[-1] for history in test.moment.history])[test.moment.pairs[:, 0]]
    degrees = test.moment.graphs["near"].out_degrees[source]
    rows = [_row(shop.name, name, ranks) for name, ranks in found.items()]
    buckets = [
        {"data": shop.name, "method": f"{name}, source of out-degree {low} to {high}", "hr@10": value}
        for name in (best, "blend")
        for low, high, value in by_degree(found[name], degrees, "hr@10")
    ]
    console.print(f"{shop.name}: blend - {best}: {gain.value:.4f} ({gain.low:.4f}, {gain.high:.4f})", highlight=False)
    return {
        "rows": [*rows, *buckets], "covered": blend.covered, "best": best,
        "gain": {"value": gain.value, "low": gain.low, "high": gain.high},
    }  # fmt: skip


def judges(customer: np.ndarray) -> np.ndarray:
    """[Q] whether a query judges: all those of a third of the customers, for one customer's queries want the same."""
    everyone = np.unique(customer)
    kept_back = np.random.default_rng(SEED).permutation(everyone)[: len(everyone) // 3]
    return np.isin(customer, kept_back)


def _ranks(method: Method, asked: Asked) -> PairRanks:
    ranks = rank_links(method, asked.moment.pairs, asked.moment.seen)
    return PairRanks(asked.customer[asked.moment.pairs[:, 0]], ranks.rank)


def _row(data: str, method: str, ranks: PairRanks) -> dict[str, Cell]:
    found = ranks.intervals(SAMPLES, SEED)
    kept = {name: found[name].value for name in ("hr@10", "hr@50", "mrr@10", "ndcg@10")}
    return {"data": data, "method": method, **kept, "hr@10 low": found["hr@10"].low, "hr@10 high": found["hr@10"].high}


def _retail_of(name: str, folder: Path) -> Trial:
    return retail(SHOPS[name](folder))


def main() -> None:
    """Run both shops, or the one named, and publish."""
    arguments = argparse.ArgumentParser(description=__doc__)
    data_folder(arguments)
    arguments.add_argument("--part", choices=tuple(SHOPS), nargs="+", default=list(SHOPS))
    arguments.add_argument("--fresh", action="store_true", help="forget finished parts")
    asked = arguments.parse_args()
    trials = Trials("direction_retail", fresh=asked.fresh)
    rows: list[dict[str, Cell]] = []
    claims: dict[str, float] = {}
    key = settings_key(GRIDS, COUNTED, IN_TIME, HALF_LIVES, SHOP_RANKERS, TAUGHT, TESTED, PER_PROPOSER, SEED)
    for name in asked.part:
        found = trials.run(f"{name}, {key}", partial(_retail_of, name, Path(asked.data)))
        rows += found["rows"]
        claims |= {f"{name}_hr10_gain_low": found["gain"]["low"], f"{name}_hr10_gain": found["gain"]["value"]}
    columns = dict.fromkeys(column for row in rows for column in row)
    publish(Finding("direction_retail", [SEED], [{**dict.fromkeys(columns), **row} for row in rows], claims))


if __name__ == "__main__":
    main()
