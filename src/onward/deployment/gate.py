"""May a challenger take the champion's place? A pure function of both models' scores on the same rows.

Absolute checks need no champion: the order beats chance beyond doubt, the size of the probabilities is about right, and
the policy shows something. Against a champion, NLL and recall may not be worse by more than the limits allow.

Recall is compared at matched volume, the number of rows that the challenger's policy shows: recall at a precision
moves mostly with where a cut happens to land. Limits are held against the *estimate*, not the bad end of its interval.
On a backtest of a few hundred conversions the bad end refuses most challengers that are as good as the champion, which
would grow stale behind a gate that never opens; tests/statistical/test_deployment_gate_rates.py holds how often the
estimate does. The paired intervals are in the reasons, so that a reader sees how sure the verdict is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from onward.metrics.classification import auc, cross_entropy
from onward.metrics.customer_bootstrap import CustomerBootstrap
from onward.metrics.intervals import Interval
from onward.metrics.matched_volume import top_by_score

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Check = tuple[bool, str]
"""Whether it passed, and what was asked, in words."""

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Rows:
    """Who the rows belong to and what became of them: [n] each."""

    customer: npt.NDArray[np.int64]
    label: Floats


@dataclass(frozen=True)
class Scored:
    """What one model says of the rows: [n] each."""

    score: Floats
    probability: Floats
    shown: Flags


@dataclass(frozen=True)
class Limits:
    """When a challenger passes; see `gate` in params.yaml."""

    max_nll_increase: float
    max_recall_loss: float
    pcoc_low: float
    pcoc_high: float


@dataclass(frozen=True)
class Verdict:
    """Whether to promote, and why.

    Attributes:
        promote: whether it may take over.
        reasons: every check in words: those that failed first, then those for which there was nothing to judge by.
        figures: behind the checks.
        not_judged: names of what there was nothing to judge by; it keeps nobody from promotion.
    """

    promote: bool
    reasons: tuple[str, ...]
    figures: Mapping[str, dict[str, float | None]]
    not_judged: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        checks: Sequence[Check],
        figures: Mapping[str, dict[str, float | None]],
        not_judged: Mapping[str, str] = _NOTHING,
    ) -> "Verdict":
        """Promote if every check passed; `not_judged` says by name what could not be checked, and why."""
        failed = tuple(f"refused: {text}" for passed, text in checks if not passed)
        left_out = tuple(f"{_NOT_JUDGED}: {name}: {text}" for name, text in not_judged.items())
        passed = tuple(f"passed: {text}" for passed, text in checks if passed)
        return cls(not failed, failed + left_out + passed, figures, tuple(not_judged))

    def together_with(self, other: "Verdict") -> "Verdict":
        """Promote if both would; what failed comes first."""
        reasons = tuple(sorted((*self.reasons, *other.reasons), key=_place))
        not_judged = (*self.not_judged, *other.not_judged)
        return Verdict(self.promote and other.promote, reasons, {**self.figures, **other.figures}, not_judged)


def judge(rows: Rows, challenger: Scored, champion: Scored | None, limits: Limits, samples: int, seed: int) -> Verdict:
    """Judge a challenger on rows that neither model was trained on.

    Args:
        rows: at least one conversion and one row without.
        challenger: its scores.
        champion: the scores of the model in use on the same rows; None if nothing is deployed.
        limits: what is asked.
        samples: resamples of customers for the intervals.
        seed: of the resamples.
    """
    label = rows.label
    positives = int(rows.label.sum())
    if positives == 0 or positives == len(label):
        return refusal(f"{positives} of {len(label)} rows converted, so nothing can be judged; raise run.backtest_days")
    draw = CustomerBootstrap.of(rows.customer, samples, seed)
    order = auc(label, challenger.score, draw)
    size = draw.ratio(challenger.probability, label)
    figures = {"auc": order.to_dict(), "pcoc": size.to_dict()}
    checks = []
    checks.append((order.low > 0.5, f"AUC {said(order, 3)} must be above 0.5 beyond doubt"))
    checks.append(
        (
            limits.pcoc_low <= size.value <= limits.pcoc_high,
            f"predicted over observed {said(size, 3)} must be between {limits.pcoc_low:g} and {limits.pcoc_high:g}",
        )
    )
    shown = int(challenger.shown.sum())
    checks.append((shown > 0, f"the policy shows {shown} of {len(label)} rows and must show some"))
    if champion is not None:
        worse = draw.ratio_difference(
            cross_entropy(label, challenger.probability),
            np.ones(len(label)),
            cross_entropy(label, champion.probability),
            np.ones(len(label)),
        )
        # At least one row, so that a policy that shows nothing is refused for that and not for a recall of 0/0.
        new, old = (top_by_score(scores.score, max(shown, 1)) for scores in (challenger, champion))
        gain = draw.ratio_difference(label * new, label, label * old, label)
        figures |= {"nll_increase": worse.to_dict(), "recall_gain": gain.to_dict()}
        checks.append(
            (
                worse.value <= limits.max_nll_increase,
                f"NLL moves by {said(worse, 5, '+')} against the champion and may rise by {limits.max_nll_increase:g}",
            )
        )
        checks.append(
            (
                gain.value >= -limits.max_recall_loss,
                (
                    f"recall in the top {shown} rows moves by {said(gain, 4, '+')} "
                    f"and may fall by {limits.max_recall_loss:g}"
                ),
            )
        )
    return Verdict.of(checks, figures)


def refusal(reason: str) -> Verdict:
    """A verdict without a comparison."""
    return Verdict(promote=False, reasons=(f"refused: {reason}",), figures={})


def _place(reason: str) -> int:
    """Where a reason stands: what was refused, what could not be judged, what passed."""
    return 0 if reason.startswith("refused") else 1 if reason.startswith(_NOT_JUDGED) else 2


def said(interval: Interval, digits: int, sign: str = "") -> str:
    """A value with its interval, as reasons give it."""
    value, low, high = (f"{number:{sign}.{digits}f}" for number in (interval.value, interval.low, interval.high))
    return f"{value} ({low} to {high})"
