"""What a run does with unfinished labels, and how much its conversions tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from onward.delay.evidence import Evidence


@dataclass(frozen=True)
class Plan:
    """What a run does with unfinished labels.

    Attributes:
        estimator: a name for `choose_estimator`.
        guards_delay: move G and z when fresh conversions come faster or slower than history's.
        recalibrates: fit z to fresh examples.
        reason: one sentence for the report.
        independence: of `Positives`; fresh examples count for so much in the recalibration.
        evidence: what `auto` compared, by name; nothing where the estimator was named.
    """

    estimator: str
    guards_delay: bool
    recalibrates: bool
    reason: str
    independence: float = 1.0
    evidence: Mapping[str, Evidence] = field(default_factory=dict)


@dataclass(frozen=True)
class Positives:
    """Conversions that models may learn from.

    Attributes:
        observed: how many.
        independent: how many of one customer each would tell as much: (Σ n)² / Σ n² over customers with n each (Kish,
            "Survey sampling", 1965). One shopping trip may settle many impressions at once.
    """

    observed: int
    independent: float

    @property
    def independence(self) -> float:
        """How much of an independent conversion each one tells; 1 without conversions."""
        return self.independent / self.observed if self.observed else 1.0


def count_positives(customer: npt.ArrayLike) -> Positives:
    """Count conversions by the customer [n] of each.

    >>> count_positives([1, 2, 3, 4]).independent, count_positives([1, 1, 1, 1]).independent
    (4.0, 1.0)
    """
    _, conversions_each = np.unique(np.asarray(customer), return_counts=True)
    observed = int(conversions_each.sum())
    return Positives(
        observed, observed**2 / float((conversions_each.astype(np.float64) ** 2).sum()) if observed else 0.0
    )


def named_plan(estimator: str) -> Plan:
    """What a name in `delay.estimator` asks for: that estimator and nothing else.

    >>> named_plan("fsiw").recalibrates
    False
    """
    return Plan(estimator, guards_delay=False, recalibrates=False, reason="named in params.yaml")
