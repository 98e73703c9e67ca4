"""May a challenger's lists take the champion's place? Both are held against the same purchases of test customers.

goes_with is judged by what was in the same basket, of other types; after, by what was newly bought later. Hits alone
are won by popularity and lift alone by what nobody buys, so the gate holds both (see evaluation/related_quality.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from onward.deployment.bundle import Bundle
from onward.deployment.gate import Check, Verdict, said
from onward.evaluation.related_quality import Outcome, gains_of, intervals_of, judge_lists
from onward.evaluation.related_queries import Answers
from onward.metrics.customer_bootstrap import CustomerBootstrap
from onward.ranking.list_names import AFTER, GOES_WITH

JUDGED = {"basket": GOES_WITH, "later": AFTER}
"""The list that each relation's answers are held against."""

_COUNT = 10


@dataclass(frozen=True)
class ListLimits:
    """How much worse a challenger's lists may be; see `gate` in params.yaml.

    Attributes:
        max_hit_rate_loss: fall of HR@10.
        max_lift_loss: fall of lift@10 as a share of the champion's.
    """

    max_hit_rate_loss: float
    max_lift_loss: float


def judge_bundle_lists(bundle: Bundle, answers: pd.DataFrame, chance: pd.DataFrame) -> dict[str, Outcome]:
    """What the first ten of a bundle's lists were worth, by relation.

    Args:
        bundle: whose lists.
        answers: query, customer, source_product_id, relation and product_id, as evaluate wrote them.
        chance: product_id and P(v) of each relation.
    """
    ids = chance["product_id"].tolist()
    numbers = {identity: number for number, identity in enumerate(ids)}
    inside = bundle.listed.inside(ids)
    place = np.full(len(bundle.products) + 1, -1, dtype=np.int64)  # the last stands for -1
    place[inside[inside >= 0]] = np.flatnonzero(inside >= 0)
    outcomes = {}
    for relation, name in JUDGED.items():
        mine = answers[(answers["relation"] == relation).to_numpy(bool)]
        _, first, row = np.unique(mine["query"].to_numpy(np.int64), return_index=True, return_inverse=True)
        source = bundle.listed.inside(mine["source_product_id"].to_numpy()[first].tolist())
        product = np.array([numbers[identity] for identity in mine["product_id"].tolist()], dtype=np.int64)
        order = np.lexsort((product, row))
        lists = bundle.lists.matrix(name, _COUNT)[source]
        lists[source < 0] = -1
        share = chance[relation].to_numpy(np.float64)
        outcomes[relation] = judge_lists(place[lists], Answers(row[order], product[order]), share, _COUNT)
    return outcomes


def judge_served_lists(
    answers: pd.DataFrame,
    challenger: Mapping[str, Outcome],
    champion: Mapping[str, Outcome] | None,
    limits: ListLimits,
    samples: int,
    seed: int,
) -> Verdict:
    """Judge a challenger's lists. Where nobody answered there is nothing to judge by, which the verdict says.

    Args:
        answers: as above; who asked.
        challenger: by relation.
        champion: by relation, on the same queries; None where the model in use has no lists, or nothing is.
        limits: what is asked.
        samples: resamples of customers for the intervals.
        seed: of the resamples.
    """
    checks: list[Check] = []
    figures: dict[str, dict[str, float | None]] = {}
    not_judged: dict[str, str] = {}
    for relation, name in JUDGED.items():
        mine = answers[(answers["relation"] == relation).to_numpy(bool)].drop_duplicates("query").sort_values("query")
        if not len(mine):
            # Scores are of use all the same, but nobody may take silence for a check that passed.
            not_judged[name] = "lists could not be judged: no answers of test customers; raise run.backtest_days"
            continue
        bootstrap = CustomerBootstrap.of(mine["customer"].to_numpy(np.int64), samples, seed)
        intervals = intervals_of([challenger[relation]], bootstrap)[0]
        figures |= {f"{name}_{metric}10": intervals[metric].to_dict() for metric in ("hr", "lift")}
        if relation == "basket":
            checks.append(
                (
                    # Where nothing goes with anything no list can beat chance, and scores are of use all the same.
                    intervals["lift"].high >= 1.0,
                    f"{name}: lift at ten {said(intervals['lift'], 2)} may not be below chance beyond doubt",
                )
            )
        if champion is not None:
            gain = gains_of(challenger[relation], champion[relation], bootstrap)
            before = intervals_of([champion[relation]], bootstrap)[0]["lift"].value
            figures |= {f"{name}_{metric}10_gain": gain[metric].to_dict() for metric in ("hr", "lift")}
            moved = f"{name}: hit rate at ten moves by {said(gain['hr'], 3, '+')} against the champion"
            checks.append(
                (
                    gain["hr"].value >= -limits.max_hit_rate_loss,
                    f"{moved} and may fall by {limits.max_hit_rate_loss:g}",
                )
            )
            moved = f"{name}: lift at ten moves by {said(gain['lift'], 2, '+')} against the champion's {before:.2f}"
            checks.append(
                (
                    # A champion that lists nothing for these sources has no lift to lose.
                    not np.isfinite(before) or gain["lift"].value >= -limits.max_lift_loss * before,
                    f"{moved} and may fall by a share of {limits.max_lift_loss:g}",
                )
            )
    return Verdict.of(checks, figures, not_judged)
