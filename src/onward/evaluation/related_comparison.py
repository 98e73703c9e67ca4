"""Served lists against baselines, on the same queries after the clock: what `evaluate` says of related products."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from onward.evaluation.listing import Lister, best_first, complements
from onward.evaluation.related_baselines import plain
from onward.evaluation.related_log import RelatedLog
from onward.evaluation.related_quality import METRICS, Judged, Judgement, breaches, gains_of, variety
from onward.evaluation.related_queries import RELATIONS, Relation
from onward.evaluation.related_tuning import (
    TUNED_FOR,
    RelatedWindows,
    Trial,
    best_baseline,
    best_setting,
    judgement,
    tune,
)
from onward.ranking.purchase_log import Ints

SERVED = "served"
"""What rows call the deployed model's own lists."""


@dataclass(frozen=True)
class Served:
    """What a deployed model lists, exactly as it is served.

    Attributes:
        order: lists [m, k] of any type for sources [m], by relation and weight: related at 0, most probable at 1.
        weights: that are judged, ascending; the picture's curve.
        goes_with: lists of complements, of other types than the source's, at the default weight.
    """

    order: Callable[[Ints, Relation, float], Ints]
    weights: tuple[float, ...]
    goes_with: Lister


@dataclass(frozen=True)
class Backtest:
    """A log, and who asks when.

    Attributes:
        log: all purchases up to the last answer; only queries and answers read those at or after the clock.
        types: [C] type of each candidate; complements are of other types than the source's.
        selection: customers whose queries tune the baselines.
        test: customers whose queries are judged.
        windows: the clock.
    """

    log: RelatedLog
    types: Ints
    selection: Ints
    test: Ints
    windows: RelatedWindows


@dataclass(frozen=True)
class Judging:
    """How much is asked, and how it is judged.

    Attributes:
        top_k: cut-offs; 10 is always among them.
        limit: most queries.
        samples: bootstrap resamples.
        seed: of queries and resamples.
        threads: that list what baselines say.
    """

    top_k: tuple[int, ...]
    limit: int
    samples: int
    seed: int
    threads: int

    @property
    def cuts(self) -> tuple[int, ...]:
        """The cut-offs that lists are judged at, ascending."""
        return tuple(sorted({*self.top_k, TUNED_FOR}))


def compare_related(on: Backtest, served: Served, how: Judging) -> dict[str, Any]:
    """Tune the baselines, ask everybody for the lists of the test queries and hold them against the answers.

    Args:
        on: who asks what.
        served: the model's lists of candidates.
        how: how much is asked.

    Returns:
        Plain values. Each row of `methods` has the metrics by relation, each with its interval, and that of a served
        order its `gain` too: HR@10 and lift@10 over the best baseline, which selection customers named. A baseline has
        the setting tuned for the relation that it is judged by.
    """
    log = on.log
    trials = tune(log, on.selection, on.windows, how.limit, how.seed, how.threads)
    picked = {
        relation: {name: best_setting(tried, relation) for name, tried in trials.items()} for relation in RELATIONS
    }
    best = {relation: best_baseline(trials, relation) for relation in RELATIONS}
    judge = judgement(log, on.test, on.windows, how.limit, how.samples, how.seed)
    past = log.before(on.windows.clock)
    told: dict[str, Any] = {
        "queries": len(judge.queries.source),
        "customers": len(np.unique(judge.queries.customer)),
        "candidates": log.products,
        "answered": {relation: len(np.unique(answers.query)) for relation, answers in judge.queries.answers.items()},
        "tuned_for": f"hr@{TUNED_FOR}",
        "tuning": {name: [_tried(trial) for trial in tried] for name, tried in trials.items()},
        "picked": {
            relation: {name: plain(setting) for name, setting in choices.items()}
            for relation, choices in picked.items()
        },
        "best_baseline": best,
    }
    if not len(judge.queries.source):
        return told | {"methods": [], "goes_with": []}
    cuts = how.cuts
    deepest = how.cuts[-1]
    settings = {setting for choices in picked.values() for setting in choices.values()}
    fitted = {setting: setting.fit(past) for setting in settings}
    judged = {
        setting: judge.outcomes(best_first(method, log.products, deepest, how.threads), cuts)
        for setting, method in fitted.items()
    }
    counted: dict[Relation, dict[str, Judged]] = {
        relation: {name: judged[setting] for name, setting in choices.items()} for relation, choices in picked.items()
    }
    rows = []
    for weight in served.weights:
        ours = {relation: judge.outcomes(partial(_ordered, served, relation, weight), cuts) for relation in RELATIONS}
        gain = {
            relation: _gain(judge, ours[relation], counted[relation][best[relation]], relation) for relation in ours
        }
        rows.append({"method": SERVED, "weight": weight} | _by_relation(judge, ours) | {"gain": gain})
    for name in trials:
        theirs = {relation: counted[relation][name] for relation in RELATIONS}
        rows.append({"method": name, "weight": None} | _by_relation(judge, theirs))
    listers = {SERVED: served.goes_with} | {
        name: complements(fitted[setting], on.types, deepest, threads=how.threads)
        for name, setting in picked["basket"].items()
    }
    return told | {"methods": rows, "goes_with": _complements(judge, listers, on.types, cuts)}


