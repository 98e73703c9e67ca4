"""Which estimator a run uses, and why; `auto` picks by how many conversions the window holds."""

from dataclasses import dataclass

# P/Q needs G(x, e) well known at small e, where weights are large. In simulated worlds it overtakes soft labels
# between four and five thousand observed conversions; benchmarks/delay_simulated.py measures both sides.
MANY_POSITIVES = 4500


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

    >>> plan_correction("auto", 20_000).estimator, plan_correction("auto", 900).recalibrates
    ('importance_weight', True)
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
