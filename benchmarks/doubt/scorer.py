"""Does the graph network earn its place in the chain: pair scorers with and without it, at three clocks.

At each clock the pipeline's own stages build features, corrected labels, graph and embeddings from what was known. Each
scorer learns from the training households' labels, and is judged on households that no model saw: their impressions
of the training window whose 28 days had passed, and those of the 14 days after the clock. "Without" keeps every count
of the pair and takes away what the embeddings say. Selection households pick the scorer; gains are paired, with
intervals over households, all clocks together.

Impressions are built from baskets, mailers and displays: a stand-in for a log of recommendations. Stages and
predictions are kept in artifacts/benchmarks/scorer, so that a stopped run goes on where it was.
"""

import argparse
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.console import Console
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.doubt.dropout_head import DropoutHead
from benchmarks.harness.form import ROOT, Cell, Finding, publish
from onward.artifacts import StoredFiles, read_arrays, read_table, write_arrays
from onward.data.features import CATEGORICAL_PREFIX
from onward.evaluation.backtest import label_matured
from onward.layout import Layout
from onward.metrics.classification import area_under_curve, auc_draws, cross_entropy, log_loss
from onward.metrics.customer_bootstrap import CustomerBootstrap, Floats
from onward.metrics.intervals import Interval, interval_of
from onward.model.pair_features import EMBEDDING_FEATURES
from onward.model.pair_model import PairModel
from onward.model.scorer_training import LabelledPairs, ScorerSettings, labelled_pairs, train_scorer
from onward.params import Params, read_params
from onward.stages import correct_label_delay, ingest, train_gnn