def _complements(
    judge: Judgement, listers: Mapping[str, Lister], types: Ints, cuts: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Judge lists of other types, where only products of other types are relevant."""
    strict = Judgement(judge.queries.of_other_types(types), judge.chance, judge.bootstrap)
    rows = []
    for name, lister in listers.items():
        judged = strict.outcomes(lister, cuts)
        broken = breaches(judged.lists, judge.queries.source, types)
        rows.append({"method": name, "breaches": broken} | strict.summary(judged))
    return rows


def _ordered(served: Served, relation: Relation, weight: float, sources: Ints) -> Ints:
    return served.order(sources, relation, weight)


def _tried(trial: Trial) -> dict[str, Any]:
    return plain(trial.setting) | {f"{relation} hr@{TUNED_FOR}": rate for relation, rate in trial.hit_rate.items()}


def _gain(judge: Judgement, ours: Judged, other: Judged, relation: Relation) -> dict[str, Any]:
    at = (relation, TUNED_FOR)
    gains = gains_of(ours.outcomes[at], other.outcomes[at], judge.bootstrap)
    return {f"{name}@{TUNED_FOR}": gains[name].to_dict() for name in ("hr", "lift")}


def _by_relation(judge: Judgement, judged: Mapping[Relation, Judged]) -> dict[str, Any]:
    """A method's metrics, each relation's by the lists made for it; variety by those of the same basket."""
    told: dict[str, Any] = {}
    for relation in RELATIONS:
        told[relation] = judge.summary(judged[relation])[relation]
    lists = judged["basket"].lists
    return told | variety(lists, judge.chance["basket"], lists.shape[1])


def related_headline(related: Mapping[str, Any]) -> dict[str, Any]:
    """The few figures that `dvc metrics` compares: hits and lift of served lists and baselines, by relation."""
    told: dict[str, Any] = {}
    for row in related["methods"]:
        name = row["method"] if row["weight"] is None else f"{row['method']} at weight {row['weight']:g}"
        told[name] = {relation: _hits_and_lift(row[relation]) for relation in RELATIONS}
    return {"orders": told, "goes_with": {row["method"]: _hits_and_lift(row["basket"]) for row in related["goes_with"]}}


def related_table(related: Mapping[str, Any]) -> pd.DataFrame:
    """One row a method, list and relation, for `dvc plots` and the picture of hits against lift."""
    rows = [
        {"list": kind, "relevant": relation, "method": row["method"], "weight": row.get("weight")}
        | {
            f"{metric}_{part}": row[relation][f"{metric}@{TUNED_FOR}"][part]
            for metric in METRICS
            for part in ("value", "low", "high")
        }
        | {"coverage": row["coverage"], "popularity_percentile": row["popularity_percentile"]}
        for kind, relations in (("methods", RELATIONS), ("goes_with", ("basket",)))
        for row in related[kind]
        for relation in relations
    ]
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["list", "relevant", "method", "weight"])


def _hits_and_lift(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{name}{TUNED_FOR}": metrics[f"{name}@{TUNED_FOR}"] for name in ("hr", "lift")}
