"""A promise about precision that holds on customers nobody looked at, with a stated chance of being wrong."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from onward.errors import DataError, InfeasibleTargetError
from onward.thresholds.policy import Policy

_LEAST_CUSTOMERS = 10
# How much more than the promise is asked on the searched split; each is one look at the certifying one.
MARGINS = (1.0, 1.02, 1.04, 1.06, 1.08, 1.1, 1.12, 1.15, 1.18, 1.21, 1.25, 1.3, 1.35, 1.4, 1.5)


@dataclass(frozen=True)
class Certificate:
    """What customers that no search has seen say about a policy.

    Attributes:
        promised: the precision asked.
        alpha: chance that a policy with a lower precision is certified, over all looks together.
        looks: policies that were tried on the certifying customers, the refused one included.
        fitted_precision: the precision that the kept policy was searched for; None where none is certified.
        lower_bound: of the kept policy's precision, or of the strictest policy where none is certified.
        shown: certifying examples that this policy shows.
        positives: expected positives among them.
    """

    promised: float
    alpha: float
    looks: int
    fitted_precision: float | None
    lower_bound: float
    shown: int
    positives: float

    @property
    def certified(self) -> bool:
        """Whether some policy keeps the promise."""
        return self.fitted_precision is not None

    def require_certified(self) -> None:
        """Let a certified promise pass.

        Raises:
            InfeasibleTargetError: there is none; the message says how far the bound goes.
        """
        if not self.certified:
            raise InfeasibleTargetError(
                f"thresholds.precision_target = {self.promised:g}: no boundary can be certified at alpha "
                f"{self.alpha:g}, the strictest has lower bound {self.lower_bound:.4f} ({self.shown} shown); lower the "
                "target, raise thresholds.certificate_alpha or enlarge splits.threshold"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {**asdict(self), "certified": self.certified}


def precision_lower_bound(label: npt.ArrayLike, shown: npt.ArrayLike, customer: npt.ArrayLike, alpha: float) -> float:
    """Lower confidence bound of the precision among shown examples, at 1 - alpha.

    Clopper and Pearson's exact bound (Biometrika 1934) on as many independent examples as the shown ones are worth:
    examples of one customer are alike, so their number is divided by the design effect, the ratio of the variance
    between customers to that of independent draws (Kish 1965), never below 1. Of fewer than ten customers, or where all
    shown examples are positive, the scatter between customers says nothing: each customer counts as one example.

    Args:
        label: [n] in [0, 1].
        shown: [n] bool.
        customer: [n] who each example belongs to.
        alpha: chance of a bound above the truth.
    """
    rows = np.asarray(shown, np.bool_)
    labels = np.asarray(label, np.float64)[rows]
    count = len(labels)
    positives = float(labels.sum())
    if positives <= 0.0:
        return 0.0
    _, code = np.unique(np.asarray(customer)[rows], return_inverse=True)
    rate = positives / count
    customers = int(code.max()) + 1
    if customers < _LEAST_CUSTOMERS or rate >= 1.0:
        worth = float(customers)
    else:
        scatter = np.bincount(code, weights=labels - rate)
        variance = float(scatter @ scatter) / count**2 * customers / (customers - 1)
        worth = count / max(1.0, variance * count / (rate * (1.0 - rate)))
    return float(betaincinv(rate * worth, worth - rate * worth + 1.0, alpha))


def certify(
    policies: Sequence[Policy],
    score: npt.ArrayLike,
    level: npt.ArrayLike,
    label: npt.ArrayLike,
    customer: npt.ArrayLike,
    promised: float,
    alpha: float,
) -> tuple[Policy | None, Certificate]:
    """Go from the strictest policy towards the loosest and keep the last whose precision is at least `promised`.

    The order is fixed before the certifying examples are seen, and the walk ends at the first policy that fails, so
    every look may use the whole of alpha (fixed-sequence testing: Maurer, Hothorn and Lehmacher 1995): for a policy
    below the promise to be kept, the first such policy on the way must pass, which happens with chance alpha at
    most. Dividing alpha by the looks would hold too, and costs more recall (`python -m benchmarks.doubt.certificate`).

    Args:
        policies: searched on other customers; their `precision_target`, what they were searched for, orders them.
        score: [n] of the certifying examples.
        level: [n].
        label: [n] in [0, 1].
        customer: [n].
        promised: the precision to certify.
        alpha: chance of a wrong certificate.

    Raises:
        DataError: there is nothing to certify, or nothing to certify it on.
    """
    if not policies or not len(np.asarray(score)):
        raise DataError(
            f"certificate: {len(policies)} policies and {len(np.asarray(score))} certifying examples, need one of "
            "each at least; enlarge splits.threshold"
        )
    labels = np.asarray(label, np.float64)
    decided = [policy.decide(score, level) for policy in policies]
    order = sorted(range(len(policies)), key=lambda i: -policies[i].precision_target)
    kept = None
    looks = 0
    bound = 0.0
    for i in order:
        looks += 1
        lower = precision_lower_bound(labels, decided[i], customer, alpha)
        if lower < promised:
            bound = bound if kept is not None else lower
            break
        kept = i
        bound = lower
    described = order[0] if kept is None else kept
    certificate = Certificate(
        promised=promised,
        alpha=alpha,
        looks=looks,
        fitted_precision=None if kept is None else policies[kept].precision_target,
        lower_bound=bound,
        shown=int(decided[described].sum()),
        positives=float(labels[decided[described]].sum()),
    )
    return (None if kept is None else policies[kept]), certificate
