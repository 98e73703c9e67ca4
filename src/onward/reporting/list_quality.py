"""How the report words the judgement of the served lists.

It takes `results["related"]` as `evaluate` writes it: rows of served orders, one a weight, and of tuned baselines.
"""

from collections.abc import Mapping
from typing import Any

from onward.evaluation.related_comparison import SERVED
from onward.evaluation.related_queries import Relation
from onward.evaluation.related_tuning import TUNED_FOR
from onward.reporting.wording import interval, percent, percent_interval, tile

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


def describe_lists(related: Row) -> str:
    """How often what is said to go with a product does, beside the baseline that hits most."""
    served = [row for row in related["goes_with"] if is_served(row)]
    if not served:
        return "No test customer bought anything after the clock, so no list could be judged."
    ours = served[0]
    hits, lift = _hits_and_lift(served[0])
    text = f"Of ten products said to go with another, at least one is in the same basket in {percent_interval(hits)} "
    text += f"of queries; they hit {interval(lift, 1)} times as often as chance."
    others = [row for row in related["goes_with"] if not is_served(row)]
    if not others:
        return text
    best = max(others, key=lambda row: row["basket"][f"hr@{TUNED_FOR}"]["value"] or 0.0)
    their_hits, their_lift = _hits_and_lift(best)
    more = (their_hits["value"] or 0.0) > (hits["value"] or 0.0)
    return (
        f"{text} Of the baselines {name_of(best)} hits most, {'more' if more else 'not more'} often: "
        f"{percent_interval(their_hits)}, {interval(their_lift, 1)} times chance. It names {percent(best['coverage'])} "
        f"of the catalogue, Onward {percent(ours['coverage'])}."
    )


def list_tiles(related: Row) -> list[dict[str, str]]:
    """The figure of the lists at the top of the page; none where nothing could be judged."""
    served = [_hits_and_lift(row) for row in related["goes_with"] if is_served(row)]
    return [
        tile("Goes with", lift, one_decimal, f"times chance; a hit among ten in {percent(hits['value'])}")
        for hits, lift in served
    ]


def one_decimal(estimate: Row) -> str:
    """Format a value and its interval with one decimal."""
    return interval(estimate, 1)


def _hits_and_lift(row: Row) -> tuple[Row, Row]:
    return row["basket"][f"hr@{TUNED_FOR}"], row["basket"][f"lift@{TUNED_FOR}"]
