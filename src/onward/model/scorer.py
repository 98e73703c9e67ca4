"""The pair scorer: several boosted heads whose spread says how sure the mean is.

Each head saw its own bootstrap of customers (see scorer_training.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.boosting import Trees
from onward.errors import DataError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PairScorer:
    """An ensemble of boosted classifiers over one set of features.

    Attributes:
        heads: LightGBM model texts.
        features: names of the input columns, in the order the heads expect.
        categorical: those of them that hold category codes.
    """

    heads: tuple[str, ...]
    features: tuple[str, ...]
    categorical: tuple[str, ...]

    @cached_property
    def trees(self) -> tuple[Trees, ...]:
        """The heads, ready to predict."""
        return tuple(Trees.from_text(text) for text in self.heads)

    def predict(self, frame: pd.DataFrame, threads: int = 1) -> FloatArray:
        """Probability of conversion by each head, [n, heads]; raw, not calibrated.

        Args:
            frame: one row a pair, holding at least `features`; other columns are ignored.
            threads: how many LightGBM may use; the result does not depend on it.

        Raises:
            DataError: a feature is missing.
        """
        return self.probability(feature_matrix(frame, self.features), threads)

    def probability(self, rows: npt.NDArray[np.float32], threads: int = 1) -> FloatArray:
        """The same of rows [n, f] whose columns are `features`, one after another."""
        if len(rows) == 0:
            return np.empty((0, len(self.heads)))
        return np.stack([trees.probability(rows, threads) for trees in self.trees], axis=1)

    def to_manifest(self) -> dict[str, object]:
        """What has to be stored beside the heads' texts, as JSON."""
        return {"features": list(self.features), "categorical": list(self.categorical), "heads": len(self.heads)}

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Sequence[str]], heads: Sequence[str]) -> "PairScorer":
        """The inverse of `to_manifest`, given the heads' texts in order."""
        return cls(tuple(heads), tuple(manifest["features"]), tuple(manifest["categorical"]))


def feature_matrix(
    frame: pd.DataFrame | Mapping[str, npt.NDArray[np.generic]], features: Sequence[str]
) -> npt.NDArray[np.float32]:
    """The named columns as a matrix [n, features], row by row in memory.

    Args:
        frame: a table, or its columns by name, each [n].
        features: the columns that are wanted, in their order.

    Raises:
        DataError: a feature is missing.
    """
    missing = [name for name in features if name not in frame]
    if missing:
        raise DataError(
            f"scorer input: {len(missing)} of {len(features)} features are missing ({', '.join(missing[:5])}); "
            "build the frame with scorer_frame from the same bundle's settings"
        )
    if isinstance(frame, pd.DataFrame):
        return np.ascontiguousarray(frame[list(features)].to_numpy(np.float32))
    matrix = np.empty((len(next(iter(frame.values()))), len(features)), np.float32)
    for place, name in enumerate(features):
        matrix[:, place] = frame[name]
    return matrix
