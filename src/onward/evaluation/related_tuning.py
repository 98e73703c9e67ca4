"""Queries of a clock and of the time just before it, and the settings of baselines that selection customers pick.

Everybody knows every purchase before the clock. Settings are picked on queries of as many days that end early enough
for all their answers to be known at the clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from onward.evaluation.listing import best_first
from onward.evaluation.related_baselines import RELATED_GRID, RelatedBaseline
from onward.evaluation.related_log import RelatedLog
from onward.evaluation.related_quality import Judgement, judge_lists, list_once
from onward.evaluation.related_queries import Relation, related_queries
from onward.metrics.customer_bootstrap import CustomerBootstrap, Floats
from onward.ranking.method import Method
from onward.ranking.purchase_log import Ints

TUNED_FOR = 10
"""Baselines are tuned for the hit rate at so many."""


@dataclass(frozen=True)
class RelatedWindows:
    """When related lists are asked for. Days are counted since 1970-01-01.

    Attributes:
        clock: nothing at or after it may be known.
        query_days: queries come from [clock, clock + query_days).
        follow_days: how long after a query a new purchase is an answer.
    """

    clock: int
    query_days: int
    follow_days: int

    @classmethod
    def of(cls, clock: int, backtest_days: int, known_days: int, follow_days: int) -> "RelatedWindows":
        """As many days of queries as have all their answers before the log ends.

        A log that ends sooner than `follow_days` after the clock tells what lay in one basket, and not yet what came
        later: then nothing later is an answer.

        Args:
            clock: the first day that was not known.
            backtest_days: most days of queries.
            known_days: from the clock on, until the log ends.
            follow_days: how long after a query a new purchase is an answer.

        >>> RelatedWindows.of(100, 14, 42, 30)
        RelatedWindows(clock=100, query_days=12, follow_days=30)
        >>> RelatedWindows.of(100, 14, 28, 30)
        RelatedWindows(clock=100, query_days=14, follow_days=0)
        """
        days = min(backtest_days, known_days - follow_days)
        return cls(clock, days, follow_days) if days > 0 else cls(clock, backtest_days, 0)

    def earlier(self) -> "RelatedWindows":
        """The latest such windows whose answers were all known at the clock."""
        return RelatedWindows(self.clock - self.query_days - self.follow_days, self.query_days, self.follow_days)


@dataclass(frozen=True)
class Trial:
    """What one setting of a baseline hit for selection customers, by relation."""

    setting: RelatedBaseline
    hit_rate: Mapping[Relation, float]


def judgement(
    log: RelatedLog, customers: Ints, windows: RelatedWindows, limit: int, samples: int, seed: int
) -> Judgement:
    """Draw the queries of some customers after a clock, and count P(v) before it.

    Args:
        log: purchases until `follow_days` after the last query.
        customers: who asks.
        windows: when.
        limit: most queries.
        samples: bootstrap resamples.
        seed: of queries and resamples.
    """
    queries = related_queries(
        log, customers, windows.clock, windows.clock + windows.query_days, windows.follow_days, limit, seed
    )
    past_log = log.before(windows.clock)
    chance: dict[Relation, Floats] = {"basket": past_log.order_share(), "later": past_log.new_share()}
    return Judgement(queries, chance, CustomerBootstrap.of(queries.customer, samples, seed))


def tune(
    log: RelatedLog, customers: Ints, windows: RelatedWindows, limit: int, seed: int, threads: int
) -> dict[str, tuple[Trial, ...]]:
    """What every setting of every baseline hits for selection customers, as known at the clock."""
    earlier = windows.earlier()
    past_log = log.before(windows.clock)
    judge = judgement(past_log, customers, earlier, limit, 1, seed)
    past = past_log.before(earlier.clock)
    return {
        name: tuple(Trial(setting, hit_rates(judge, setting.fit(past), threads)) for setting in settings)
        for name, settings in RELATED_GRID.items()
    }


def hit_rates(judge: Judgement, method: Method, threads: int) -> dict[Relation, float]:
    """HR@10 by relation of a method's best-first lists; 0 without any answer."""
    candidates = len(judge.chance["basket"])
    lists = list_once(best_first(method, candidates, TUNED_FOR, threads), judge.queries.source)
    rates: dict[Relation, float] = {}
    for relation, answers in judge.queries.answers.items():
        outcome = judge_lists(lists, answers, judge.chance[relation], TUNED_FOR)
        rates[relation] = float(outcome.hr.sum() / max(1.0, outcome.answered.sum()))
    return rates


def best_setting(trials: tuple[Trial, ...], relation: Relation) -> RelatedBaseline:
    """The setting that hit most; the first of equals."""
    return max(trials, key=lambda trial: trial.hit_rate[relation]).setting


def best_baseline(trials: Mapping[str, tuple[Trial, ...]], relation: Relation) -> str:
    """The baseline whose best setting hit most; the first of equals."""
    return max(trials, key=lambda name: max(trial.hit_rate[relation] for trial in trials[name]))
