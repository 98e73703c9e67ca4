"""The finished run's scorer, calibrator and levels, refitted so that every customer is a test customer once.

Customers are dealt into quarters. Each quarter is the test of models of the other three, whose customers are dealt
anew into the run's other splits; graph, embeddings, features and what unfinished labels are worth are the run's.
Fitting knows what was known at as_of, testing what became of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from onward.artifacts import StoredFiles, read_table
from onward.layout import Layout
from onward.metrics.customer_bootstrap import deal_customers
from onward.model.pair_features import scorer_frame
from onward.model.pair_model import PairModel
from onward.model.scorer import PairScorer
from onward.model.scorer_training import LabelledPairs, ScorerSettings, heads_that_saw, train_scorer
from onward.params import Params
from onward.thresholds.grid import Floats, Ints
from onward.uncertainty.expected_labels import look_up_expected
from onward.uncertainty.spread import disagreement_of_heads
from onward.uncertainty.uncertainty_model import (
    CalibrationSet,
    PairPredictions,
    UncertaintyModel,
    spread_inputs,
)

SEED = 20171120
ROTATIONS = 4


@dataclass(frozen=True)
class Rows:
    """Impressions of the training window, [n] each.

    Attributes:
        frame: the scorer's input.
        columns: source, target and customer.
        expected: what the label was worth at as_of.
        category: [P] path of each product.
    """

    frame: pd.DataFrame
    columns: Mapping[str, Ints]
    expected: Floats
    category: pd.Series


@dataclass(frozen=True)
class Rotation:
    """One quarter's test.

    Attributes:
        model: of the other customers; its ranges are not fitted.
        calibrated: what its calibrator was fitted to.
        predicted: of all n rows.
        disagreement: [n] of the heads.
        fit: [n] rows of customers that ranges may be fitted to: no head saw them.
        test: [n] rows of the quarter.
    """

    model: UncertaintyModel
    calibrated: CalibrationSet
    predicted: PairPredictions
    disagreement: Floats
    fit: np.ndarray
    test: np.ndarray


def read_rows(layout: Layout, params: Params) -> tuple[Rows, PairModel, pd.DataFrame]:
    """Rows of all customers, the run's model, and the impressions as they lie in the log."""
    model = PairModel.from_files(StoredFiles(layout.model))
    impressions = read_table(layout.serving_log.impressions)
    recent = (impressions["shown_at"] >= params.run.training_start).to_numpy(bool)
    impressions = impressions[recent].reset_index(drop=True)
    columns = {name: impressions[name].to_numpy(np.int64) for name in ("source", "target", "customer")}
    features = read_table(layout.serving_log.features)[recent]
    frame = scorer_frame(features, model.graph, model.embeddings, columns["source"], columns["target"])
    expected = look_up_expected(impressions["impression"], read_table(layout.outcomes))
    category = read_table(layout.serving_log.products, ["category"])["category"]
    return Rows(frame, columns, expected, category), model, impressions


def rotations(rows: Rows, model: PairModel, params: Params) -> Iterator[Rotation]:
    """Refit for each quarter."""
    customer, source, target = (rows.columns[name] for name in ("customer", "source", "target"))
    for number in range(ROTATIONS):
        seed, split = SEED + number, _dealt(rows, params, number)
        train, calibrate = split == "train", split == "calibrate"
        heads = _scorer(rows, params, split, seed).predict(rows.frame, threads=1)
        scored = spread_inputs(heads, rows.frame, model.embeddings, source, target)
        seen = heads_that_saw(customer, train, seed, heads.shape[1])
        calibrated = CalibrationSet.out_of_bag(scored, seen, rows.expected, {}, train | calibrate)
        fitted = UncertaintyModel.fit(
            calibrated, scored.take(calibrate), rows.expected[calibrate], calibrator=params.uncertainty.calibrator,
            spread=params.uncertainty.spread, levels=params.uncertainty.levels, accepted=(), seed=seed,
        )  # fmt: skip
        fit = calibrate | (split == "threshold")
        predicted, disagreement = fitted.predict(scored, {}), disagreement_of_heads(heads)
        yield Rotation(fitted, calibrated, predicted, disagreement, fit, split == "test")


def first_test(rows: Rows, params: Params, heads: int) -> tuple[Floats, Ints]:
    """What so many heads say of the first quarter's rows [n, heads], and their customers [n]."""
    split = _dealt(rows, params, 0)
    many = params.model_copy(update={"scorer": params.scorer.model_copy(update={"heads": heads})})
    test = np.flatnonzero(split == "test")
    said = _scorer(rows, many, split, SEED).predict(rows.frame.iloc[test], threads=1)
    return said, rows.columns["customer"][test]


def _dealt(rows: Rows, params: Params, number: int) -> np.ndarray:
    """[n] split of each row's customer where the quarter of that number is the test."""
    customer = rows.columns["customer"]
    quarter = deal_customers(customer, ROTATIONS, np.random.default_rng([SEED, 21]))
    shares = {name: getattr(params.splits, name) for name in ("train", "selection", "calibrate", "threshold")}
    ends = np.cumsum(list(shares.values())) / sum(shares.values())
    place = np.random.default_rng([SEED + number, 22]).random(int(customer.max()) + 1)[customer]
    others = np.array(list(shares))[np.searchsorted(ends[:-1], place, side="right")]
    return np.where(quarter == number, "test", others)


def _scorer(rows: Rows, params: Params, split: np.ndarray, seed: int) -> PairScorer:
    settings = ScorerSettings(**params.scorer.model_dump())
    train, selection = (_pairs(rows, split == name) for name in ("train", "selection"))
    return train_scorer(train, selection, settings, seed, 1).scorer


def _pairs(rows: Rows, chosen: np.ndarray) -> LabelledPairs:
    """Rows of both labels, each weighing what it is expected to be."""
    label = rows.expected[chosen]
    both = np.r_[np.flatnonzero(label > 0.0), np.flatnonzero(label < 1.0)]
    positive = np.arange(len(both)) < np.count_nonzero(label > 0.0)
    return LabelledPairs(
        frame=rows.frame.iloc[np.flatnonzero(chosen)[both]].reset_index(drop=True),
        label=positive.astype(np.float64),
        weight=np.where(positive, label[both], 1.0 - label[both]),
        customer=rows.columns["customer"][chosen][both],
    )
