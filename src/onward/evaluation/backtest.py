"""The backtest: what became of held-out customers' impressions after as_of, and what the model had said of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from onward.choices import LEVELS_AT_RANDOM
from onward.errors import DataError
from onward.evaluation.decisions import decision_table
from onward.evaluation.groups import find_groups
from onward.evaluation.range_coverage import ALL_WAYS, range_coverage
from onward.evaluation.related_comparison import SERVED, related_headline, related_table
from onward.evaluation.score_quality import measure, positivity_heat_map
from onward.evaluation.slices import measure_slices
from onward.graph.product_graph import ProductGraph
from onward.metrics.calibration import reliability_table
from onward.model.embeddings import Embeddings
from onward.model.pair_features import scorer_frame
from onward.model.scorer import PairScorer
from onward.random_streams import Stream
from onward.ranking.purchase_log import Bools
from onward.thresholds.policy import Policy
from onward.uncertainty.group_repair import GroupRepair
from onward.uncertainty.pair_batches import batches_of, ways_to_batch
from onward.uncertainty.pair_groups import Groups, pair_groups
from onward.uncertainty.uncertainty_model import UncertaintyModel, spread_inputs

BINS = 10
_SMALLEST = 300  # impressions that a group needs to be measured by itself
GATE_COLUMNS = ("impression", "customer", "source_product_id", "target_product_id", "label")


def end_of_log(*moments: pd.Series) -> pd.Timestamp | None:
    """The midnight after the last event of all series: up to here the log is known; None without events."""
    last = max((series.max() for series in moments if len(series)), default=None)
    return None if last is None else pd.Timestamp(last).normalize() + pd.Timedelta(days=1)


def label_matured(
    impressions: pd.DataFrame, conversions: pd.DataFrame, window: timedelta, known_until: pd.Timestamp | None
) -> pd.DataFrame:
    """Impressions whose window closed by `known_until`, with the column label: 1 when converted within it."""
    closed = impressions["shown_at"] + window <= (known_until if known_until is not None else pd.Timestamp.min)
    converted_at = conversions.set_index("impression")["converted_at"].reindex(impressions["impression"]).array
    within = (converted_at > impressions["shown_at"]) & (converted_at <= impressions["shown_at"] + window)
    return impressions.assign(label=within.astype(np.int8))[closed]


def refuse_empty(
    rows: pd.DataFrame, start: datetime, end: datetime, window: timedelta, known_until: pd.Timestamp | None
) -> None:
    """Stop when no test impression has matured, naming an as_of that would work.

    Raises:
        DataError: `rows` is empty.
    """
    if len(rows):
        return
    problem = f"no matured impression of a test customer in [{start:%Y-%m-%d}, {end:%Y-%m-%d})"
    if known_until is None:
        raise DataError(f"backtest: {problem} and no later event at all; set run.as_of to a date inside the log")
    latest = known_until - window - (end - start)
    raise DataError(
        f"backtest: {problem}, the log ends on {known_until - timedelta(days=1):%Y-%m-%d}; "
        f"set run.as_of to {min(latest, pd.Timestamp(start)):%Y-%m-%d} or earlier, or enlarge splits.test"
    )


def score_rows(
    rows: pd.DataFrame,
    features: pd.DataFrame,
    category: pd.Series,
    graph: ProductGraph,
    embeddings: Embeddings,
    scorer: PairScorer,
    uncertainty: UncertaintyModel,
    threads: int,
) -> tuple[pd.DataFrame, Groups]:
    """`rows` (source, target) beside score, uncertainty, level, probability and range, and the groups they are in.

    Args:
        rows: [n].
        features: row by row.
        category: [P] path of each product.
        graph: the directed product graph.
        embeddings: of all P products.
        scorer: the heads.
        uncertainty: what was fitted on other customers.
        threads: for the heads.
    """
    source, target = (rows[name].to_numpy(np.int64) for name in ("source", "target"))
    frame = scorer_frame(features, graph, embeddings, source, target)
    groups = pair_groups(frame, category, target)
    prediction = uncertainty.predict(
        spread_inputs(scorer.predict(frame, threads=threads), frame, embeddings, source, target), groups
    )
    low, high = uncertainty.ranges.interval(prediction.probability, prediction.uncertainty)
    scored = rows.assign(
        score=prediction.score,
        uncertainty=prediction.uncertainty,
        level=prediction.level,
        probability=prediction.probability,
        low=low,
        high=high,
    )
    return scored, groups


def decide_all(
    searches: Mapping[str, Mapping[str, Any]], score: np.ndarray, level: np.ndarray, seed: int
) -> dict[str, Bools]:
    """[n] shown or not, by every search's boundary; the control decides by levels shuffled among the rows."""
    shuffled = np.random.default_rng([seed, Stream.LEVEL_CONTROL_BACKTEST]).permutation(level)
    return {
        name: Policy.from_dict(searches[name]).decide(score, shuffled if name == LEVELS_AT_RANDOM else level)
        for name in sorted(searches)
    }


