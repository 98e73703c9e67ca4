"""Every estimator by name, and those that a run may ask for.

`tests/unit/test_delay_closed_form.py` enumerates small worlds and files each name under exactly one of "unbiased" and
"biased, by this much"; a new name without a place in it fails the suite.
"""

from functools import partial

from onward.delay.contract import Estimator
from onward.delay.reference import naive, wait
from onward.delay.soft_labels import soft_label, soft_label_without_engagement
from onward.delay.weights import fsiw, importance_weight
from onward.errors import ParamsError

# They need a stream, the truth or the score of the model in training, which a run has not, or yield weights below zero.
FOR_BENCHMARKS = ("oracle", "dfm", "fnw", "fnc", "es_dfm", "defer", "defuse", "self_cancelling")
FOR_RUNS = ("naive", "wait", "soft_label", "soft_label_without_engagement", "importance_weight", "fsiw")


def choose_estimator(name: str, max_weight: float) -> Estimator:
    """Look up an estimator that works on what a run knows.

    Raises:
        ParamsError: the name is unknown, or is one that only benchmarks may use.
    """
    estimators: dict[str, Estimator] = {
        "naive": naive,
        "wait": wait,
        "soft_label": soft_label,
        "soft_label_without_engagement": soft_label_without_engagement,
        "importance_weight": partial(importance_weight, max_weight=max_weight),
        "fsiw": partial(fsiw, max_weight=max_weight),
    }
    if name not in estimators:
        why = "is for benchmarks only" if name in FOR_BENCHMARKS else "is unknown"
        raise ParamsError(f"delay.estimator = {name!r}: {why}; choose one of {', '.join(FOR_RUNS)}")
    return estimators[name]
