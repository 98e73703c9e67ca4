"""Scorers of Complete Journey's impressions, fitted well and badly, each with what it says of its own uncertainty.

Households are dealt into folds and every fold is scored by models of the others, so that all conversions can be
judged. What counts and embeddings say of a pair is the finished run's. Opinions are kept in artifacts/benchmarks/doubt.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from rich.progress import track
from scipy.special import expit

from benchmarks.doubt.thinned_networks import Examples, Network, Standardised, train_network
from benchmarks.harness.form import ROOT
from onward.artifacts import StoredFiles, read_arrays, read_table, write_arrays
from onward.boosting import Boosting, bin_rows, grow_while_better
from onward.data.sources import read_source
from onward.data.validation import validate
from onward.errors import ArtifactError, DataError
from onward.layout import Layout
from onward.metrics.customer_bootstrap import deal_customers
from onward.model.pair_features import scorer_frame
from onward.model.pair_model import PairModel
from onward.model.scorer import feature_matrix
from onward.model.scorer_training import bootstrap_weights
from onward.params import Params, read_params
from onward.uncertainty.evidential import Density
from onward.uncertainty.spread import disagreement_of_heads
from onward.uncertainty.uncertainty_model import EVIDENCE_FEATURES

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float32]

STORE = ROOT / "artifacts" / "benchmarks" / "doubt"
SEED = 20171120
FOLDS = 6
HEADS, NETWORKS, PASSES = 10, 5, 20
_EDGE = 1e-7


@dataclass(frozen=True)
class Impressions:
    """Impressions whose label is known, [n] each.

    Attributes:
        columns: [n, f] the scorer's numeric input, missing values as NaN.
        place: [n, d] where the pair lies among the embeddings.
        label: 1 where it converted within the window.
        customer: household.
        fold: of the household.
        pair: code of the pair.
        evidence: how often the pair and its products were seen.
    """

    columns: Matrix
    place: Matrix
    label: Floats
    customer: Ints
    fold: Ints
    pair: Ints
    evidence: Floats

    @cached_property
    def known(self) -> Mapping[str, Floats]:
        """The two uncertainties that need no scorer: how few pairs lie about this one, and how rarely it was seen."""
        density = np.empty(len(self.label))
        for fold in range(FOLDS):
            fit, _, asked = parts(self, fold)
            density[asked] = Density.fit(self.place[fit], 8, 8, SEED).log_density(self.place[asked])
        return {"density": -density, "counts": -np.log1p(self.evidence)}


@dataclass(frozen=True)
class Opinions:
    """What one scorer says: a score [n] in (0, 1) and, by source, an uncertainty [n]; only its order matters."""

    score: Floats
    uncertainty: Mapping[str, Floats]


def read_impressions() -> Impressions:
    """Read every household's impressions with known labels from the finished run.

    Raises:
        ArtifactError: there is no finished run; run `dvc repro` first.
    """
    layout, params = Layout(ROOT), read_params(ROOT / "params.yaml")
    if not layout.results.is_file():
        raise ArtifactError(f"{layout.results}: no finished run; run `dvc repro` first, then this benchmark again")
    model = PairModel.from_files(StoredFiles(layout.model))
    frames, known = [], []
    for files in (layout.serving_log, layout.backtest_log):
        rows = read_table(files.impressions)
        recent = (rows["shown_at"] >= params.run.training_start).to_numpy(bool)
        rows, features = rows[recent], read_table(files.features)[recent]
        source, target = (rows[name].to_numpy(np.int64) for name in ("source", "target"))
        frames.append(scorer_frame(features, model.graph, model.embeddings, source, target))
        known.append(rows)
    frame, rows = pd.concat(frames, ignore_index=True), pd.concat(known, ignore_index=True)
    later = known[1]["impression"].isin(read_table(layout.backtest_log.conversions)["impression"])
    label = np.r_[what_became(known[0], params), later.to_numpy(np.float64)]
    source, target = (rows[name].to_numpy(np.int64) for name in ("source", "target"))
    customer = rows["customer"].to_numpy(np.int64)
    of_source, of_target, of_pair = (frame[name].to_numpy(np.float64) for name in EVIDENCE_FEATURES)
    ends = [model.embeddings.source[source], model.embeddings.target[target]]
    numeric = [name for name in frame.columns if not name.startswith("cat_")]
    return Impressions(
        columns=feature_matrix(frame, numeric),
        place=np.concatenate(ends, axis=1, dtype=np.float32),
        label=label,
        customer=customer,
        fold=deal_customers(customer, FOLDS, np.random.default_rng([SEED, 1])),
        pair=source * 2**32 + target,
        evidence=np.minimum(of_source, of_target) + of_pair,
    )


def what_became(rows: pd.DataFrame, params: Params) -> Floats:
    """What became of impressions shown before as_of, as the log tells that goes on for long enough after it.

    Raises:
        DataError: the log read anew holds other impressions.
    """
    run = params.run
    log = read_source("complete_journey", params.sources.model_dump(), run.window, run.history_start, run.horizon, 1)
    tables = validate(log, run.horizon, run.window, threads=1).tables
    shown = tables["impressions"].to_pandas().sort_values(["shown_at", "impression_id"], ignore_index=True)
    own = shown.loc[rows["impression"]]
    if not (own["shown_at"].to_numpy() == rows["shown_at"].to_numpy()).all():
        raise DataError("benchmarks.doubt: the log holds other impressions than the finished run; run `dvc repro`")
    return np.asarray(own["impression_id"].isin(tables["conversions"]["impression_id"].to_pandas()), np.float64)


def boosted(data: Impressions, fold: int) -> Opinions:
    """Boosted heads on bootstraps of customers, stopped where held-out customers say."""
    fit, stop, asked = parts(data, fold)
    boosting = Boosting(400, 0.05, 31, 100, 10.0, SEED, 1, feature_share=0.5)
    heads = np.empty((int(asked.sum()), HEADS))
    for head in range(HEADS):
        weight = bootstrap_weights(data.customer[fit], SEED, head)
        binned = bin_rows(data.columns[fit], data.label[fit], boosting, weight=weight)
        held_out = bin_rows(data.columns[stop], data.label[stop], boosting, like=binned)
        trees, _ = grow_while_better(binned, held_out, boosting, 20)
        heads[:, head] = trees.probability(data.columns[asked], 1)
    return Opinions(heads.mean(axis=1), {"heads": disagreement_of_heads(heads), **_known_of(data, asked)})


def neural(negatives: int) -> "Scorer":
    """Networks that stop early, with so many negatives kept for each conversion; scores are put back on all of them."""

    def score(data: Impressions, fold: int) -> Opinions:
        fit, stop, asked = parts(data, fold)
        scale = Standardised.of(data.columns[fit])
        held_out, inputs = _examples(scale, data, stop), scale.inputs(data.columns[asked])
        networks = [
            train_network(_bag(scale, data, fit, seed), held_out, negatives=negatives, epochs=40, seed=seed)
            for seed in range(NETWORKS)
        ]
        heads = _heads(networks, inputs)
        return Opinions(
            heads.mean(axis=1),
            {
                "ensemble": disagreement_of_heads(heads),
                "dropout": networks[0].log_odds_of_passes(inputs, PASSES, SEED).std(axis=1),
                "Laplace": networks[0].laplace(scale.inputs(data.columns[fit]), inputs),
                **_known_of(data, asked),
            },
        )

    return score


def overfitted(data: Impressions, fold: int) -> Opinions:
    """Wide networks that learn on long after held-out customers have stopped gaining, without dropout."""
    fit, _, asked = parts(data, fold)
    scale = Standardised.of(data.columns[fit])
    inputs = scale.inputs(data.columns[asked])
    networks = [
        train_network(_bag(scale, data, fit, seed), None, negatives=1, epochs=60, seed=seed, hidden=256, dropout=0.0)
        for seed in range(NETWORKS)
    ]
    heads = _heads(networks, inputs)
    return Opinions(heads.mean(axis=1), {"ensemble": disagreement_of_heads(heads), **_known_of(data, asked)})


def history(imaginary: float, prior: float | None) -> "Scorer":
    """Share of conversions of the same pair among other households, with imaginary impressions at a prior rate."""

    def score(data: Impressions, fold: int) -> Opinions:
        others, asked = data.fold != fold, data.fold == fold
        known, code = np.unique(data.pair, return_inverse=True)
        shown = np.bincount(code[others], minlength=len(known))[code[asked]].astype(np.float64)
        hits = np.bincount(code[others], data.label[others], minlength=len(known))[code[asked]]
        rate = float(data.label[others].mean()) if prior is None else prior
        return Opinions((hits + imaginary * rate) / (shown + imaginary), {"evidence": 1.0 / (shown + 2.0)})

    return score


def posterior(data: Impressions, fold: int) -> Opinions:
    """A posterior network's mistake: a network's rate mixed by density with a flat prior, as if half converted."""
    fit, stop, asked = parts(data, fold)
    scale = Standardised.of(data.columns[fit])
    network = train_network(_examples(scale, data, fit), _examples(scale, data, stop), negatives=10, epochs=40, seed=0)
    rate = expit(network.log_odds(scale.inputs(data.columns[asked])))
    density = Density.fit(data.place[fit], 8, 8, SEED)
    usual = float(np.median(density.log_density(data.place[fit])))
    # Half of the pairs lie where a hundred observations or more would be.
    seen = 100.0 * np.exp(np.clip(density.log_density(data.place[asked]) - usual, -12.0, 4.0))
    return Opinions((seen * rate + 1.0) / (seen + 2.0), {"density": 1.0 / (seen + 2.0)})


Scorer = Callable[[Impressions, int], Opinions]
WELL, OVERFITTED, WRONG_PRIOR = "boosted", "overfitted networks", "history, flat prior"
NEURAL, PRIOR_OF_ALL = "networks, 10 negatives", "history, prior of all"
SCORERS: Mapping[str, Scorer] = {
    WELL: boosted,
    "networks, 1 negative": neural(1),
    NEURAL: neural(10),
    OVERFITTED: overfitted,
    WRONG_PRIOR: history(2.0, 0.5),
    PRIOR_OF_ALL: history(20.0, None),
    "networks, density and flat prior": posterior,
}  # fmt: skip
REPAIRED: Mapping[str, str] = {OVERFITTED: NEURAL, WRONG_PRIOR: PRIOR_OF_ALL}
"""Which scorer is the same without the damage."""


def opinions_of(name: str, data: Impressions, store: Path = STORE) -> Opinions:
    """Every fold scored by models of the others, from the store where they lie there."""
    path = store / f"{name.replace(' ', '_').replace(',', '')}.npz"
    if path.is_file():
        kept = read_arrays(path)
        return Opinions(kept["score"], {key[2:]: value for key, value in kept.items() if key.startswith("u ")})
    score, uncertainty = np.full(len(data.label), np.nan), dict[str, Floats]()
    for fold in track(range(FOLDS), description=name):
        found, asked = SCORERS[name](data, fold), data.fold == fold
        score[asked] = np.clip(found.score, _EDGE, 1.0 - _EDGE)
        for source, values in found.uncertainty.items():
            uncertainty.setdefault(source, np.full(len(score), np.nan))[asked] = values
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path, {"score": score, **{f"u {source}": values for source, values in uncertainty.items()}})
    return Opinions(score, uncertainty)


def parts(data: Impressions, fold: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Rows to fit on, to stop by (a sixth of the other households) and to score."""
    asked = data.fold == fold
    sixth = deal_customers(data.customer, 6, np.random.default_rng([SEED, 2, fold])) == 0
    return ~asked & ~sixth, ~asked & sixth, asked


def _examples(scale: Standardised, data: Impressions, rows: npt.NDArray[np.bool_]) -> Examples:
    return Examples(scale.inputs(data.columns[rows]), data.label[rows])


def _bag(scale: Standardised, data: Impressions, fit: npt.NDArray[np.bool_], seed: int) -> Examples:
    """A bootstrap of households."""
    rows = np.flatnonzero(fit)
    drawn = np.repeat(rows, bootstrap_weights(data.customer[rows], SEED, HEADS + seed).astype(np.int64))
    return Examples(scale.inputs(data.columns[drawn]), data.label[drawn])


def _heads(networks: Sequence[Network], inputs: torch.Tensor) -> Floats:
    """[n, networks] probabilities."""
    return np.asarray(expit(np.stack([network.log_odds(inputs) for network in networks], axis=1)), np.float64)


def _known_of(data: Impressions, asked: npt.NDArray[np.bool_]) -> dict[str, Floats]:
    return {name: values[asked] for name, values in data.known.items()}
