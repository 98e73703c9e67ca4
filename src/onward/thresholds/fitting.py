"""From scored examples to the policy that is deployed: search, abstain band, certificate."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from onward.errors import DataError
from onward.random_streams import Stream
from onward.thresholds.certificate import MARGINS, Certificate, certify
from onward.thresholds.comparison import Comparison, compare_searches
from onward.thresholds.frontier import SearchResult
from onward.thresholds.policy import Policy
from onward.thresholds.searches import Examples, search_boundary
from onward.thresholds.target import Target


@dataclass(frozen=True)
class Fitted:
    """The policy and how it came about.

    Attributes:
        comparison: every search on the searched examples, for the precision that could be certified where asked.
        result: the chosen search's boundary, the certified one where a certificate was asked.
        policy: what is deployed.
        certificate: None where none was asked.
    """

    comparison: Comparison
    result: SearchResult
    policy: Policy
    certificate: Certificate | None

    def to_dict(self) -> dict[str, Any]:
        """Return the boundary, the policy and, where asked, the certificate, ready for JSON."""
        return {**self.result.to_dict(), **self.policy.to_dict(), **self._promise()}

    def figures(self) -> dict[str, Any]:
        """Return what metrics say of the fit."""
        return {
            "measured_on": "the threshold split that the cuts were fitted to, with expected labels: optimistic",
            "search": self.result.search,
            "precision_target": self.result.precision_target,
            "searches": self.comparison.figures(),
            **self._promise(),
        }

    def _promise(self) -> dict[str, Any]:
        return {"certificate": self.certificate.to_dict()} if self.certificate else {}


def fit_policy(
    score: npt.NDArray[np.float64],
    level: npt.NDArray[np.int64],
    expected: npt.NDArray[np.float64],
    customer: npt.NDArray[np.int64],
    target: Target,
    *,
    search: str,
    levels: int,
    bins_per_level: int,
    abstain_precision: float | None,
    certificate_alpha: float | None,
    seed: int,
) -> Fitted:
    """Search the boundary; where a certificate is asked, on one half of the customers, and certify on the other.

    Args:
        score: [n].
        level: [n] uncertainty level, 0 .. levels - 1.
        expected: [n] expected label in [0, 1].
        customer: [n]; a customer is never on both sides of a certificate.
        target: what is asked.
        search: a name of `onward.choices.SEARCHES`.
        levels: number of levels.
        bins_per_level: how finely a level may be cut.
        abstain_precision: a lower precision; what only its boundary would show is abstained from. None: no band.
        certificate_alpha: chance of a wrong certificate; None asks for none.
        seed: of the control and of the halves.

    Raises:
        InfeasibleTargetError: no boundary keeps the target, or none can be certified.
        DataError: a certificate or a band is asked that the target does not allow.
    """
    if certificate_alpha is not None and target.kind != "precision":
        raise DataError(f"certificate: it promises a precision, not {target}; set thresholds.target: precision")
    searched = _searched_on(customer, certificate_alpha, seed)
    certifying = ~searched
    examples = Examples(score[searched], level[searched], expected[searched], levels, bins_per_level)

    def boundary(demand: Target) -> SearchResult:
        return search_boundary(search, examples, demand)

    goal = target
    certificate = None
    if certificate_alpha is not None:
        boundary(target).require_feasible()
        held_out = (score[certifying], level[certifying], expected[certifying], customer[certifying])
        certificate = _certificate(boundary, target.value, *held_out, certificate_alpha)
        goal = Target("precision", certificate.fitted_precision or target.value)
    comparison = compare_searches(
        score[searched],
        level[searched],
        expected[searched],
        goal,
        levels=levels,
        bins_per_level=bins_per_level,
        seed=seed,
        extra=(search,),
    )
    result = comparison.results[search]
    result.require_feasible()
    promised = result.precision_target if certificate is None else certificate.promised
    policy = Policy(result.search, promised, result.cuts)
    if abstain_precision is not None:
        if not abstain_precision < promised:
            raise DataError(
                f"thresholds.abstain_precision = {abstain_precision:g}: the band lies below the boundary, whose "
                f"precision is {promised:g}; ask for less"
            )
        policy = Policy.with_band(policy, _policy(boundary(Target("precision", abstain_precision))))
    return Fitted(comparison, result, policy, certificate)


def _certificate(
    boundary: Callable[[Target], SearchResult],
    promised: float,
    score: npt.NDArray[np.float64],
    level: npt.NDArray[np.int64],
    expected: npt.NDArray[np.float64],
    customer: npt.NDArray[np.int64],
    alpha: float,
) -> Certificate:
    tried = [boundary(Target("precision", precision)) for precision in stricter(promised)]
    policies = [_policy(result) for result in tried if result.feasible]
    _, certificate = certify(policies, score, level, expected, customer, promised, alpha)
    certificate.require_certified()
    return certificate


def stricter(promised: float) -> tuple[float, ...]:
    """Return the precisions to search for, so that one of them may be certified for what is promised.

    Examples:
        >>> stricter(0.8)[:3], len(stricter(0.8))
        ((0.8, 0.816, 0.832), 10)
    """
    return tuple(round(promised * margin, 12) for margin in MARGINS if promised * margin < 1.0)


def _policy(result: SearchResult) -> Policy:
    return Policy(result.search, result.precision_target, result.cuts)


def _searched_on(customer: npt.NDArray[np.int64], certificate_alpha: float | None, seed: int) -> npt.NDArray[np.bool_]:
    """[n] whether a boundary is searched on a customer's examples; where a certificate is asked, on half of them."""
    if certificate_alpha is None:
        return np.ones(len(customer), np.bool_)
    customers, code = np.unique(customer, return_inverse=True)
    order = np.random.default_rng([seed, Stream.CERTIFICATE_HALVES]).permutation(len(customers))
    return np.asarray(order[code] < (len(customers) + 1) // 2, dtype=np.bool_)
