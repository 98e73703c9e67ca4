"""Everything that is needed to score a pair, in one value that knows no pipeline.

It speaks outside product ids, holds neither torch nor pickles, and can be stored and loaded by bundle_files.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.deployment.served_lists import ServedLists
from onward.errors import DataError
from onward.graph.product_graph import ProductGraph
from onward.model.embeddings import Embeddings
from onward.model.pair_features import scorer_frame
from onward.model.scorer import PairScorer
from onward.thresholds.policy import Policy
from onward.uncertainty.calibration import IsotonicCalibrator
from onward.uncertainty.doubt import Doubt, Judged, look_at
from onward.uncertainty.group_repair import NO_REPAIR, GroupRepair
from onward.uncertainty.levels import UncertaintyLevels
from onward.uncertainty.pair_groups import pair_groups
from onward.uncertainty.sources import HeadEnsemble, Spread

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
        policy: from score and level to show, don't show or abstain.
        categories: values of each `cat_*` feature in the order of their codes.
        state: [P] features of each product alone as known at as_of; see typical_features.py.
        contexts: features of sampled impressions without those of the pair; the "typical customer" of recommend.py.
        facts: source, as_of and attribution_days of the run that made it.
        lists: what goes with each product, comes after and before it, and could stand in for it.
        repair: of groups that a person has accepted; none by default.
        spread: where uncertainty comes from; by default the heads.
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
    lists: ServedLists
    repair: GroupRepair = NO_REPAIR
    spread: Spread = field(default_factory=HeadEnsemble)

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
            score, uncertainty, level, probability, decision and shown, one row each. A row with a product that the
            bundle does not know is not scored: NaN, level -1, not shown. One new product must not stop a batch.

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
            "decision": "don't show", "shown": False,
        })  # fmt: skip
        if known.any():
            said = self.judge(coded[known], source[known], target[known], threads)
            decision = self.policy.answer(said.score, said.level)
            result.loc[known, "score"] = said.score
            result.loc[known, "uncertainty"] = said.uncertainty
            result.loc[known, "level"] = said.level
            result.loc[known, "probability"] = said.probability
            result.loc[known, "decision"] = decision
            result.loc[known, "shown"] = decision == "show"
        return result

    def judge(self, features: pd.DataFrame, source: Ints, target: Ints, threads: int = 1) -> Judged:
        """Score, level and probability of n pairs of inside numbers."""
        frame = scorer_frame(features, self.graph, self.embeddings, source, target)
        scored = look_at(self.scorer.predict(frame, threads), frame, self.embeddings, source, target)
        doubt = Doubt(self.repair, self.calibrator, self.spread, self.levels)
        # Naming groups takes longer than the rest of a small request, so only where one is repaired.
        groups = pair_groups(frame, self.products["category"], target) if self.repair.shifts else {}
        return doubt.judge(scored, groups)


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
