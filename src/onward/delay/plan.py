"""Which estimator a run uses, and why; `auto` picks by how much the conversions of the window tell."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# P/Q pays in variance, soft labels in bias: z is as old as the window, so that a drifting world has left it behind.
# With G held to the delay curve while conversions are few, this is where the one overtakes the other in worlds that
# drift; where nothing drifts, soft labels are ahead at any number. benchmarks/delay/simulated.py shows both sides of
# the rule in every world.
MANY_POSITIVES = 600


@dataclass(frozen=True)
class Plan:
    """What a run does with unfinished labels.

    Attributes:
        estimator: a name for `choose_estimator`.
        guards_delay: move G and z when fresh conversions come faster or slower than history's.
        recalibrates: fit z to fresh examples.
        reason: one sentence for the report.
        independence: of `Positives`; fresh examples count for so much in the recalibration.
    """

    estimator: str
    guards_delay: bool
    recalibrates: bool
    reason: str
    independence: float = 1.0


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


def plan_correction(name: str, positives: Positives) -> Plan:
    """Settle what `delay.estimator` asks for, given the observed conversions that models may learn from.

    >>> plan_correction("auto", Positives(20_000, 9_000.0)).estimator
    'importance_weight'
    >>> plan_correction("auto", Positives(20_000, 90.0)).estimator
    'soft_label'
    """
    if name != "auto":
        return Plan(name, guards_delay=False, recalibrates=False, reason="named in params.yaml")
    told = f"{positives.observed} observed conversions tell as much as {positives.independent:.0f} independent ones"
    if positives.independent >= MANY_POSITIVES:
        reason = f"{told}, at least {MANY_POSITIVES}: weights P/Q resist a moving rate"
        return Plan("importance_weight", guards_delay=True, recalibrates=False, reason=reason)
    reason = f"{told}, below {MANY_POSITIVES}: soft labels vary less, recalibrated on fresh data"
    return Plan("soft_label", guards_delay=True, recalibrates=True, reason=reason, independence=positives.independence)
