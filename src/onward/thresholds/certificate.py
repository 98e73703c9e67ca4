"""A promise about precision that holds on customers nobody looked at, with a stated chance of being wrong."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from onward.errors import DataError, InfeasibleTargetError
from onward.thresholds.policy import Policy

# How much more than the promise is asked on the searched split, strictest last; each is one look at the certified one.
MARGINS = (1.0, 1.05, 1.1, 1.2, 1.35, 1.5, 2.0)


@dataclass(frozen=True)
class Certificate:
    """What customers that no search has seen say about a policy.

    Attributes:
        promised: the precision asked.
        alpha: chance that a policy with a lower precision is certified, over all looks together.
        looks: policies that were tried on the certifying customers.
        fitted_precision: the precision that the kept policy was searched for; None where none is certified.
        lower_bound: of the kept policy's precision, or the highest bound of all looks where none is certified.
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
                f"thresholds.precision_target = {self.promised:g}: none of {self.looks} boundaries can be certified at "
                f"alpha {self.alpha:g}, the best lower bound is {self.lower_bound:.4f} ({self.shown} shown); lower the "
                "target, raise thresholds.certificate_alpha or enlarge splits.threshold"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {**asdict(self), "certified": self.certified}


def precision_lower_bound(label: npt.ArrayLike, shown: npt.ArrayLike, customer: npt.ArrayLike, alpha: float) -> float:
    """Lower confidence bound of the precision among shown examples, at 1 - alpha.

    Clopper and Pearson's exact bound (Biometrika 1934) on as many independent examples as the shown ones are worth:
    examples of one customer are alike, so their number is divided by the design effect, the ratio of the variance
    between customers to that of independent draws (Kish 1965), never below 1.

    Args:
        label: [n] in [0, 1].
        shown: [n] bool.
        customer: [n] who each example belongs to.
        alpha: chance of a bound above the truth.
    """
    rows = np.asarray(shown, np.bool_)
    labels = np.asarray(label, np.float64)[rows]
    count, positives = len(labels), float(labels.sum())
    if positives <= 0.0:
        return 0.0
    _, code = np.unique(np.asarray(customer)[rows], return_inverse=True)
    rate, customers = positives / count, int(code.max()) + 1
    scatter = np.bincount(code, weights=labels - rate)
    variance = float(scatter @ scatter) / count**2 * customers / max(customers - 1, 1)
    effect = max(1.0, variance * count / (rate * (1.0 - rate))) if rate < 1.0 and customers > 1 else 1.0
    worth = count / effect
    return float(beta.ppf(alpha, rate * worth, worth - rate * worth + 1.0))


def certify(
    policies: Sequence[Policy],
    score: npt.ArrayLike,
    level: npt.ArrayLike,
    label: npt.ArrayLike,
    customer: npt.ArrayLike,
    promised: float,
    alpha: float,
) -> tuple[Policy | None, Certificate]:
    """Keep the policy that shows most among those whose precision is at least `promised`, at 1 - alpha.

    Every policy is one look, so each is held to alpha / looks (Bonferroni): the chance that any policy with a true
    precision below the promise passes is at most alpha, whichever is then kept.

    Args:
        policies: searched on other customers; their `precision_target` is what they were searched for.
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
    bounds = [precision_lower_bound(labels, shown, customer, alpha / len(policies)) for shown in decided]
    passed = [i for i, bound in enumerate(bounds) if bound >= promised]
    kept = max(passed, key=lambda i: decided[i].sum()) if passed else int(np.argmax(bounds))
    certificate = Certificate(
        promised=promised,
        alpha=alpha,
        looks=len(policies),
        fitted_precision=policies[kept].precision_target if passed else None,
        lower_bound=bounds[kept],
        shown=int(decided[kept].sum()),
        positives=float(labels[decided[kept]].sum()),
    )
    return (policies[kept] if passed else None), certificate
