"""Complements for strangers: judged by households of whose purchases nothing was counted, habits listed or not.

Everywhere else the households that judge are among those that are counted, as they are in a shop. So a list that echoes
what one of them buys every week is hit by that household's next basket, and is of no use to anybody else. Here each
clock's model is fitted twice, with and without the purchases of test households before the clock, and each model's
complements are listed as served and with pairs that are one customer's habit (ranking/customer_habits.py).

The best baselines of lists of complements, BM25 of orders and cosine, count the same and are asked by strangers too:
at every setting, so that lifts can be compared where both hit equally often.

Usage:
    python -m benchmarks.related.strangers
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from rich.console import Console

from benchmarks.harness.form import Cell, Finding, publish
from benchmarks.related import onward as adapter
from benchmarks.related import peers
from benchmarks.related.clocks import FRESH_DAYS, Asked, ClockData, command_line
from benchmarks.related.entries import COUNT, FAMILIES, PEERS, Setting, curve
from benchmarks.related.frontier import at_own_hits
from benchmarks.related.pooling import Pool, claims_of
from onward.evaluation.listing import NOTHING, complements
from onward.evaluation.related_log import RelatedLog
from onward.evaluation.related_quality import Outcome, judge_lists
from onward.ranking.customer_habits import CustomerHabits
from onward.ranking.purchase_log import Ints
from onward.ranking.scored_lists import ScoredLists

SEED = 20171120
COUNTED, STRANGERS = "counted", "strangers"
SERVED, WITH_HABITS = "as served", "habits listed too"
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class AtClock:
    """What every variant hit at one clock.

    Attributes:
        household: [q] who asks.
        outcomes: by whether the household was counted, then by whether habits are listed.
        habits: share of the entries that are a habit, where these are listed.
        rivals: what every setting of the baselines hit for strangers, by the curve that it lies on.
    """

    household: Ints
    outcomes: Mapping[tuple[str, str], Outcome]
    habits: float
    rivals: Mapping[str, Sequence[Outcome]] = field(default_factory=dict)

    @classmethod
    def of(cls, day: str, seed: int, threads: int) -> "AtClock":
        """Fit both models and ask each twice."""
        data = ClockData.of(day)
        judge = Asked.to_judge(data, seed)
        strangers = replace(data, known=data.known[~np.isin(data.known["customer"].to_numpy(), data.test)])
        found: dict[tuple[str, str], Outcome] = {}
        shares = {}
        for who, known in ((COUNTED, data), (STRANGERS, strangers)):
            fitted = adapter.onward(known, seed, threads)
            evidence = fitted.lists.model.evidence
            habits = evidence.habits
            unguarded = replace(evidence, habits=replace(habits, pair=_NONE))
            models = {SERVED: fitted.lists.model, WITH_HABITS: replace(fitted.lists.model, evidence=unguarded)}
            for what, model in models.items():
                listed = goes_with(replace(fitted, lists=ScoredLists(model, fitted.lists.settings)), data, judge)
                answers, chance = judge.strict.queries.answers["basket"], judge.chance
                found[who, what] = judge_lists(judge.by_query(listed), answers, chance, COUNT)
                shares[who, what] = share_of_habits(data.candidates[judge.sources], listed, data.candidates, habits)
        Console(stderr=True).print(f"{day}: {len(judge.household)} queries", highlight=False)
        return cls(judge.household, found, shares[COUNTED, WITH_HABITS], rival_outcomes(data, judge))


def rival_outcomes(data: ClockData, judge: Asked) -> dict[str, list[Outcome]]:
    """What complements by the baselines hit, with nothing counted of the households that ask."""
    past = judge.past
    kept = ~np.isin(past.customer, data.test)
    customer, order, product, day = (each[kept] for each in (past.customer, past.order, past.product, past.day))
    others = RelatedLog.of(customer, order, product, day, past.products, FRESH_DAYS)
    answers, chance = judge.strict.queries.answers["basket"], judge.chance
    found: dict[str, list[Outcome]] = {}
    for name, setting in rivals():
        listed = complements(setting.fit(others), judge.types, COUNT)(judge.sources)
        found.setdefault(curve(name, setting), []).append(judge_lists(judge.by_query(listed), answers, chance, COUNT))
    return found


def rivals() -> list[tuple[str, Setting]]:
    """Cosine by every power, and BM25 of orders at its usual saturation where the package is installed."""
    asked = [("cosine", setting) for setting in FAMILIES["cosine"]]
    if peers.installed():
        asked += [("BM25", each) for each in PEERS["BM25 (implicit)"] if (each.of, each.k1) == ("order", 1.2)]  # type: ignore[attr-defined]
    return asked


def goes_with(fitted: adapter.Onward, data: ClockData, judge: Asked) -> Ints:
    """[s, COUNT] complements of the sources, in the clock's own numbers; nothing after what the model does not know."""
    products = data.candidates[judge.sources]
    known = np.isin(products, fitted.candidates)
    lists = np.full((len(products), COUNT), NOTHING, np.int64)
    numbers = fitted.goes_with(np.searchsorted(fitted.candidates, products[known]), COUNT)
    listed = np.where(numbers >= 0, np.searchsorted(data.candidates, fitted.candidates[numbers]), NOTHING)
    lists[known] = listed
    return lists


def share_of_habits(sources: Ints, lists: Ints, candidates: Ints, habits: CustomerHabits) -> float:
    """Share of the entries of lists [s, k] that are one customer's habit."""
    filled = lists != NOTHING
    u = np.broadcast_to(sources[:, None], lists.shape)[filled]
    return float(habits.hold(u, candidates[lists[filled]]).mean())


def rows_and_claims(
    at_clocks: Sequence[AtClock], samples: int, seed: int
) -> tuple[list[dict[str, Cell]], dict[str, float]]:
    """Means over clocks with intervals over households, and what leaving habits out gains, paired."""
    pool = Pool.of([each.household for each in at_clocks], samples, seed)
    sums = {key: pool.sums([each.outcomes[key] for each in at_clocks]) for key in at_clocks[0].outcomes}
    rows: list[dict[str, Cell]] = []
    claims = {"habits_listed": float(np.mean([each.habits for each in at_clocks]))}
    for (who, what), summed in sums.items():
        row: dict[str, Cell] = {"judged by": who, "lists": what}
        for metric in ("hr", "lift"):
            interval, name = summed.interval(metric, None), f"{metric}@{COUNT}"
            row |= {name: interval.value, f"{name} low": interval.low, f"{name} high": interval.high}
        rows.append(row)
    against = {
        name: [pool.sums([each.rivals[name][place] for each in at_clocks]) for place in range(len(tried))]
        for name, tried in at_clocks[0].rivals.items()
    }
    equal = at_own_hits(sums[STRANGERS, SERVED], against, range(len(at_clocks)))
    if equal is not None:
        claims |= claims_of("strangers_at_equal_hits", equal)
    for who in (COUNTED, STRANGERS):
        for metric in ("hr", "lift"):
            gain = sums[who, SERVED].gain(sums[who, WITH_HABITS], metric, None)
            claims |= {f"{who}_{metric}": sums[who, SERVED].interval(metric, None).value}
            claims |= claims_of(f"{who}_{metric}_gain", gain)
    return rows, claims


def main() -> None:
    """Ask at every clock and publish."""
    asked = command_line(__doc__).parse_args()
    at_clocks = [AtClock.of(day, SEED, asked.threads) for day in asked.clocks]
    publish(Finding("related_strangers", [SEED], *rows_and_claims(at_clocks, asked.samples, SEED)))


if __name__ == "__main__":
    main()
