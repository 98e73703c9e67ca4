"""Which products a page shows first: well known, of different kinds, and picked by rule."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.data.contract import CATEGORY_SEPARATOR

MOST_OF_A_DEPARTMENT = 2
LEAST_OF_A_TYPE = 4

RULE = (
    f"The most bought products by rule, not by hand: one a category, at most {MOST_OF_A_DEPARTMENT} a department, "
    f"of types with at least {LEAST_OF_A_TYPE} products that have lists of their own."
)
"""The rule in a sentence."""


def well_known_products(
    paths: pd.Series, customers: npt.NDArray[np.float64], listed: npt.NDArray[np.bool_], count: int = 8
) -> list[int]:
    """The most bought products that have lists, one a category and few a department; equals by number.

    A path of categories is a department, then a category, then a type; one of fewer steps is each of them that it
    lacks. Where products have no path, or too few pass the rule, the most bought of the rest follow.

    Args:
        paths: [P] category path of each product, missing where unknown.
        customers: [P] who bought it.
        listed: [P] whether it has lists of its own.
        count: how many at most.

    >>> paths = pd.Series(["food > dairy > milk"] * 5 + ["food > bread > buns"] * 4 + ["home > paper > towels"] * 3)
    >>> well_known_products(paths, np.arange(12.0), np.ones(12, dtype=bool), 2)
    [8, 4]
    """
    text = paths.astype("string").fillna("").reset_index(drop=True)
    steps = text.str.split(CATEGORY_SEPARATOR)
    category = text.str.rsplit(CATEGORY_SEPARATOR, n=1).str[0]
    department = steps.str[0]
    of_type = text.map(text[listed].value_counts()).fillna(0).to_numpy(np.int64)
    order = np.flatnonzero(listed)
    order = order[np.argsort(-customers[order], kind="stable")]
    picked: list[int] = []
    categories: set[str] = set()
    departments: Counter[str] = Counter()
    for product in order.tolist():
        own_category = category[product]
        own_department = department[product]
        if not text[product] or of_type[product] < LEAST_OF_A_TYPE:
            continue
        if own_category in categories or departments[own_department] == MOST_OF_A_DEPARTMENT:
            continue
        categories.add(own_category)
        departments[own_department] += 1
        picked.append(product)
        if len(picked) == count:
            return picked
    chosen = set(picked)
    return picked + [product for product in order.tolist() if product not in chosen][: count - len(picked)]
