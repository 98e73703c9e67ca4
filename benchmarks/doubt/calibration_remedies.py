"""Why predicted conversions miss observed ones, and what helps: tried on households that no test ever holds.

Not a benchmark of its own: `calibration_complete_journey` prints it. The pool is the selection, calibrate and threshold
households of the finished run. Time and again it is dealt anew: as many households as the pipeline's calibrate split
holds fit a calibrator, as the remedy says, and the matured rows of the others, about as many as the test has, judge it.
Training households, where a remedy uses them, are scored by the heads that never saw them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from benchmarks.harness.form import ROOT
from onward.artifacts import StoredFiles, read_table
from onward.layout import Layout
from onward.metrics.calibration import CalibrationSummary, bin_sums, summarise_calibration
from onward.model.pair_features import scorer_frame
from onward.model.pair_model import PairModel
from onward.model.scorer_training import heads_that_saw
from onward.params import read_params
from onward.thresholds.grid import Floats, Ints
from onward.uncertainty.calibrators import FITS
from onward.uncertainty.expected_labels import look_up_expected
from onward.uncertainty.spread import leave_out

Bools = np.ndarray
Curve = Callable[[Floats], Floats]

SEED = 20171120
DEALS = 50
POOL = ("selection", "calibrate", "threshold")
USED_BEFORE, USED_NOW = "isotonic on calibrate households", "the same, and training households out of bag"


@dataclass(frozen=True)
class Rows:
    """Recent rows of all households but the test's, [n] each; training households that every head saw are left out.

    Attributes:
        score: from heads that did not see the household.
        expected: what the label was worth at as_of.
        matured: whether it is settled.
        age: days since shown.
        customer: household.
        split: the pipeline's.
    """

    score: Floats
    expected: Floats
    matured: Bools
    age: Floats
    customer: Ints
    split: np.ndarray

    def of(self, splits: tuple[str, ...]) -> Bools:
        """Return the rows [n] of some splits."""
        return np.isin(self.split, splits)


def read_rows() -> Rows:
    """Score the rows of the finished run."""
    layout, params = Layout(ROOT), read_params(ROOT / "params.yaml")
    model = PairModel.from_files(StoredFiles(layout.model))
    impressions = read_table(layout.serving / "impressions.parquet")
    wanted = ((impressions["shown_at"] >= params.run.training_start) & (impressions["split"] != "test")).to_numpy(bool)
    rows = impressions[wanted].reset_index(drop=True)
    source, target, customer = (rows[name].to_numpy(np.int64) for name in ("source", "target", "customer"))
    features = read_table(layout.serving / "features.parquet")[wanted]
    frame = scorer_frame(features, model.graph, model.embeddings, source, target)
    heads = model.scorer.predict(frame, threads=params.run.threads)
    split = rows["split"].to_numpy(str)
    seen = heads_that_saw(customer, split == "train", params.run.seed, heads.shape[1])
    score = leave_out(heads, seen)
    expected = look_up_expected(rows["impression"], read_table(layout.delay / "outcomes.parquet"))
    age = ((params.run.clock - rows["shown_at"]).dt.total_seconds() / 86_400.0).to_numpy(np.float64)
    kept = np.isfinite(score)
    matured = age >= params.run.attribution_days
    return Rows(score[kept], expected[kept], matured[kept], age[kept], customer[kept], split[kept])


def remedies(rows: Rows) -> dict[str, Callable[[Bools], Curve]]:
    """Return what was tried, each a way from the calibrating rows to a map of scores."""
    others = rows.of(("train",))

    def fit(name: str, chosen: Bools) -> Curve:
        return FITS[name](rows.score[chosen], rows.expected[chosen]).apply

    def level_of_all(chosen: Bools) -> Curve:
        shape, every = fit("isotonic", chosen), chosen | others
        shift = _shift(shape(rows.score[every]), float(rows.expected[every].sum()))
        return lambda score: expit(logit(shape(score)) + shift)

    return {
        USED_BEFORE: lambda chosen: fit("isotonic", chosen),
        "Platt on calibrate households": lambda chosen: fit("platt", chosen),
        "beta on calibrate households": lambda chosen: fit("beta", chosen),
        "isotonic, matured rows only": lambda chosen: fit("isotonic", chosen & rows.matured),
        "isotonic, last 28 days only": lambda chosen: fit("isotonic", chosen & (rows.age <= 28.0)),
        "isotonic, level of training households": level_of_all,
        USED_NOW: lambda chosen: fit("isotonic", chosen | others),
        "the same, matured rows only": lambda chosen: fit("isotonic", (chosen | others) & rows.matured),
        "the same, beta": lambda chosen: fit("beta", chosen | others),
        "the heads' mean, not calibrated": lambda _: lambda score: score,
    }


def deal(rows: Rows) -> dict[str, list[CalibrationSummary]]:
    """Return what each remedy comes to in every deal."""
    known = np.unique(rows.customer[rows.of(POOL)])
    many = len(np.unique(rows.customer[rows.of(("calibrate",))]))
    tried = remedies(rows)
    found: dict[str, list[CalibrationSummary]] = {name: [] for name in tried}
    draw = np.random.default_rng([SEED, 6])
    for _ in range(DEALS):
        fitting = np.isin(rows.customer, draw.permutation(known)[:many]) & rows.of(POOL)
        judged = rows.of(POOL) & ~fitting & rows.matured
        for name, learn in tried.items():
            said = learn(fitting)(rows.score[judged])
            found[name].append(summarise_calibration(said, rows.expected[judged]))
    return found


def chance_of_a_perfect_calibrator(rows: Rows, households: int, allowed: float) -> tuple[float, float]:
    """Standard deviation of log PCOC that households alone cause, and how often PCOC then is within `allowed` of 1.

    The pool's own level is taken as right; so many of its households with matured rows are drawn with replacement.
    """
    judged = rows.of(POOL) & rows.matured
    _, code = np.unique(rows.customer[judged], return_inverse=True)
    said, seen = (np.bincount(code, weights=each[judged]) for each in (rows.score, rows.expected))
    drawn = np.random.default_rng([SEED, 7]).multinomial(households, np.full(len(said), 1.0 / len(said)), 4000)
    ratio = (drawn @ said) / (drawn @ seen) * (seen.sum() / said.sum())
    return float(np.log(ratio).std()), float((np.abs(ratio - 1.0) <= allowed).mean())


def _shift(probability: Floats, positives: float) -> float:
    """Log odds to add so that probabilities sum to the positives."""
    odds, low, high = logit(probability), -3.0, 3.0
    for _ in range(50):
        middle = (low + high) / 2.0
        low, high = (middle, high) if expit(odds + middle).sum() < positives else (low, middle)
    return (low + high) / 2.0


def debiased_ece(probability: Floats, expected_label: Floats, bins: int = 20) -> float:
    """Root mean squared calibration error over bins, less what chance alone adds to it.

    Even a perfect probability has an ECE above 0, since observed rates scatter. The squared gap of a bin is too large
    by the variance of its observed rate, r (1 − r) / (n − 1) without bias (Kumar, Liang and Ma, NeurIPS 2019). The
    root of what remains is no smaller than the mean absolute gap, so it bounds the ECE that is there; below 0 (the
    root of the negative part) it means no error that can be told from chance.

    Args:
        probability: [n] in (0, 1).
        expected_label: [n] in [0, 1].
        bins: bins of equal mass.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> p = rng.uniform(0.05, 0.3, 5000)
        >>> y = (rng.random(5000) < p) * 1.0
        >>> bool(abs(debiased_ece(p, y)) < summarise_calibration(p, y).ece)
        True
    """
    n, predicted, observed = bin_sums(probability, expected_label, bins)
    if not len(n):
        return 0.0
    rate = observed / n
    chance = rate * (1.0 - rate) / np.maximum(n - 1, 1)
    squared = float((n * ((predicted / n - rate) ** 2 - chance)).sum() / n.sum())
    return float(np.copysign(np.sqrt(abs(squared)), squared))
