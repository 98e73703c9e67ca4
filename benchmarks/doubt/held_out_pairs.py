"""The finished run's scores of households that its model never saw, ready to be split anew by household.

Not a benchmark of its own: `thresholds_complete_journey` and `calibration_complete_journey` read it. Labels come in two
kinds. `expected` is what was known at as_of, an unfinished label counting as its conversion probability: boundaries
and calibrators are fitted on it. `label` is what became of it, known where the attribution window closed by as_of or
the impression belongs to the backtest: only such rows are tested on.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from rich.console import Console

from benchmarks.doubt.dropout_head import DropoutHead
from benchmarks.harness.form import ROOT
from onward.artifacts import StoredFiles, read_table
from onward.errors import ArtifactError
from onward.layout import Layout
from onward.model.pair_features import scorer_frame
from onward.model.pair_model import PairModel
from onward.params import read_params
from onward.thresholds.grid import Floats, Ints
from onward.uncertainty.expected_labels import look_up_expected
from onward.uncertainty.pair_groups import Groups, pair_groups
from onward.uncertainty.sources import Scored
from onward.uncertainty.uncertainty_model import spread_inputs

HELD_OUT = ("calibrate", "threshold", "test")


@dataclass(frozen=True)
class HeldOut:
    """Rows of households that no model saw, [n] each.

    Attributes:
        scored: what spread sources may look at.
        customer: household.
        split: the pipeline's split of the household.
        expected: what the label was worth at as_of; for backtest rows the label itself.
        label: what became of it, NaN where that is not known.
        backtest: whether the row was shown at or after as_of; nothing may be fitted on it.
        history: conversions and impressions of the same pair among the training households, [n, 2].
        slices: columns to group by, those of the pipeline.
        sales: quarter of the target by its sales in 28 days, 0 the slowest.
        fit_dropout: trains the dropout baseline on the training households.
    """

    scored: Scored
    customer: Ints
    split: np.ndarray
    expected: Floats
    label: Floats
    backtest: np.ndarray
    history: Floats
    slices: Groups
    sales: Ints
    training: "TrainingRows"


@dataclass(frozen=True)
class TrainingRows:
    """What the scorer's own training households saw: values [n, f], label and weight [n]."""

    values: np.ndarray
    label: Floats
    weight: Floats

    def train_dropout(self, seed: int) -> DropoutHead:
        """Train the dropout baseline on them."""
        return DropoutHead.train(self.values, self.label, self.weight, seed=seed)


def read_held_out() -> HeldOut:
    """Score the held-out households of the finished run.

    Raises:
        ArtifactError: there is no finished run; run `dvc repro` first.
    """
    layout, params = Layout(ROOT), read_params(ROOT / "params.yaml")
    if not (layout.evaluation / "results.json").is_file():
        raise ArtifactError(f"{layout.evaluation}: no finished run; run `dvc repro` first, then this benchmark again")
    console = Console()
    console.print("scoring the held-out households of the finished run …")
    model = PairModel.from_files(StoredFiles(layout.model))
    impressions = read_table(layout.serving / "impressions.parquet")
    features = read_table(layout.serving / "features.parquet").drop(columns="impression")
    recent = (impressions["shown_at"] >= params.run.training_start).to_numpy(bool)
    held_out = recent & impressions["split"].isin(HELD_OUT).to_numpy(bool)
    outcomes = read_table(layout.delay / "outcomes.parquet", ["impression", "state", "expected_label"])

    known = impressions[held_out].reset_index(drop=True)
    expected = look_up_expected(known["impression"], outcomes)
    matured = (known["shown_at"] + params.run.window <= params.run.clock).to_numpy(bool)
    later, later_label = _backtest(layout)
    rows = pd.concat([known, later], ignore_index=True)
    inputs = pd.concat(
        [features[held_out], read_table(layout.backtest / "features.parquet").drop(columns="impression")],
        ignore_index=True,
    )
    training = recent & (impressions["split"] == "train").to_numpy(bool)
    labels = read_table(layout.delay / "labels.parquet")
    seen = labels.merge(impressions.loc[training, ["impression", "source", "target"]], on="impression")
    pair = _code(rows)
    source, target = (rows[name].to_numpy(np.int64) for name in ("source", "target"))
    frame = scorer_frame(inputs, model.graph, model.embeddings, source, target)
    heads = model.scorer.predict(frame, threads=params.run.threads)
    scored = replace(spread_inputs(heads, frame, model.embeddings, source, target), values=_numeric(frame))
    category = read_table(layout.serving / "products.parquet", ["category"])["category"]
    return HeldOut(
        scored=scored,
        customer=rows["customer"].to_numpy(np.int64),
        split=rows["split"].to_numpy(str),
        expected=np.r_[expected, later_label],
        label=np.r_[np.where(matured, expected, np.nan), later_label],
        backtest=np.arange(len(rows)) >= len(known),
        history=_history(seen, pair),
        slices=pair_groups(frame, category, target),
        sales=_quarter(inputs["target_sales_28d"].to_numpy(np.float64)),
        training=_training_rows(model, impressions, features, seen),
    )


def _backtest(layout: Layout) -> tuple[pd.DataFrame, Floats]:
    """Test impressions after as_of, with what became of them; all of them have matured by the end of the log."""
    rows = read_table(layout.backtest / "impressions.parquet")
    predictions = read_table(layout.evaluation / "predictions.parquet", ["impression", "label"])
    label = predictions.set_index("impression")["label"].reindex(rows["impression"]).to_numpy(np.float64)
    return rows, label


def _numeric(frame: pd.DataFrame) -> np.ndarray:
    return frame[[name for name in frame.columns if not name.startswith("cat_")]].to_numpy(np.float32)


def _code(rows: pd.DataFrame) -> Ints:
    return np.asarray(rows["source"].to_numpy(np.int64) * 2**32 + rows["target"].to_numpy(np.int64))


def _history(seen: pd.DataFrame, pair: Ints) -> Floats:
    """Weighted conversions and impressions of each pair among training households, [n, 2]."""
    worth = pd.DataFrame({"pair": _code(seen), "hits": seen["label"] * seen["weight"], "shown": seen["weight"]})
    table = worth.groupby("pair").sum().reindex(pair).fillna(0.0)
    return np.asarray(table.to_numpy(np.float64))


def _training_rows(
    model: PairModel, impressions: pd.DataFrame, features: pd.DataFrame, seen: pd.DataFrame
) -> TrainingRows:
    place = pd.Index(impressions["impression"]).get_indexer(pd.Index(seen["impression"]))
    source, target = (seen[name].to_numpy(np.int64) for name in ("source", "target"))
    frame = scorer_frame(features.iloc[place], model.graph, model.embeddings, source, target)
    return TrainingRows(_numeric(frame), seen["label"].to_numpy(np.float64), seen["weight"].to_numpy(np.float64))


def _quarter(values: Floats) -> Ints:
    edges = np.unique(np.nanquantile(values, [0.25, 0.5, 0.75]))
    return np.asarray(np.searchsorted(edges, values, side="right"), np.int64)
