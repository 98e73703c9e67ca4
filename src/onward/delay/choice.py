"""How a log itself asks for its unfinished labels to be counted: `delay.estimator: auto`.

The simplest way are soft labels split by z(x, e). Three more elaborate ones are each held against the one before, on
customers whom the more elaborate one has not learnt from, and taken only where they convince:

1. z that knows what the customer did meanwhile: on matured history, at pretended clocks, on customers held out of z.
2. q moved to fresh labels, and z with it: each quarter of the customers is recalibrated by the other three, and q · G
   is held against which young labels are in. No matured label can say whether the rate has moved since.
3. Weights P/Q: a few trees from one half's labels, so weighed, against as many from its soft labels, on the fresh
   labels of the other half. Only where 2 has found that the rate has moved: otherwise there is nothing to follow.
   P/Q pays in variance and soft labels in bias, and a log seldom tells by itself which is dearer: unless it does so
   beyond two standard errors, the number of its conversions decides.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from onward.boosting import Boosting, Inputs
from onward.delay.boosting import fit_boosting, predict_boosting
from onward.delay.contract import LabelledRows, Snapshot
from onward.delay.evidence import NO_EVIDENCE, Evidence, compare
from onward.delay.learning import NuisanceModels, ObservedData
from onward.delay.outcomes import Flags
from onward.delay.pending_probability import categorical_columns
from onward.delay.plan import Plan, Positives, count_positives
from onward.delay.recalibration import (
    Recalibration,
    apply_recalibration,
    comparable,
    fit_recalibration,
    move_probability,
)
from onward.delay.soft_labels import soft_label
from onward.delay.weights import importance_weight
from onward.delay.window import Window, follow_delays
from onward.metrics.classification import cross_entropy
from onward.metrics.customer_bootstrap import deal_customers
from onward.random_streams import Stream

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

_QUARTERS = 4  # halves would recalibrate each other on so little that it is missed where few convert
_SURE = 2.0  # standard errors beyond which a log's own word counts for more than how many conversions it has
MANY_CONVERSIONS = 600  # independent ones, from which P/Q is ahead in worlds that drift (benchmarks.delay.simulated)
_TREES, _LEARNING_RATE = 40, 0.15  # enough to tell what rows say, at a third of the cost


@dataclass(frozen=True)
class Fresh:
    """What is known of the n impressions that models may learn from.

    Attributes:
        names: of the features.
        features: [n, f].
        snapshot: [n], delays followed.
        rate: q as history has it, [n].
        customer: [n].
        quarter: of the customers, 0 to 3, [n].
        positives: conversions among them.
    """

    names: tuple[str, ...]
    features: Inputs
    snapshot: Snapshot
    rate: Floats
    customer: Ids
    quarter: Ids
    positives: Positives

    @property
    def halves(self) -> tuple[Flags, Flags]:
        """Both halves of the customers, each over all n."""
        return self.quarter < 2, self.quarter >= 2

    @property
    def young(self) -> Flags:
        """Labels that say how the rate is now, [n]."""
        return ~self.snapshot.matured

    @property
    def tells(self) -> bool:
        """Whether every quarter has seen fresh conversions: without any, there is nothing to learn or to judge by."""
        return len(np.unique(self.quarter[self.snapshot.observed & self.young])) == _QUARTERS

    def compare(self, simpler: Floats, other: Floats) -> Evidence:
        """Compare two q [n] by which young labels are in: of those that convert, a share G is."""
        young = self.young
        delay_cdf, observed = self.snapshot.delay_cdf[young], self.snapshot.observed[young]
        losses = [cross_entropy(observed, rate[young] * delay_cdf) for rate in (simpler, other)]
        return compare(self.customer[young], *losses)


def choose_plan(
    data: ObservedData, nuisances: NuisanceModels, window: Window, customer: Ids, max_weight: float, boosting: Boosting
) -> Plan:
    """Ask the three questions.

    Args:
        data: what is known.
        nuisances: the fitted nuisances.
        window: the impressions to correct.
        customer: over the data.
        max_weight: importance weights are clipped here.
        boosting: how trees are grown, but for their number.
    """
    held = nuisances.held_out
    engagement = compare(customer[held.row], held.without_engagement, held.with_engagement)
    fresh = _gather(data, nuisances, window, customer, boosting.seed)
    if not engagement.convinces:
        fresh = replace(fresh, snapshot=fresh.snapshot.without_engagement)
    recalibration = weights = NO_EVIDENCE
    if fresh.tells:
        recalibration = fresh.compare(fresh.rate, recalibrate_quarters(fresh))
        if recalibration.convinces:
            soft = learn_halves(fresh, lambda half: soft_label(recalibrate(fresh, half)), boosting)
            weighed = learn_halves(fresh, lambda half: importance_weight(fresh.snapshot.of(half), max_weight), boosting)
            weights = fresh.compare(soft, weighed)
    return settle(engagement, recalibration, weights, fresh.positives)


def settle(engagement: Evidence, recalibration: Evidence, weights: Evidence, positives: Positives) -> Plan:
    """Make a plan of what convinces.

    >>> settle(Evidence(0.2, 0.1), Evidence(0.2, 0.1), Evidence(0.1, 0.1), Positives(900, 30.0)).estimator
    'soft_label'
    """
    weighs = recalibration.convinces and prefers_weights(weights, positives)
    name = ("importance_weight" if weighs else "soft_label") if engagement.convinces else ""
    name = name or ("fsiw" if weighs else "soft_label_without_engagement")
    taken = (engagement.convinces, recalibration.convinces and not weighs, weighs)
    evidence = {"engagement": engagement, "recalibration": recalibration, "weights": weights}
    words = ("engagement", "recalibration", "weights P/Q")
    said = ", ".join(map(_tell, words, evidence.values(), taken))
    return Plan(
        name,
        guards_delay=True,
        recalibrates=taken[1],
        reason=f"log loss that each gains on customers held out, and its standard error: {said}; "
        f"{positives.observed} conversions tell as much as {positives.independent:.0f} independent ones",
        independence=positives.independence,
        evidence=evidence,
    )


def prefers_weights(weights: Evidence, positives: Positives) -> bool:
    """Say whether P/Q is to be taken where the rate has moved.

    >>> [prefers_weights(Evidence(-0.1, 0.1), Positives(9000, alone)) for alone in (700.0, 70.0)]
    [True, False]
    >>> prefers_weights(Evidence(-0.3, 0.1), Positives(9000, 700.0))
    False
    """
    if abs(weights.gain) > _SURE * weights.error:
        return weights.gain > 0.0
    return positives.independent >= MANY_CONVERSIONS


def _tell(what: str, evidence: Evidence, taken: bool) -> str:  # noqa: FBT001 - one of three columns
    if evidence == NO_EVIDENCE:
        return f"{what} not asked"
    return f"{what} {evidence.gain:+.6f} ± {evidence.error:.6f} ({'taken' if taken else 'not taken'})"


def recalibrate_quarters(fresh: Fresh) -> Floats:
    """Give q of each quarter of the customers as the other three move it, [n]."""
    features, moved = comparable(fresh.features, fresh.names, fresh.young), np.zeros(len(fresh.rate))
    for number in range(_QUARTERS):
        judged = fresh.quarter == number
        found = _fit(fresh, features, ~judged)
        moved[judged] = move_probability(fresh.rate[judged], found.move(fresh.rate[judged], features[judged]))
    return moved


def recalibrate(fresh: Fresh, half: Flags) -> Snapshot:
    """Take a half of the customers, z recalibrated on it."""
    features = comparable(fresh.features, fresh.names, fresh.young)
    move = _fit(fresh, features, half).move(fresh.rate[half], features[half])
    return apply_recalibration(fresh.snapshot.of(half), move)


def learn_halves(fresh: Fresh, rows_of: Callable[[Flags], LabelledRows], boosting: Boosting) -> Floats:
    """Learn a few trees from the rows of either half, and let them say q of the other, [n]."""
    few = replace(boosting, iterations=min(_TREES, boosting.iterations), learning_rate=_LEARNING_RATE)
    said = np.zeros(len(fresh.rate))
    for half in fresh.halves:
        rows, judged = rows_of(half), ~half & fresh.young
        features = fresh.features[half]
        text = fit_boosting(
            features[rows.example], rows.label == 1, categorical_columns(fresh.names), few, weight=rows.weight
        )
        said[judged] = predict_boosting(text, fresh.features[judged], few.threads)
    return said


def _fit(fresh: Fresh, features: Floats, among: Flags) -> Recalibration:
    return fit_recalibration(fresh.snapshot.of(among), fresh.rate[among], features[among], fresh.positives.independence)


def _gather(data: ObservedData, nuisances: NuisanceModels, window: Window, customer: Ids, seed: int) -> Fresh:
    followed, _ = follow_delays(data, nuisances, window)
    row, snapshot = window.row[window.learning], followed.snapshot.of(window.learning)
    features, owner = data.features[row], customer[row]
    quarter = deal_customers(owner, _QUARTERS, np.random.default_rng([seed, Stream.CUSTOMER_QUARTERS]))
    positives = count_positives(owner[snapshot.observed])
    return Fresh(data.names, features, snapshot, nuisances.rate.predict(features), owner, quarter, positives)
