"""Ways to put a range beside a chance: what was tried beside the one in use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import beta

from benchmarks.doubt.rotated_runs import SEED, Rotation, Rows
from onward.thresholds.grid import Floats, Ints
from onward.uncertainty.calibration import MonotoneCalibrator
from onward.uncertainty.calibrators import FITS
from onward.uncertainty.chance_range import shifted
from onward.uncertainty.pair_batches import PRODUCT_SHOWN, batches_of, ways_to_batch
from onward.uncertainty.range_fitting import (
    CONVERSIONS,
    PROMISED,
    CalibratedWithout,
    JudgedPairs,
    cross_fitted,
    drawn_labels,
    fit_range,
    reaches,
)

Bools = np.ndarray
Range = tuple[Floats, Floats]
DEPLOYED = "in use: the narrower of the next two"
_CELLS = 10


@dataclass(frozen=True)
class Known:
    """What a method may look at.

    Attributes:
        rotation: models, and the rows to fit to.
        rows: of all customers.
        probability: [fit rows] cross-fitted, by calibrators that saw none of their customers.
        drawn: labels of the fit rows, those that had not arrived drawn a few times over.
    """

    rotation: Rotation
    rows: Rows
    probability: Floats
    drawn: list[Floats]

    @property
    def batches(self) -> Mapping[str, Ints]:
        """Of the fit rows, by way."""
        return batches_at(self.rotation, self.rows, self.rotation.fit, self.probability)


def batches_at(rotation: Rotation, rows: Rows, chosen: Bools, probability: Floats) -> dict[str, Ints]:
    """By way, the batch of each chosen row, whose probabilities are given."""
    source, target = (rows.columns[name][chosen] for name in ("source", "target"))
    ways = ways_to_batch(source, target, rows.category, rotation.predicted.level[chosen], probability)
    return {name: batches_of(keys, probability, CONVERSIONS) for name, keys in ways.items()}


def know(rotation: Rotation, rows: Rows) -> Known:
    """Cross-fit the probabilities of the rows to fit to, and draw their labels."""
    fit, customer = rotation.fit, rows.columns["customer"]
    calibrate = calibrated_without(rotation, rows)
    dealing = np.random.default_rng([SEED, 23])
    probability = cross_fitted(rotation.predicted.score[fit], customer[fit], calibrate, dealing)
    return Known(rotation, rows, probability, drawn_labels(rows.expected[fit], np.random.default_rng([SEED, 24])))


def calibrated_without(rotation: Rotation, rows: Rows) -> CalibratedWithout:
    """A calibrator like the rotation's, of everyone but some customers."""
    pairs = rotation.calibrated
    customer = rows.columns["customer"][pairs.rows]

    def without(held: Ints) -> MonotoneCalibrator:
        others = ~np.isin(customer, held)
        return FITS["isotonic"](pairs.score[others], pairs.label[others])

    return without


def in_use(known: Known, asked: Bools) -> Range:
    """What the pipeline fits."""
    rotation, rows, fit = known.rotation, known.rows, known.rotation.fit
    said = rotation.predicted.take(fit)
    customer, source, target = (rows.columns[name][fit] for name in ("customer", "source", "target"))
    pairs = JudgedPairs(said.score, rows.expected[fit], said.uncertainty, said.level, customer, source, target)
    fitted = fit_range(pairs, rows.category, calibrated_without(rotation, rows), SEED)
    return fitted.interval(rotation.predicted.probability[asked], rotation.predicted.uncertainty[asked])


def one_width(known: Known, asked: Bools) -> Range:
    """The same reach for every pair."""
    return _stretched(known, asked, np.ones(len(asked)))


def following_doubt(known: Known, asked: Bools) -> Range:
    """A reach in proportion to the heads' disagreement."""
    return _stretched(known, asked, known.rotation.predicted.uncertainty)


def following_doubt_by_product(known: Known, asked: Bools) -> Range:
    """The same, fitted to batches by the product shown alone."""
    return _stretched(known, asked, known.rotation.predicted.uncertainty, (PRODUCT_SHOWN,))


def by_level(known: Known, asked: Bools) -> Range:
    """A reach for each level, fitted to batches within it."""
    rotation, rows = known.rotation, known.rows
    reach = np.zeros(rotation.model.levels.count)
    level = rotation.predicted.level
    for number in range(len(reach)):
        inside = level[rotation.fit] == number
        chosen = np.flatnonzero(rotation.fit)[inside]
        p = known.probability[inside]
        # A level has about a fifth of the conversions, and so few batches.
        batches = batches_at(rotation, rows, chosen, p)
        found = reaches(p, np.ones(len(p)), [label[inside] for label in known.drawn], batches, PROMISED)
        reach[number] = max(found.values())
    p, by = rotation.predicted.probability[asked], reach[level[asked]]
    return shifted(p, -by), shifted(p, by)


def spread_of_heads(known: Known, asked: Bools) -> Range:
    """What was served before: 1.96 standard deviations of the heads, through the calibrator."""
    rotation = known.rotation
    centre = logit(np.clip(rotation.predicted.score[asked], 1e-9, 1.0 - 1e-9))
    by, apply = 1.96 * rotation.disagreement[asked], rotation.model.calibrator.apply
    p = rotation.predicted.probability[asked]
    return np.minimum(apply(expit(centre - by)), p), np.maximum(apply(expit(centre + by)), p)


def beta_of_cells(known: Known, asked: Bools) -> Range:
    """The middle 90 % of Jeffreys' posterior of the rate in a cell of level and tenth of the chance."""
    rotation = known.rotation
    p, level = rotation.predicted.probability, rotation.predicted.level
    edges = np.quantile(p[rotation.fit], np.arange(1, _CELLS) / _CELLS)
    cell = level * _CELLS + np.searchsorted(edges, p, side="right")
    cells = rotation.model.levels.count * _CELLS
    shown = np.bincount(cell[rotation.fit], minlength=cells)
    hits = np.bincount(cell[rotation.fit], known.rows.expected[rotation.fit], minlength=cells)
    low, high = (beta.ppf(q, hits + 0.5, shown - hits + 0.5)[cell[asked]] for q in (0.05, 0.95))
    return np.minimum(low, p[asked]), np.maximum(high, p[asked])


METHODS: Mapping[str, Callable[[Known, Bools], Range]] = {
    DEPLOYED: in_use,
    "one width": one_width,
    "width follows doubt": following_doubt,
    "width follows doubt, fitted by product shown alone": following_doubt_by_product,
    "a width a level": by_level,
    "spread of heads, as served before": spread_of_heads,
    "beta of level and tenth of the chance": beta_of_cells,
}


def _stretched(known: Known, asked: Bools, by: Floats, ways: Sequence[str] = ()) -> Range:
    fit = known.rotation.fit
    scale = float(by[fit].mean())
    batches = {name: batch for name, batch in known.batches.items() if not ways or name in ways}
    reach = max(reaches(known.probability, by[fit] / scale, known.drawn, batches, PROMISED).values()) / scale
    p = known.rotation.predicted.probability[asked]
    return shifted(p, -reach * by[asked]), shifted(p, reach * by[asked])
