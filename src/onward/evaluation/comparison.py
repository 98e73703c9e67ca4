"""Who ranks best: tuned counts against the product graph and the trained encoder, on the same queries.

Everything is given the same past, the purchases before the training window, because that is all the product graph was
given. Two count methods are also shown with every purchase up to as_of: what a shop gets by counting each night. They
are named so and cannot win.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from onward.evaluation.baselines import GRID, Baseline, describe
from onward.evaluation.intervals import CustomerBootstrap, Floats
from onward.evaluation.queries import Queries, build_queries
from onward.evaluation.ranking import direction_share, query_metrics, rank_pairs
from onward.ranking.method import Method, score_pairs
from onward.ranking.purchase_log import Bools, Ints, PurchaseLog

TUNED_FOR = "hr@10"
REFRESHED = ("popularity", "window_counts")

_TUNING_QUERIES = 2000


@dataclass(frozen=True)
class Windows:
    """Days since 1970-01-01, each the first that no longer belongs to what is before it.

    Attributes:
        training_start: the product graph knows earlier purchases only.
        as_of: nothing later may tune anything.
        backtest_end: after the last test query.
        horizon: after the last purchase that may answer a query.
        follow_days: how long after a query a purchase may answer it.
    """

    training_start: int
    as_of: int
    backtest_end: int
    horizon: int
    follow_days: int

    @classmethod
    def of(
        cls, training_start: datetime, as_of: datetime, backtest_end: datetime, horizon: datetime, follow_days: int
    ) -> "Windows":
        """Windows between midnights.

        >>> Windows.of(*(datetime(1970, 1, day) for day in (2, 3, 4, 5)), follow_days=1).horizon
        4
        """
        days = np.array([training_start, as_of, backtest_end, horizon], dtype="datetime64[D]").astype(np.int64)
        training, clock, end, last = days.tolist()
        return cls(training, clock, end, last, follow_days)


@dataclass(frozen=True)
class Pick:
    """The setting of a baseline that ranked best for the selection customers, and what every setting scored."""

    setting: Baseline
    trials: tuple[tuple[Baseline, float], ...]


def tune(log: PurchaseLog, customers: Ints, windows: Windows, seed: int) -> dict[str, Pick]:
    """Pick each baseline's setting on queries of `customers` in the training window, as known at as_of.

    Queries near as_of have not seen all of their answers; those that have none yet are left out like any other query
    without an answer. Ties go to the setting that comes first.
    """
    queries = build_queries(
        log.before(windows.as_of), customers, windows.training_start, windows.as_of, windows.as_of,
        windows.follow_days, _TUNING_QUERIES, seed,
    )  # fmt: skip
    past = log.before(windows.training_start)
    picks = {}
    for name, settings in GRID.items():
        trials = tuple((setting, _hit_rate(setting.fit(past), queries, log.products)) for setting in settings)
        picks[name] = Pick(max(trials, key=lambda trial: trial[1])[0], trials)
    return picks


def compare(
    log: PurchaseLog,
    selection: Ints,
    test: Ints,
    models: Mapping[str, Method],
    windows: Windows,
    top_k: tuple[int, ...],
    limit: int,
    samples: int,
    seed: int,
) -> dict[str, Any]:
    """Tune the baselines, rank the test queries by every method and name the winner.

    Args:
        log: all purchases up to the horizon; only queries and their answers read those at or after as_of.
        selection: customers whose queries tune the baselines.
        test: customers whose queries are ranked.
        models: what is compared with the baselines, by name.
        windows: the clock.
        top_k: cut-offs of the hit rate; 10 is always among them.
        limit: most test queries.
        samples: bootstrap resamples.
        seed: of the query samples and the bootstrap.
    """
    picks = tune(log, selection, windows, seed)
    queries = build_queries(
        log, test, windows.as_of, windows.backtest_end, windows.horizon, windows.follow_days, limit, seed
    )
    known = {name: pick.setting.fit(log.before(windows.training_start)) for name, pick in picks.items()} | dict(models)
    refreshed = {f"{name}_to_as_of": picks[name].setting.fit(log.before(windows.as_of)) for name in REFRESHED}
    base = {
        "queries": len(queries.customer),
        "customers": len(np.unique(queries.customer)),
        "candidates": log.products,
        "answers": len(queries.pair_query),
        "tuning": {name: _trials(pick) for name, pick in picks.items()},
        "tuned_for": TUNED_FOR,
    }
    if not len(queries.customer):
        return base | {"methods": [], "winner": None}

    bootstrap = CustomerBootstrap.of(queries.customer, samples, seed)
    ordered = _both_new(queries)
    pair_bootstrap = CustomerBootstrap.of(queries.customer[queries.pair_query[ordered]], samples, seed)
    cuts = tuple(sorted({*top_k, 10}))
    measured = {name: _measure(method, queries, log.products, cuts) for name, method in (known | refreshed).items()}
    winner = max(known, key=lambda name: measured[name][0][TUNED_FOR].mean())
    best, ones = measured[winner][0][TUNED_FOR], np.ones(len(queries.customer))
    methods = []
    for name, (metrics, direction) in measured.items():
        row: dict[str, Any] = {metric: bootstrap.ratio(value, ones).to_dict() for metric, value in metrics.items()}
        row["direction"] = (
            pair_bootstrap.ratio(direction, np.ones(len(direction))).to_dict() if len(direction) else None
        )
        row["minus_winner"] = bootstrap.ratio_difference(metrics[TUNED_FOR], ones, best, ones).to_dict()
        methods.append({"method": name, "same_purchases": name in known} | row)
    return base | {"methods": methods, "winner": winner}


def _measure(
    method: Method, queries: Queries, candidates: int, top_k: tuple[int, ...]
) -> tuple[dict[str, Floats], Floats]:
    source = queries.source[queries.pair_query]
    ranks = rank_pairs(method, source, queries.pair_product, candidates, max(top_k))
    ordered = _both_new(queries)
    reverse = score_pairs(method, queries.pair_product[ordered], source[ordered], candidates)
    return query_metrics(queries, ranks, top_k), direction_share(ranks.score[ordered], reverse)


def _both_new(queries: Queries) -> Bools:
    # Direction is asked only where both products were new to the customer: either could have come first.
    return queries.fresh[queries.pair_query]


def _hit_rate(method: Method, queries: Queries, candidates: int) -> float:
    if not len(queries.customer):
        return 0.0
    ranks = rank_pairs(method, queries.source[queries.pair_query], queries.pair_product, candidates, 10)
    return float(query_metrics(queries, ranks, (10,))[TUNED_FOR].mean())


def _trials(pick: Pick) -> dict[str, Any]:
    return {
        "picked": describe(pick.setting),
        "trials": [describe(setting) | {TUNED_FOR: value} for setting, value in pick.trials],
    }
