"""Sums of a customer's rows: customers are independent of each other, their rows are not."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def sum_by_customer(customer: npt.ArrayLike, values: Floats) -> Floats:
    """Sum rows [n, k] over each customer [n]: [customers, k].

    Examples:
        >>> sum_by_customer([7, 3, 7], np.array([[1.0], [2.0], [3.0]])).tolist()
        [[2.0], [4.0]]
    """
    known, code = np.unique(np.asarray(customer), return_inverse=True)
    return np.stack([np.bincount(code, column, len(known)) for column in values.T], axis=1)


def spread_of_sum(customer: npt.ArrayLike, contribution: Floats) -> float:
    """Standard error of Σ contribution [n] whose expectation is 0, by customer [n] (Liang and Zeger 1986)."""
    sums = sum_by_customer(customer, contribution[:, None])[:, 0]
    return float(np.sqrt(sums @ sums * len(sums) / max(len(sums) - 1, 1)))