def predictions(
    scored: pd.DataFrame, product_ids: np.ndarray, shown: Mapping[str, Bools], deployed: str
) -> pd.DataFrame:
    """Scored rows with the outside ids of their pair and every search's decision; `shown` is the deployed one."""
    pair = {f"{end}_product_id": product_ids[scored[end].to_numpy()] for end in ("source", "target")}
    decided = {f"shown_{name}": chosen for name, chosen in shown.items()} | {"shown": shown[deployed]}
    columns = ["impression", "customer", "label", "score", "uncertainty", "level", "probability"]
    table = scored[columns].assign(**pair, **decided)
    return table[[*GATE_COLUMNS, *columns[3:], *decided]]


def summarise(scored: pd.DataFrame, shown: Mapping[str, Bools], samples: int, seed: int) -> dict[str, Any]:
    """Classification, reliability, heat map and decisions of labelled, scored rows, as plain values."""
    label, score, probability, customer, level = (
        scored[name].to_numpy() for name in ("label", "score", "probability", "customer", "level")
    )
    by_level = []
    for number in np.unique(level):
        inside = level == number
        measured = measure(
            label[inside], score[inside], probability[inside], customer[inside], samples=samples, seed=seed, bins=BINS
        )
        by_level.append({"level": int(number)} | measured)
    return {
        "classification": measure(label, score, probability, customer, samples=samples, seed=seed, bins=BINS),
        "by_level": by_level,
        "reliability": reliability_table(probability, label.astype(np.float64), BINS).to_dict("records"),
        "heat_map": positivity_heat_map(label, score, level, BINS),
        "decisions": decision_table(label, score, shown, customer, samples, seed),
    }


def summarise_groups(
    scored: pd.DataFrame, groups: Groups, repair: GroupRepair, samples: int, seed: int
) -> dict[str, Any]:
    """Measure every group, and name those in which probabilities are wrong; see `find_groups`.

    What is accepted from here is fitted on other customers, and judged by the next run: this one found it.
    """
    label, score, probability, customer = (
        scored[name].to_numpy() for name in ("label", "score", "probability", "customer")
    )
    flagged = find_groups(label.astype(np.float64), probability, customer, groups, seed=seed)
    return {
        "slices": measure_slices(
            label, score, probability, customer, groups, smallest=_SMALLEST, samples=samples, seed=seed
        ),
        "groups": [group.to_dict() for group in flagged],
        "groups_looked_at": sum(len(np.unique(values)) for values in groups.values()),
        "repaired": repair.to_dict(),
    }


def summarise_ranges(
    scored: pd.DataFrame, category: pd.Series, least: float, samples: int, seed: int
) -> dict[str, Any]:
    """Say whether what converted lay within the ranges; see `range_coverage`.

    Args:
        scored: [n] labelled rows, with low and high.
        category: [P] path of each product.
        least: conversions to be expected of a batch, as the ranges promise.
        samples: resamples of customers.
        seed: of the resamples.
    """
    label, low, high, probability = (
        scored[name].to_numpy(np.float64) for name in ("label", "low", "high", "probability")
    )
    source, target, level, customer = (
        scored[name].to_numpy(np.int64) for name in ("source", "target", "level", "customer")
    )
    ways = ways_to_batch(source, target, category, level, probability)
    batches = {name: batches_of(keys, probability, least) for name, keys in ways.items()}
    return range_coverage(label, low, high, customer, batches, samples, seed)


def headline(results: Mapping[str, Any]) -> dict[str, Any]:
    """The few figures that `dvc metrics` compares between runs."""
    overall = results["classification"]
    kept = ("shown", "precision", "recall", "matched_volume_gain")
    return {
        **{name: overall[name] for name in ("n", "positives", "customers", "auc", "nll", "pcoc", "ece")},
        "deployed_policy": results["deployed_policy"],
        "policies": {row["policy"]: {name: row[name] for name in kept} for row in results["decisions"]},
        "range_coverage": results["ranges"][ALL_WAYS]["coverage"],
        "groups_named": len(results["groups"]),
        "groups_confirmed": sum(group["confirmed"] for group in results["groups"]),
        "related": related_headline(results["related"]),
    }


def describe(results: Mapping[str, Any]) -> str:
    """The backtest in one line."""
    overall = results["classification"]
    related = results["related"]
    scores = [f"{name.upper()} {overall[name]['value']:.4f}" for name in ("auc", "pcoc") if overall[name]["value"]]
    return f"{overall['n']} test impressions: {', '.join(scores) or 'none converted'}, {_goes_with(related)}"


def _goes_with(related: Mapping[str, Any]) -> str:
    served = [row["basket"] for row in related["goes_with"] if row["method"] == SERVED]
    if not served or served[0]["hr@10"]["value"] is None:
        return "no lists could be judged"
    hits, lift = (served[0][name]["value"] for name in ("hr@10", "lift@10"))
    return f"goes with: hit rate {hits:.3f} at ten, {lift:.1f} times chance"


def plots(results: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Tables for `dvc plots`, by file name."""
    return {
        "reliability_backtest": pd.DataFrame(results["reliability"]),
        "heatmap": pd.DataFrame(results["heat_map"]),
        "slices": _flat_slices(results["slices"]),
        "related": related_table(results["related"]),
    }


def _flat_slices(slices: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    rows = [
        {name: row[name] for name in ("slice", "value", "n", "positives", "ece")}
        | {f"{name}_{part}": row[name][part] for name in ("auc", "nll", "pcoc") for part in ("value", "low", "high")}
        for row in slices
    ]
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["slice", "value"])
