"""Whether one way of saying a probability serves held-out customers better than a simpler one."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.metrics.customer_bootstrap import error_of_sum

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """What a more elaborate way gains over a simpler one.

    Attributes:
        gain: of log loss, nats a label.
        error: standard error of it, by customer.
    """

    gain: float
    error: float

    @property
    def convinces(self) -> bool:
        """More than one standard error: what differs less is done the simpler way.

        Breiman et al., "Classification and regression trees" (1984), section 3.4.3.
        """
        return self.gain > self.error


NO_EVIDENCE = Evidence(0.0, 0.0)


def compare(customer: npt.NDArray[np.int64], simpler: Floats, other: Floats) -> Evidence:
    """Compare the log losses [n] of two ways on the same labels, of customers [n]; one customer alone proves nothing.

    >>> compare(np.array([1, 1, 2]), np.array([0.5, 0.5, 0.5]), np.array([0.25, 0.25, 0.25])).convinces
    True
    >>> compare(np.array([1, 1, 1]), np.array([0.5, 0.5, 0.5]), np.array([0.25, 0.25, 0.25])).convinces
    False
    """
    if len(np.unique(customer)) < 2:
        return NO_EVIDENCE
    gained = simpler - other
    mean = float(gained.mean())
    return Evidence(mean, error_of_sum(customer, gained - mean) / len(gained))
