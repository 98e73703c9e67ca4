"""How the report words the judgement of the served lists.

It takes `results["related"]` as `evaluate` writes it: rows of served orders, one a weight, and of tuned baselines.
"""

from collections.abc import Mapping
from typing import Any

from onward.evaluation.related_comparison import SERVED
from onward.evaluation.related_queries import Relation
from onward.evaluation.related_tuning import TUNED_FOR
from onward.evaluation.report_words import interval, percent_interval

Row = Mapping[str, Any]

RELEVANT: Mapping[Relation, str] = {"basket": "in the same basket", "later": "newly bought later"}
"""How the page says what is relevant."""

METHODS = {
    "popularity": "popularity",
    "popularity_among_new": "popularity among new purchases",
    "counts": "counts of what follows",
    "cooccurrence": "counts of the same basket",
}
"""What the page calls each baseline."""


def name_of(row: Row) -> str:
    """What the page calls the method of a row.

    >>> name_of({"method": "served", "weight": 0.25}), name_of({"method": "served"}), name_of({"method": "counts"})
    ('Onward, weight 0.25', 'Onward, as served', 'counts of what follows')
    """
    if row["method"] != SERVED:
        return METHODS.get(row["method"], str(row["method"]).replace("_", " "))
    return "Onward, as served" if "weight" not in row else f"Onward, weight {row['weight']:g}"


def is_served(row: Row) -> bool:
    """Whether the row is the deployed model's."""
    return bool(row["method"] == SERVED)


def say_lists(related: Row) -> str:
    """How often what is said to go with a product does, beside the baseline that hits most."""
    served = [row for row in related["goes_with"] if is_served(row)]
    if not served:
        return "No test customer bought anything after the clock, so no list could be judged."
    hits, lift = (served[0]["basket"][f"{name}@{TUNED_FOR}"] for name in ("hr", "lift"))
    text = f"Of ten products said to go with another, at least one is in the same basket in {percent_interval(hits)} "
    text += f"of queries, {interval(lift, 1)} times as often as chance would hit."
    others = [row for row in related["goes_with"] if not is_served(row)]
    if not others:
        return text
    best = max(others, key=lambda row: row["basket"][f"hr@{TUNED_FOR}"]["value"] or 0.0)
    hits, lift = (best["basket"][f"{name}@{TUNED_FOR}"] for name in ("hr", "lift"))
    return text + f" By {name_of(best)}: {percent_interval(hits)}, {interval(lift, 1)} times."
