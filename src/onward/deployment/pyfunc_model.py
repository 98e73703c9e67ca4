"""A bundle as MLflow's python function: what `mlflow.pyfunc.load_model` returns for a version of the registry.

MLflow imports this module by the name in the version's MLmodel file, from the copy of Onward that lies beside the
bundle. It needs no registry, no settings and no MLflow.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from onward.deployment.bundle import Bundle
from onward.deployment.bundle_files import read_bundle
from onward.errors import DataError

SOURCE, TARGET = "source_id", "target_id"


class PairScoringModel:
    """Scores pairs of products; MLflow calls `predict`."""

    def __init__(self, bundle: Bundle) -> None:
        """Make the bundle ready, so that the first request is as fast as the others."""
        self._bundle = bundle
        bundle.typical.prepare()

    def predict(self, rows: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        """Score n pairs.

        Args:
            rows: `source_id` and `target_id`, outside ids of what was bought and of what would be shown. With every
                feature of the bundle's scorer that an impression has, in the codes of the bundle, the pair is scored
                for that impression; with none, for a typical customer.
            params: MLflow's contract; there are none.

        Returns:
            Columns and missing values of `Bundle.score`, one row each.

        Raises:
            DataError: an id column is missing, or some features are there and others not.
        """
        missing = [name for name in (SOURCE, TARGET) if name not in rows.columns]
        if missing:
            raise DataError(f"scoring: no column {' and '.join(missing)}; give the products' ids, as in the log")
        source, target = (rows[name].astype(str).tolist() for name in (SOURCE, TARGET))
        features = rows.drop(columns=[SOURCE, TARGET])
        if len(features.columns):
            return self._bundle.score(features, source, target)
        return self._bundle.score_typical(source, target)


def _load_pyfunc(path: str) -> PairScoringModel:
    """MLflow's entry: the model of a bundle's folder."""
    return PairScoringModel(read_bundle(Path(path)))
