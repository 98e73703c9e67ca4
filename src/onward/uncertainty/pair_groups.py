"""The groups that reports, the group finder and accepted repairs speak of.

Bounds are fixed, not quantiles of a run's rows: a group that a person has accepted in params.yaml must mean the same
pairs next week.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.data.contract import CATEGORY_SEPARATOR

Groups = dict[str, npt.NDArray[np.str_]]
Columns = Mapping[str, npt.NDArray[np.float32]]

_BUCKETS = {
    "visits": ("customer_visits_28d", (1, 4, 8), ("none", "1 to 3", "4 to 7", "8 or more")),
    "degree": ("count_target_in_degree", (1, 10, 30), ("none", "1 to 9", "10 to 29", "30 or more")),
    "buyers": ("count_target_customers", (1, 100, 300), ("none", "1 to 99", "100 to 299", "300 or more")),
    "history": ("target_purchases", (1,), ("never bought", "bought before")),
}
"""Column of the report: feature, bounds (each belongs to the class above it) and the names of the classes."""

GROUP_FEATURES = tuple(feature for feature, _, _ in _BUCKETS.values())
"""What groups are told by, beside the target."""


def pair_groups(frame: pd.DataFrame | Columns, category: pd.Series, target: npt.NDArray[np.int64]) -> Groups:
    """Say for every pair which group it is in, by each column.

    `department` is the target's; `visits` how often the customer came in the last 28 days; `degree` from how many
    products an edge leads to the target, none for what the graph does not know; `buyers` how many customers bought it;
    `history` whether this customer ever did. A column whose feature the source lacks is left out.

    Args:
        frame: [n] the scorer's input, or its columns by name.
        category: [P] path of each product, top first; may be missing.
        target: [n] inside numbers.
    """
    path = category.iloc[target].fillna("").astype(str)
    groups = {"department": path.str.partition(CATEGORY_SEPARATOR)[0].to_numpy(str)}
    for column, (feature, bounds, names) in _BUCKETS.items():
        if feature in frame:
            values = np.nan_to_num(np.asarray(frame[feature], np.float64))
            groups[column] = np.array(names)[np.searchsorted(bounds, values, side="right")]
    return groups
