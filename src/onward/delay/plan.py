"""Which estimator a run uses, and why; `auto` picks by how many conversions the window holds."""

from dataclasses import dataclass

# P/Q pays in variance, soft labels in bias: z is as old as the window, so that a drifting world has left it behind.
# With G held to the delay curve while conversions are few, this is where the one overtakes the other in worlds that
# drift; where nothing drifts, soft labels are ahead at any number. benchmarks/delay_simulated.py shows both sides of
# the rule in every world.
MANY_POSITIVES = 600


@dataclass(frozen=True)
class Plan:
    """What a run does with unfinished labels.

    Attributes:
        estimator: a name for `choose_estimator`.
        guards_delay: tilt G and z when fresh conversions come faster or slower than history's.
        recalibrates: fit offset and slope of z on fresh examples.
        reason: one sentence for the report.
    """

    estimator: str
    guards_delay: bool
    recalibrates: bool
    reason: str


def plan_correction(name: str, positives: int) -> Plan:
    """Settle what `delay.estimator` asks for, given the observed conversions that models may learn from.

    >>> plan_correction("auto", 20_000).estimator, plan_correction("auto", 90).estimator
    ('importance_weight', 'soft_label')
    """
    if name != "auto":
        return Plan(name, guards_delay=False, recalibrates=False, reason="named in params.yaml")
    if positives >= MANY_POSITIVES:
        reason = f"{positives} observed conversions, at least {MANY_POSITIVES}: weights P/Q resist a moving rate"
        return Plan("importance_weight", guards_delay=True, recalibrates=False, reason=reason)
    reason = (
        f"{positives} observed conversions, below {MANY_POSITIVES}: soft labels vary less, recalibrated on fresh data"
    )
    return Plan("soft_label", guards_delay=True, recalibrates=True, reason=reason)
