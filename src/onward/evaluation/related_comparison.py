"""Served lists against baselines, on the same queries after the clock: what `evaluate` says of related products.

Everybody knows every purchase before the clock. Settings are picked on selection customers, on queries of as many days
that end early enough for all their answers to be known at the clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from onward.evaluation.intervals import CustomerBootstrap, Floats
from onward.evaluation.listing import Lister, best_first, complements
from onward.evaluation.purchase_log import Ints
from onward.evaluation.related_baselines import RELATED_GRID, RelatedBaseline, plain
from onward.evaluation.related_log import RelatedLog
from onward.evaluation.related_quality import Judged, Judgement, breaches, gains_of, judge_lists, list_once, variety
from onward.evaluation.related_queries import RELATIONS, Relation, related_queries
from onward.ranking.method import Method

TUNED_FOR = 10
"""Baselines are tuned for the hit rate at so many."""


class Setting(Protocol):
    """A baseline with its settings."""

    def fit(self, log: RelatedLog) -> Method:
        """Count what was known."""
        ...


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
    known = log.before(windows.clock)
    chance: dict[Relation, Floats] = {"basket": known.order_share(), "later": known.new_share()}
    return Judgement(queries, chance, CustomerBootstrap.of(queries.customer, samples, seed))


def tune(
    log: RelatedLog, customers: Ints, windows: RelatedWindows, limit: int, seed: int
) -> dict[str, tuple[Trial, ...]]:
    """What every setting of every baseline hits for selection customers, as known at the clock."""
    earlier, known = windows.earlier(), log.before(windows.clock)
    judge = judgement(known, customers, earlier, limit, 1, seed)
    past = known.before(earlier.clock)
    return {
        name: tuple(Trial(setting, hit_rates(judge, setting.fit(past))) for setting in settings)
        for name, settings in RELATED_GRID.items()
    }


def hit_rates(judge: Judgement, method: Method) -> dict[Relation, float]:
    """HR@10 by relation of a method's best-first lists; 0 without any answer."""
    candidates = len(judge.chance["basket"])
    lists = list_once(best_first(method, candidates, TUNED_FOR), judge.queries.source)
    rates: dict[Relation, float] = {}
    for relation, answers in judge.queries.answers.items():
        outcome = judge_lists(lists, answers, judge.chance[relation], TUNED_FOR)
        rates[relation] = float(outcome.hr.sum() / max(1.0, outcome.answered.sum()))
    return rates


def best_setting(trials: tuple[Trial, ...], relation: Relation) -> RelatedBaseline:
    """The setting that hit most; the first of equals."""
    return max(trials, key=lambda trial: trial.hit_rate[relation]).setting


@dataclass(frozen=True)
class Served:
    """What a deployed model lists, exactly as it is served.

    Attributes:
        orders: listers of any type, by the name of their order; the default order comes first.
        goes_with: the lister of complements, of other types than the source's.
    """

    orders: Mapping[str, Lister]
    goes_with: Lister


