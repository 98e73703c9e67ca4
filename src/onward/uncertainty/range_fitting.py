"""Ranges as wide as they must be: split conformal prediction for batches of pairs.

Each batch of pairs whose customers neither heads nor calibrator saw asks for the smallest reach whose range holds the
share that converted. The ceil((b + 1) · promised)-th smallest of b such reaches holds the next batch with the promised
chance, whatever the model, as far as batches are exchangeable (Papadopoulos et al., ECML 2002; Angelopoulos and Bates,
arXiv 2107.07511). One reach has to do for every way to take batches, so the widest counts. No allowance is made for
the luck of a batch: the share itself, not what may lie behind it, has to be inside.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from onward.errors import DataError
from onward.metrics.customer_bootstrap import deal_customers
from onward.random_streams import Stream
from onward.uncertainty.calibration import MonotoneCalibrator
from onward.uncertainty.chance_range import FURTHEST, NOTHING_KNOWN, ChanceRange, shifted
from onward.uncertainty.pair_batches import Floats, Ints, batches_of, ways_to_batch

CalibratedWithout = Callable[[Ints], MonotoneCalibrator]

PROMISED = 0.9
CONVERSIONS = 25.0
"""Expected of a batch at least: the share of a smaller one says little about a chance."""
_FEWEST_BATCHES = 30  # where there are not so many of that size, batches are smaller and ranges wider
_FOLDS = 5
_DRAWS = 20
_REACHES = np.r_[0.0, 0.02 * (FURTHEST / 0.02) ** np.linspace(0.0, 1.0, 60)]


@dataclass(frozen=True)
class JudgedPairs:
    """Pairs [n] scored by heads that did not see their customers.

    Attributes:
        score: before it is calibrated.
        label: expected labels in [0, 1].
        uncertainty: by the chosen source.
        level: its class.
        customer: whom it was shown to.
        source: inside numbers of what was bought.
        target: of what was shown.
    """

    score: Floats
    label: Floats
    uncertainty: Floats
    level: Ints
    customer: Ints
    source: Ints
    target: Ints


def fit_range(pairs: JudgedPairs, category: pd.Series, calibrate: CalibratedWithout, seed: int) -> ChanceRange:
    """Fit ranges of one width, and ranges whose width follows the doubt, and keep the narrower.

    Args:
        pairs: [n] of customers that no head saw.
        category: [P] path of each product; may be missing.
        calibrate: what to make of scores, learnt from everyone who is calibrated on but these customers.
        seed: of the folds that customers are dealt into, and of labels that have not arrived.
    """
    try:
        dealing = np.random.default_rng([seed, Stream.RANGE_FOLDS])
        probability = cross_fitted(pairs.score, pairs.customer, calibrate, dealing)
    except DataError:
        return NOTHING_KNOWN  # too few customers to set some aside; the calibrator itself has passed
    least = min(CONVERSIONS, float(probability.sum()) / _FEWEST_BATCHES)
    ways = ways_to_batch(pairs.source, pairs.target, category, pairs.level, probability)
    batches = {name: batches_of(keys, probability, least) for name, keys in ways.items()}
    counts = {name: int(batch.max()) + 1 for name, batch in batches.items()}
    drawn = drawn_labels(pairs.label, np.random.default_rng([seed, Stream.RANGE_LABELS]))
    found = []
    for follows in (False, True):
        # Doubts with a mean of one, so that both kinds are looked for on the same grid.
        scale = float(pairs.uncertainty.mean()) if follows else 1.0
        if scale <= 0.0:
            continue
        stretch = pairs.uncertainty / scale if follows else np.ones_like(probability)
        reach = max(reaches(probability, stretch, drawn, batches, PROMISED).values())
        width = (shifted(probability, reach * stretch) - shifted(probability, -reach * stretch)).mean()
        found.append((float(width), ChanceRange(reach / scale, follows, PROMISED, least, counts)))
    return min(found, key=lambda each: each[0])[1]


def reaches(
    probability: Floats, stretch: Floats, drawn: list[Floats], batches: Mapping[str, Ints], promised: float
) -> dict[str, float]:
    """By way, the reach that holds the promised share of its batches.

    Args:
        probability: [n].
        stretch: [n] what the reach is multiplied by.
        drawn: labels [n], drawn a few times over.
        batches: by way, the number [n] of each row's batch.
        promised: share of the batches.
    """
    ends = [
        {name: _means(shifted(probability, sign * reach * stretch), batch) for name, batch in batches.items()}
        for sign in (-1.0, 1.0)
        for reach in _REACHES
    ]
    found = {}
    for name, batch in batches.items():
        below, above = np.stack([each[name] for each in ends]).reshape(2, len(_REACHES), -1)
        shares = np.stack([_means(label, batch) for label in drawn])
        asked = np.empty_like(shares)
        count = shares.shape[1]
        for number in range(count):
            # Lows fall and highs rise with the reach; one of the two sides asks for nothing.
            low = np.interp(-shares[:, number], -below[:, number], _REACHES)
            asked[:, number] = np.maximum(low, np.interp(shares[:, number], above[:, number], _REACHES))
        held = min(np.ceil((count + 1) * promised) / count, 1.0)
        found[name] = float(np.quantile(asked, held, method="inverted_cdf"))
    return found


def cross_fitted(score: Floats, customer: Ints, calibrate: CalibratedWithout, generator: np.random.Generator) -> Floats:
    """Probabilities [n], each by a calibrator that saw nothing of its customer.

    Args:
        score: [n] before it is calibrated.
        customer: [n].
        calibrate: what to make of scores, learnt without these customers.
        generator: deals customers into folds.

    Raises:
        DataError: too few customers are left to calibrate on.
    """
    fold = deal_customers(customer, _FOLDS, generator)
    probability = np.empty(len(fold))
    for number in np.unique(fold):
        held = fold == number
        probability[held] = calibrate(np.unique(customer[held])).apply(score[held])
    return probability


def drawn_labels(expected: Floats, generator: np.random.Generator) -> list[Floats]:
    """Labels [n], a few times over, with those that have not arrived drawn: expectations would scatter too little."""
    return [(generator.random(len(expected)) < expected).astype(np.float64) for _ in range(_DRAWS)]


def _means(values: Floats, batch: Ints) -> Floats:
    return np.asarray(np.bincount(batch, values) / np.bincount(batch), np.float64)
