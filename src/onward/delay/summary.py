"""The correction in figures: what metrics/delay.json and the plots show."""

from dataclasses import asdict

import numpy as np
import pandas as pd

from onward.delay.correction import Correction
from onward.delay.learning import NuisanceModels
from onward.delay.reference import wait
from onward.delay.weights import clipped_share


def summarise(correction: Correction, nuisances: NuisanceModels, max_weight: float) -> dict[str, object]:
    """Headline figures of the training window, all customers unless named otherwise."""
    snapshot = correction.snapshot
    pending = snapshot.pending
    plan, weight = correction.plan, correction.rows.weight
    weighted = plan.estimator in {"importance_weight", "fsiw"}
    check, check_without_engagement = nuisances.check, nuisances.check_without_engagement
    moved = asdict(correction.recalibration)
    del moved["by_feature"]  # `spread` says in one figure what they do
    return {
        "estimator": plan.estimator,
        "estimator_reason": plan.reason,
        "choice": {name: asdict(each) for name, each in plan.evidence.items()},
        "delay_tilt": asdict(correction.delay_shift),
        "recalibration": moved,
        "impressions": len(pending),
        "positives_observed": int(snapshot.observed.sum()),
        "share_pending": _mean(pending),
        "naive_rate": _mean(snapshot.observed),
        "matured_rate": wait(snapshot).rate,
        "corrected_rate": _mean(correction.outcomes["expected_label"].to_numpy(np.float64)),
        "mean_z": _mean(snapshot.pending_probability[pending]),
        "matured_conversions": nuisances.conversions,
        "z_rows": check.rows,
        "z_positives": check.positives,
        "z_auc": check.auc,
        "z_nll": check.nll,
        "z_pcoc": check.pcoc,
        "engagement": {"with": asdict(check), "without": asdict(check_without_engagement)},
        "training_examples": int(correction.learners.sum()),
        "training_rows": len(correction.rows.label),
        "training_rate": correction.rows.rate,
        "effective_sample_size": correction.rows.effective_sample_size,
        "weight_mean": _mean(weight),
        "weight_variance": float(weight.var()) if len(weight) else 0.0,
        "weight_max": float(weight.max(initial=0.0)),
        "clipped_share": clipped_share(snapshot.of(correction.learners), max_weight) if weighted else 0.0,
    }


def weights_histogram(correction: Correction, bins: int = 20) -> pd.DataFrame:
    """How many training rows of each label weigh how much, in classes of equal width from 0 to the largest weight."""
    weight, label = correction.rows.weight, correction.rows.label
    edges = np.linspace(0.0, max(1.0, float(weight.max(initial=0.0))), bins + 1)
    counts = {f"label_{value}": np.histogram(weight[label == value], edges)[0] for value in (0, 1)}
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], **counts})


def positives_per_day(correction: Correction) -> pd.DataFrame:
    """Positives by day of shown_at: as observed, as corrected, and the truth where the whole day has matured."""
    snapshot = correction.snapshot
    rows = pd.DataFrame(
        {
            "date": correction.outcomes["shown_at"].dt.strftime("%Y-%m-%d"),
            "impressions": 1,
            "naive": snapshot.observed.astype(np.int64),
            "corrected": correction.outcomes["expected_label"].astype(np.float64),
            "matured": snapshot.matured.astype(np.int64),
        }
    )
    days = rows.groupby("date", sort=True, as_index=False).sum()
    truth = days["naive"].where(days.pop("matured") == days["impressions"])
    return days.assign(matured_truth_where_known=truth.astype("Int64"))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0
