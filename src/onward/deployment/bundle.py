"""Everything that is needed to score a pair, in one value that knows no pipeline.

It speaks outside product ids, holds neither torch nor pickles, and can be stored and loaded by bundle_files.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.errors import DataError
from onward.graph.product_graph import ProductGraph
from onward.model.embeddings import Embeddings
from onward.model.pair_features import scorer_frame
from onward.model.scorer import PairScorer
from onward.thresholds.policy import Policy
from onward.uncertainty.calibration import IsotonicCalibrator
from onward.uncertainty.levels import UncertaintyLevels
from onward.uncertainty.spread import summarise_heads

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bundle:
    """A deployable model.

    Attributes:
        products: product (0..P-1, in order), product_id, name, category.
        graph: counts of the directed product graph.
        embeddings: of all P products.
        scorer: the boosted heads.
        calibrator: from raw score to probability.
        levels: from spread to uncertainty level.
        policy: from score and level to show or don't show.
        categories: values of each `cat_*` feature in the order of their codes.
        state: [P] features of each product alone as known at as_of; see typical_features.py.
        contexts: features of sampled impressions without those of the pair; the "typical customer" of recommend.py.
        facts: source, as_of and attribution_days of the run that made it.
    """

    products: pd.DataFrame
    graph: ProductGraph
    embeddings: Embeddings
    scorer: PairScorer
    calibrator: IsotonicCalibrator
    levels: UncertaintyLevels
    policy: Policy
    categories: Mapping[str, list[str]]
    state: pd.DataFrame
    contexts: pd.DataFrame
    facts: Mapping[str, Any]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {identity: number for number, identity in enumerate(self.products["product_id"].tolist())}

    def inside(self, product_ids: Sequence[str]) -> Ints:
        """[n] inside numbers of outside product ids, -1 where the bundle does not know the product."""
        return np.array([self._numbers.get(identity, -1) for identity in product_ids], dtype=np.int64)

    def score(
        self,
        features: pd.DataFrame,
        source_ids: Sequence[str],
        target_ids: Sequence[str],
        categories: Mapping[str, list[str]] | None = None,
        threads: int = 1,
    ) -> pd.DataFrame:
        """Score impressions of target after source.

        Args:
            features: [n] the feature columns of data/features.py.
            source_ids: [n] outside ids of the products that were bought.
            target_ids: [n] outside ids of the products that would be shown.
            categories: the codes in which `features` come, if they are another bundle's; None means this bundle's.
            threads: for the heads; the result does not depend on it.

        Returns:
            score, uncertainty, level, probability and shown, one row each. A row with a product that the bundle does
            not know is not scored: NaN, level -1, not shown. One new product must not stop a batch.

        Raises:
            DataError: lengths differ, or a feature is missing.
        """
        source, target = self.inside(source_ids), self.inside(target_ids)
        if not len(features) == len(source) == len(target):
            raise DataError(
                f"scoring: {len(features)} feature rows, {len(source)} sources and {len(target)} targets; "
                "give one of each per row"
            )
        known = (source >= 0) & (target >= 0)
        coded = features if categories is None else recode(features, categories, self.categories)
        result = pd.DataFrame({
            "score": np.nan, "uncertainty": np.nan, "level": np.full(len(known), -1), "probability": np.nan,
            "shown": False,
        })  # fmt: skip
        if known.any():
            heads = self.heads(coded[known], source[known], target[known], threads)
            score, uncertainty = summarise_heads(heads)
            level = self.levels.assign(uncertainty)
            result.loc[known, "score"] = score
            result.loc[known, "uncertainty"] = uncertainty
            result.loc[known, "level"] = level
            result.loc[known, "probability"] = self.calibrator.apply(score)
            result.loc[known, "shown"] = self.policy.decide(score, level)
        return result

    def heads(self, features: pd.DataFrame, source: Ints, target: Ints, threads: int = 1) -> npt.NDArray[np.float64]:
        """[n, heads] raw probabilities for pairs of inside numbers."""
        return self.scorer.predict(scorer_frame(features, self.graph, self.embeddings, source, target), threads)


def recode(features: pd.DataFrame, given: Mapping[str, list[str]], wanted: Mapping[str, list[str]]) -> pd.DataFrame:
    """Translate category codes: the same number means another category in another bundle.

    A value that the wanted list lacks takes its "other" code if it has one, else NaN, as at serving time.

    >>> recode(pd.DataFrame({"cat_a": [0.0, 1.0]}), {"cat_a": ["x", "y"]}, {"cat_a": ["y", "x"]})["cat_a"].tolist()
    [1.0, 0.0]
    """
    from onward.data.features import encode_categories

    translated = features.copy()
    for name, values in given.items():
        if name not in features.columns or name not in wanted:
            continue
        # The last entry is picked by -1, which stands for a missing code.
        table = np.append(encode_categories(pd.Series(values, dtype="str"), list(wanted[name]))[0], np.float32("nan"))
        codes = features[name].to_numpy(np.float64)
        translated[name] = table[np.where(np.isnan(codes), -1, codes).astype(np.int64)]
    return translated