CLOCKS = ("2017-09-01", "2017-10-15", "2017-11-20")
STORE = ROOT / "artifacts" / "benchmarks" / "scorer"
SAMPLES = 200
PASSES = 4
NO_SPLITS_OF_OURS = ("calibrate", "threshold", "test")
WITH, WITHOUT = "with the network", "without"
CHOSEN = "boosted"
"""The pipeline's own kind of scorer."""

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Clock:
    """One run of the pipeline's first stages in a folder of its own."""

    layout: Layout
    params: Params

    @classmethod
    def of(cls, day: str) -> "Clock":
        """Run the stages that are not there yet."""
        params = read_params(ROOT / "params.yaml")
        run = params.run.model_copy(update={"as_of": date.fromisoformat(day), "threads": 1})
        clock = cls(Layout(STORE / day), params.model_copy(update={"run": run}))
        for stage, folder in (
            (ingest, clock.layout.backtest), (correct_label_delay, clock.layout.delay), (train_gnn, clock.layout.model),
        ):  # fmt: skip
            done = clock.layout.root / f"{folder.name}.done"
            if not done.exists():
                Console(stderr=True).print(f"{day}: {stage.run(clock.layout, clock.params)}", highlight=False)
                done.touch()
        return clock

    @cached_property
    def model(self) -> PairModel:
        """Graph and embeddings."""
        return PairModel.from_files(StoredFiles(self.layout.model))

    @cached_property
    def _serving(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        tables = (read_table(self.layout.serving / f"{name}.parquet") for name in ("impressions", "features"))
        impressions, features = tables
        recent = (impressions["shown_at"] >= self.params.run.training_start).to_numpy(bool)
        return impressions[recent].reset_index(drop=True), features[recent].reset_index(drop=True)

    def learning(self) -> tuple[LabelledPairs, LabelledPairs, LabelledPairs]:
        """Corrected labels to fit and to stop by, and what selection households' labels are worth to pick by."""
        labels = read_table(self.layout.delay / "labels.parquet")
        outcomes = read_table(self.layout.delay / "outcomes.parquet").rename(columns={"expected_label": "label"})
        impressions, features = self._serving
        fit, stop, choose = (
            labelled_pairs(
                rows, impressions[split == name], features[split == name], self.model.graph, self.model.embeddings
            )
            for split in (impressions["split"],)
            for rows, name in ((labels, "train"), (labels, "selection"), (outcomes.assign(weight=1.0), "selection"))
        )
        return fit, stop, choose

    def judging(self) -> LabelledPairs:
        """Matured impressions of households that no model saw; weight 1 before the clock and 2 after it."""
        run, parts = self.params.run, []
        impressions, features = self._serving
        for place, rows, columns, until in (
            (self.layout.serving, impressions, features, pd.Timestamp(run.clock)),
            (self.layout.backtest, *self._later, pd.Timestamp(run.horizon)),
        ):
            known = label_matured(rows, read_table(place / "conversions.parquet"), run.window, until)
            known = known[known["split"].isin(NO_SPLITS_OF_OURS)]
            labels = known[["impression", "label"]].assign(weight=1.0 if place == self.layout.serving else 2.0)
            inputs = columns.loc[known.index]
            parts.append(labelled_pairs(labels, known, inputs, self.model.graph, self.model.embeddings))
        return LabelledPairs(
            pd.concat([part.frame for part in parts], ignore_index=True),
            np.concatenate([part.label for part in parts]),
            np.concatenate([part.weight for part in parts]),
            self._households(np.concatenate([part.customer for part in parts])),
        )

    def _households(self, customer: np.ndarray) -> npt.NDArray[np.int64]:
        """The outside ids of customers, which are the same at every clock."""
        places = (self.layout.serving, self.layout.backtest)  # who first came after the clock is in the second alone
        tables = [read_table(place / "customers.parquet", ["customer", "customer_id"]) for place in places]
        known = pd.concat(tables).drop_duplicates().set_index("customer")["customer_id"]
        return np.asarray(known.loc[customer], dtype=np.int64)

    @property
    def _later(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return read_table(self.layout.backtest / "impressions.parquet"), read_table(
            self.layout.backtest / "features.parquet"
        )


Predictions = tuple[Floats, Floats]
Scorer = Callable[[Clock, LabelledPairs, LabelledPairs, LabelledPairs, LabelledPairs], Predictions]
"""(clock, fit, stop, choose, judge) -> probabilities of the last two."""


def boosted(
    clock: Clock, fit: LabelledPairs, stop: LabelledPairs, choose: LabelledPairs, judge: LabelledPairs
) -> Predictions:
    """The pipeline's scorer."""
    settings, run = ScorerSettings(**clock.params.scorer.model_dump()), clock.params.run
    scorer = train_scorer(fit, stop, settings, run.seed, run.threads).scorer
    found = [scorer.predict(rows.frame).mean(axis=1) for rows in (choose, judge)]
    return found[0], found[1]


def neural(
    clock: Clock, fit: LabelledPairs, stop: LabelledPairs, choose: LabelledPairs, judge: LabelledPairs
) -> Predictions:
    """A network of two layers on the same numbers."""
    del stop
    head = DropoutHead.train(_numbers(fit), fit.label, fit.weight, seed=clock.params.run.seed)
    found = [head.predict(_numbers(rows), PASSES).mean(axis=1) for rows in (choose, judge)]
    return found[0], found[1]


def logistic(
    clock: Clock, fit: LabelledPairs, stop: LabelledPairs, choose: LabelledPairs, judge: LabelledPairs
) -> Predictions:
    """A logistic regression on numbers, missing ones at their mean."""
    del clock, stop
    mean = np.nan_to_num(np.nanmean(_numbers(fit), axis=0))

    def filled(rows: LabelledPairs) -> Matrix:
        values = _numbers(rows)
        return np.where(np.isnan(values), mean, values)

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    # Corrected labels are two rows an impression, one of each label, so they are 0 or 1.
    model.fit(filled(fit), fit.label, logisticregression__sample_weight=fit.weight)
    found = [model.predict_proba(filled(rows))[:, 1] for rows in (choose, judge)]
    return found[0], found[1]


SCORERS: Mapping[str, Scorer] = {"boosted": boosted, "neural": neural, "logistic": logistic}


def _numbers(rows: LabelledPairs) -> Matrix:
    frame = rows.frame
    return frame[[name for name in frame.columns if not name.startswith(CATEGORICAL_PREFIX)]].to_numpy(np.float32)


def _less(rows: LabelledPairs) -> LabelledPairs:
    """The same rows without what the embeddings say."""
    return LabelledPairs(rows.frame.drop(columns=list(EMBEDDING_FEATURES)), rows.label, rows.weight, rows.customer)


def predictions(day: str) -> dict[str, Floats]:
    """What every scorer says at one clock, with labels and households; read where it was finished before."""
    path = STORE / day / "predictions.npz"
    if path.exists():
        return read_arrays(path)
    clock = Clock.of(day)
    fit, stop, choose = clock.learning()
    judge = clock.judging()
    found: dict[str, Floats] = {
        "label": judge.label, "customer": judge.customer.astype(np.float64), "choose label": choose.label,
        "after": (judge.weight == 2.0).astype(np.float64),
    }  # fmt: skip
    for name, scorer in SCORERS.items():
        for kind, change in ((WITH, lambda rows: rows), (WITHOUT, _less)):
            part = path.with_name(f"{name}, {kind}.npz")
            if not part.exists():
                chosen, judged = scorer(clock, *(change(rows) for rows in (fit, stop, choose, judge)))
                write_arrays(part, {"choose": chosen, "judge": judged})
            said = read_arrays(part)
            found |= {f"{name}, {kind}, choose": said["choose"], f"{name}, {kind}": said["judge"]}
            Console(stderr=True).print(f"{day}: {name}, {kind}", highlight=False)
    write_arrays(path, found)
    return found


def row(clock: str, impressions: str, scorer: str, found: Mapping[str, Floats]) -> dict[str, Cell]:
    """One scorer on some rows, and what it gains by the network, paired."""
    label, said = found["label"], found[f"{scorer}, {WITH}"]
    line: dict[str, Cell] = {
        "clock": clock, "impressions": impressions, "n": len(label), "positives": int(label.sum()), "scorer": scorer,
    }  # fmt: skip
    for kind in (WITH, WITHOUT):
        said = found[f"{scorer}, {kind}"]
        line[f"AUC {kind}"] = area_under_curve(label, said, np.ones(len(label)))
        line[f"NLL {kind}"] = float(cross_entropy(label, said).mean())
        line[f"PCOC {kind}"] = float(said.sum() / label.sum())
    for metric, gain in gains(found, f"{scorer}, {WITH}", f"{scorer}, {WITHOUT}").items():
        line |= {f"{metric} gain": gain.value, f"{metric} gain low": gain.low, f"{metric} gain high": gain.high}
    return line


def gains(found: Mapping[str, Floats], one: str, other: str) -> dict[str, Interval]:
    """AUC gained and NLL saved by one scorer over another, with intervals over households."""
    label, bootstrap = found["label"], CustomerBootstrap.of(found["customer"], SAMPLES, 0)
    losses, each = [cross_entropy(label, found[name]) for name in (other, one)], np.ones(len(label))
    return {
        "AUC": auc_gain(label, found[one], found[other], bootstrap),
        "NLL": bootstrap.ratio_difference(losses[0], each, losses[1], each),
    }


def auc_gain(label: np.ndarray, score: np.ndarray, other: np.ndarray, bootstrap: CustomerBootstrap) -> Interval:
    """AUC of one score minus that of another on the same rows, with customers drawn together."""
    (value, drawn), (other_value, other_drawn) = (auc_draws(label, each, bootstrap) for each in (score, other))
    return interval_of(value - other_value, drawn - other_drawn)


def quality(found: Mapping[str, Floats], scorer: str) -> float:
    """Log loss on the selection households, by which scorers are picked."""
    label = found["choose label"]
    return log_loss(label, found[f"{scorer}, choose"], np.ones(len(label)))


def _after(found: Mapping[str, Floats]) -> dict[str, Floats]:
    inside = found["after"] > 0
    return {name: values[inside] if len(values) == len(inside) else values for name, values in found.items()}


def main() -> None:
    """Run what is missing, compare and publish."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--clocks", nargs="+", default=list(CLOCKS), choices=CLOCKS)
    arguments.add_argument("--fresh", action="store_true", help="forget finished stages and predictions")
    asked = arguments.parse_args()
    if asked.fresh:
        shutil.rmtree(STORE, ignore_errors=True)
    by_clock = {day: predictions(day) for day in asked.clocks}
    everything = {
        name: np.concatenate([by_clock[day][name] for day in asked.clocks]) for name in by_clock[asked.clocks[0]]
    }
    parts = {**by_clock, "all": everything} if len(by_clock) > 1 else by_clock
    rows = [row(clock, "matured", name, found) for clock, found in parts.items() for name in SCORERS]
    rows += [row(clock, "of these after the clock", name, _after(found))
             for clock, found in parts.items() for name in SCORERS]  # fmt: skip
    names = [f"{name}, {kind}" for name in SCORERS for kind in (WITH, WITHOUT)]
    picked = min(names, key=lambda name: quality(everything, name))
    rival = min((name for name in names if name.endswith(WITHOUT)), key=lambda name: quality(everything, name))
    Console(stderr=True).print(f"picked by selection households: {picked}; without the network: {rival}")
    claims = {"pipeline_scorer_is_picked": float(picked == f"{CHOSEN}, {WITH}")}
    for told, one, other in (("from_gnn", f"{CHOSEN}, {WITH}", f"{CHOSEN}, {WITHOUT}"), ("of_picked", picked, rival)):
        for metric, gain in gains(everything, one, other).items():
            claims |= {f"{metric.lower()}_gain_{told}": gain.value, f"{metric.lower()}_gain_{told}_low": gain.low}
    publish(Finding("scorer_complete_journey", [20171120], rows, claims))


if __name__ == "__main__":
    main()
