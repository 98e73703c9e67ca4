"""Which customers train, select, calibrate, set thresholds and test: five disjoint groups, drawn by hash.

A customer's group depends on the id and the salt alone. So it is the same in every run and on every machine,
new customers move nobody, and no purchase can settle an example of two groups at once.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np

SPLITS: tuple[str, ...] = ("train", "selection", "calibrate", "threshold", "test")


def assign_splits(customer_ids: Sequence[str], shares: Mapping[str, float], salt: str) -> np.ndarray:
    """Name the split of each customer.

    Args:
        customer_ids: outside ids, [n]; repeated ids get the same split.
        shares: share of customers for each name in `SPLITS`, summing to 1.
        salt: another salt draws other groups.

    Returns:
        Split names, [n].

    >>> splits = assign_splits(["ann", "bob", "ann"], dict.fromkeys(SPLITS, 0.2), "salt")
    >>> bool(splits[0] == splits[2])
    True
    """
    places = np.fromiter((_place(customer, salt) for customer in customer_ids), np.float64, len(customer_ids))
    # The last edge is left out, so that rounding of the sum can leave no customer without a split.
    edges = np.cumsum([shares[name] for name in SPLITS])[:-1]
    return np.array(SPLITS)[np.searchsorted(edges, places, side="right")]


def _place(customer_id: str, salt: str) -> float:
    """A number in [0, 1) that looks uniform over customers."""
    # The separator keeps ("a", "bc") and ("ab", "c") apart.
    digest = blake2b(f"{salt}\0{customer_id}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2.0**53
