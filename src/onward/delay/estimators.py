"""Every estimator that a run may choose, by the names of `onward.choices.ESTIMATORS`.

`tests/unit/test_delay_closed_form.py` enumerates small worlds and files each name under exactly one of "unbiased" and
"biased, by this much"; a new name without a place in it fails the suite.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from onward.delay.contract import Estimator
from onward.delay.reference import naive, wait
from onward.delay.soft_labels import soft_label, soft_label_without_engagement
from onward.delay.weights import fsiw, importance_weight
from onward.errors import ParamsError

# They need a stream, the truth or the score of the model in training, which a run has not, or yield weights below zero.
FOR_BENCHMARKS = ("oracle", "dfm", "fnw", "fnc", "es_dfm", "defer", "defuse", "self_cancelling")

FOR_RUNS: Mapping[str, Callable[[float], Estimator]] = MappingProxyType(
    {
        "soft_label": lambda _: soft_label,
        "soft_label_without_engagement": lambda _: soft_label_without_engagement,
        "importance_weight": lambda max_weight: partial(importance_weight, max_weight=max_weight),
        "fsiw": lambda max_weight: partial(fsiw, max_weight=max_weight),
        "naive": lambda _: naive,
        "wait": lambda _: wait,
    }
)
"""By name, given the weight at which importance weights are clipped."""


BLIND = frozenset({"soft_label_without_engagement", "fsiw"})
"""Those that leave out what customers did meanwhile; what a label is expected to be leaves it out with them."""


def choose_estimator(name: str, max_weight: float) -> Estimator:
    """Look up an estimator that works on what a run knows.

    Raises:
        ParamsError: the name is unknown, or is one that only benchmarks may use.
    """
    if name not in FOR_RUNS:
        why = "is for benchmarks only" if name in FOR_BENCHMARKS else "is unknown"
        raise ParamsError(f"delay.estimator = {name!r}: {why}; choose one of {', '.join(FOR_RUNS)}")
    return FOR_RUNS[name](max_weight)