def compare_related(
    log: RelatedLog,
    types: Ints,
    selection: Ints,
    test: Ints,
    served: Served,
    windows: RelatedWindows,
    top_k: tuple[int, ...],
    limit: int,
    samples: int,
    seed: int,
) -> dict[str, Any]:
    """Tune the baselines, ask everybody for the lists of the test queries and hold them against the answers.

    Args:
        log: all purchases up to the last answer; only queries and answers read those at or after the clock.
        types: [C] type of each candidate; complements are of other types than the source's.
        selection: customers whose queries tune the baselines.
        test: customers whose queries are judged.
        served: the model's lists.
        windows: the clock.
        top_k: cut-offs; 10 is always among them.
        limit: most queries.
        samples: bootstrap resamples.
        seed: of queries and resamples.

    Returns:
        Plain values. Each row of `methods` has the metrics by relation, each with its interval, and for served orders
        `gain`: HR@10 and lift@10 over the best baseline, which selection customers named. A baseline has the setting
        tuned for the relation that it is judged by.
    """
    trials = tune(log, selection, windows, limit, seed)
    picked = {
        relation: {name: best_setting(tried, relation) for name, tried in trials.items()} for relation in RELATIONS
    }
    best = {relation: _best_baseline(trials, relation) for relation in RELATIONS}
    judge, past = judgement(log, test, windows, limit, samples, seed), log.before(windows.clock)
    told: dict[str, Any] = {
        "queries": len(judge.queries.source),
        "customers": len(np.unique(judge.queries.customer)),
        "candidates": log.products,
        "answered": {relation: len(np.unique(each.query)) for relation, each in judge.queries.answers.items()},
        "tuned_for": f"hr@{TUNED_FOR}",
        "tuning": {name: [_tried(trial) for trial in tried] for name, tried in trials.items()},
        "picked": {relation: {name: plain(each) for name, each in found.items()} for relation, found in picked.items()},
        "best_baseline": best,
    }
    if not len(judge.queries.source):
        return told | {"methods": [], "goes_with": []}
    cuts = tuple(sorted({*top_k, TUNED_FOR}))
    deepest = max(cuts)
    settings = {setting for found in picked.values() for setting in found.values()}
    fitted = {setting: setting.fit(past) for setting in settings}
    judged = {
        setting: judge.outcomes(best_first(method, log.products, deepest), cuts) for setting, method in fitted.items()
    }
    counted: dict[Relation, dict[str, Judged]] = {
        relation: {name: judged[setting] for name, setting in found.items()} for relation, found in picked.items()
    }
    rows = []
    for name, lister in served.orders.items():
        ours = judge.outcomes(lister, cuts)
        gain = {relation: _gain(judge, ours, counted[relation][best[relation]], relation) for relation in RELATIONS}
        rows.append({"method": name, "served": True} | judge.summary(ours) | {"gain": gain})
    rows += [{"method": name, "served": False} | _by_relation(judge, counted, name) for name in trials]
    listers = {"goes_with": served.goes_with} | {
        name: complements(fitted[setting], types, deepest) for name, setting in picked["basket"].items()
    }
    return told | {"methods": rows, "goes_with": _complements(judge, listers, types, cuts)}


def _complements(
    judge: Judgement, listers: Mapping[str, Lister], types: Ints, cuts: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Judge lists of other types, where only products of other types are relevant."""
    strict, rows = Judgement(judge.queries.of_other_types(types), judge.chance, judge.bootstrap), []
    for name, lister in listers.items():
        judged = strict.outcomes(lister, cuts)
        broken = breaches(judged.lists, judge.queries.source, types)
        rows.append({"method": name, "served": name == "goes_with", "breaches": broken} | strict.summary(judged))
    return rows


def _best_baseline(trials: Mapping[str, tuple[Trial, ...]], relation: Relation) -> str:
    return max(trials, key=lambda name: max(trial.hit_rate[relation] for trial in trials[name]))


def _tried(trial: Trial) -> dict[str, Any]:
    return plain(trial.setting) | {f"{relation} hr@{TUNED_FOR}": rate for relation, rate in trial.hit_rate.items()}


def _gain(judge: Judgement, ours: Judged, other: Judged, relation: Relation) -> dict[str, Any]:
    at = (relation, TUNED_FOR)
    gains = gains_of(ours.outcomes[at], other.outcomes[at], judge.bootstrap)
    return {f"{name}@{TUNED_FOR}": gains[name].to_dict() for name in ("hr", "lift")}


def _by_relation(judge: Judgement, counted: Mapping[Relation, Mapping[str, Judged]], name: str) -> dict[str, Any]:
    """A baseline's metrics, each relation's by the setting tuned for it; variety by the first relation's."""
    told: dict[str, Any] = {}
    for relation in RELATIONS:
        told[relation] = judge.summary(counted[relation][name])[relation]
    lists = counted["basket"][name].lists
    return told | variety(lists, judge.chance["basket"], lists.shape[1])
