"""Everything that is needed to score a pair, in one value that knows no pipeline.

It speaks outside product ids, holds neither torch nor pickles, and can be stored and loaded by bundle_files.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.deployment.listed_products import ListedProducts
from onward.deployment.listed_scores import ListedScores
from onward.deployment.served_lists import ServedLists
from onward.deployment.typical_answer import TypicalScores
from onward.deployment.typical_scores import TypicalCustomer
from onward.errors import DataError
from onward.model.pair_features import PAIR_FEATURES, pair_columns
from onward.model.pair_model import PairModel
from onward.model.scorer import feature_matrix
from onward.thresholds.policy import Policy
from onward.uncertainty.pair_groups import GROUP_FEATURES, pair_groups
from onward.uncertainty.uncertainty_model import PairPredictions, UncertaintyModel, spread_inputs

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bundle:
    """A deployable model.

    Attributes:
        products: product (0..P-1, in order), product_id, name, category.
        model: graph, embeddings of all P products, and the boosted heads.
        uncertainty: from the heads' probabilities to score, uncertainty level and calibrated probability.
        policy: from score and level to show, don't show or abstain.
        categories: values of each `cat_*` feature in the order of their codes.
        state: [P] features of each product alone as known at as_of; see typical_features.py.
        contexts: features of sampled impressions without those of the pair; the "typical customer" of recommend.py.
        facts: source, as_of and attribution_days of the run that made it.
        lists: what goes with each product, comes after and before it, and could stand in for it.
        listed_scores: what is said of the pairs on the lists; None where every pair is worked out as it comes.
    """

    products: pd.DataFrame
    model: PairModel
    uncertainty: UncertaintyModel
    policy: Policy
    categories: Mapping[str, list[str]]
    state: pd.DataFrame
    contexts: pd.DataFrame
    facts: Mapping[str, Any]
    lists: ServedLists
    listed_scores: ListedScores | None = None

    def to_files(self) -> dict[str, Any]:
        """Every part as tables, arrays, plain values and text, by name of file."""
        return {
            **self.model.to_files(),
            **self.uncertainty.to_files(),
            **self.lists.to_files(),
            **(self.listed_scores.to_files() if self.listed_scores else {}),
            "products.parquet": self.products,
            "policy.json": self.policy.to_dict(),
            "categories.json": self.categories,
            "state.parquet": self.state,
            "contexts.parquet": self.contexts,
            "facts.json": self.facts,
        }

    @classmethod
    def from_files(cls, files: Mapping[str, Any]) -> Self:
        """Rebuild what `to_files` gave; a bundle from before lists were has none."""
        listed = ListedProducts.from_files(files)
        return cls(
            products=listed.products,
            model=PairModel.from_files(files),
            uncertainty=UncertaintyModel.from_files(files),
            policy=Policy.from_dict(files["policy.json"]),
            categories=files["categories.json"],
            state=files["state.parquet"],
            contexts=files["contexts.parquet"],
            facts=listed.facts,
            lists=listed.lists,
            listed_scores=listed.scores,
        )

    def with_listed_scores(self, threads: int = 1) -> Self:
        """The same, with what is said of the pairs on its lists worked out."""
        scored = ListedScores.of(self.lists, self.uncertainty.levels, self.policy, self.typical.scores, threads)
        return replace(self, listed_scores=scored)

    @cached_property
    def listed(self) -> ListedProducts:
        """The part that answers about lists."""
        scores = self.listed_scores
        if scores is None:
            scores = ListedScores.none(len(self.products), self.uncertainty.levels, self.policy)
        return ListedProducts(self.products, self.model.graph.customers, self.lists, scores, self.facts)

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
        source, target = self.listed.inside(source_ids), self.listed.inside(target_ids)
        if not len(features) == len(source) == len(target):
            raise DataError(
                f"scoring: {len(features)} feature rows, {len(source)} sources and {len(target)} targets; "
                "give one of each per row"
            )
        in_bundle = (source >= 0) & (target >= 0)
        coded = features if categories is None else recode(features, categories, self.categories)
        if not in_bundle.any():
            return _score_table(in_bundle)
        predicted = self.predict(
            coded if in_bundle.all() else coded[in_bundle], source[in_bundle], target[in_bundle], threads
        )
        decision = self.policy.answer(predicted.score, predicted.level)
        return _score_table(in_bundle, predicted, decision)

    def score_typical(self, source_ids: Sequence[str], target_ids: Sequence[str]) -> pd.DataFrame:
        """Score pairs for a typical customer; the same columns, also where the bundle does not know a product.

        Raises:
            DataError: lengths differ.
        """
        source, target = self.listed.inside(source_ids), self.listed.inside(target_ids)
        if len(source) != len(target):
            raise DataError(f"scoring: {len(source)} sources and {len(target)} targets; give one of each per row")
        in_bundle = (source >= 0) & (target >= 0)
        if not in_bundle.any():
            return _score_table(in_bundle)
        scores = self.typical_scores(source[in_bundle], target[in_bundle])
        return _score_table(in_bundle, scores, scores.decision)

    def predict(self, features: pd.DataFrame, source: Ints, target: Ints, threads: int = 1) -> PairPredictions:
        """Score, level and probability of n pairs of inside numbers.

        Raises:
            DataError: a feature is missing.
        """
        names = [name for name in self._of_impression if name in features.columns]
        columns = dict(zip(names, features[names].to_numpy(np.float32).T, strict=True))
        columns |= pair_columns(self.model.graph, self.model.embeddings, source, target)
        rows = feature_matrix(columns, self.model.scorer.features)
        heads = self.model.scorer.probability(rows, threads)
        reads_place = self.uncertainty.reads_place
        scored = spread_inputs(heads, columns, self.model.embeddings, source, target, with_place=reads_place)
        # Naming groups takes longer than the rest of a small request, so only where one is repaired.
        repaired = self.uncertainty.repair.shifts
        groups = pair_groups(columns, self.products["category"], target) if repaired else {}
        return self.uncertainty.predict(scored, groups)

    def typical_scores(self, source: Ints, target: Ints, threads: int = 1) -> TypicalScores:
        """What is said of n pairs of inside numbers for a typical customer; those on lists are looked up."""

        def work_out(source: Ints, target: Ints) -> TypicalScores:
            return self.typical.scores(source, target, threads)

        return self.listed.scores.answer(source, target, work_out)

    @cached_property
    def typical(self) -> TypicalCustomer:
        """What works out a pair where no customer is named."""
        parts = ("products", "model", "uncertainty", "policy", "state", "contexts", "lists")
        return TypicalCustomer(**{name: getattr(self, name) for name in parts})

    @cached_property
    def _of_impression(self) -> Sequence[str]:
        """Features that come with an impression, and those that name its groups."""
        names = dict.fromkeys((*self.model.scorer.features, *GROUP_FEATURES))
        return [name for name in names if name not in PAIR_FEATURES]


def _score_table(
    in_bundle: npt.NDArray[np.bool_],
    said: PairPredictions | TypicalScores | None = None,
    decision: npt.NDArray[np.str_] | None = None,
) -> pd.DataFrame:
    """What is said of the rows in the bundle, and of the others that nothing is."""
    rows = len(in_bundle)
    columns: dict[str, npt.NDArray[Any]] = {
        "score": np.full(rows, np.nan),
        "uncertainty": np.full(rows, np.nan),
        "level": np.full(rows, -1),
        "probability": np.full(rows, np.nan),
        "decision": np.full(rows, "don't show"),
        "shown": np.zeros(rows, np.bool_),
    }
    if said is not None and decision is not None:
        for name in ("score", "uncertainty", "level", "probability"):
            columns[name][in_bundle] = getattr(said, name)
        columns["decision"][in_bundle] = decision
        columns["shown"][in_bundle] = decision == "show"
    return pd.DataFrame(columns)


def recode(
    features: pd.DataFrame, source_categories: Mapping[str, list[str]], target_categories: Mapping[str, list[str]]
) -> pd.DataFrame:
    """Translate category codes: the same number means another category in another bundle.

    A value that the target list lacks takes its "other" code if it has one, else NaN, as at serving time.

    >>> recode(pd.DataFrame({"cat_a": [0.0, 1.0]}), {"cat_a": ["x", "y"]}, {"cat_a": ["y", "x"]})["cat_a"].tolist()
    [1.0, 0.0]
    """
    from onward.data.features import encode_categories

    translated = features.copy()
    for name, values in source_categories.items():
        if name not in features.columns or name not in target_categories:
            continue
        # The last entry is picked by -1, which stands for a missing code.
        table = np.append(
            encode_categories(pd.Series(values, dtype="str"), list(target_categories[name]))[0], np.float32("nan")
        )
        codes = features[name].to_numpy(np.float64)
        translated[name] = table[np.where(np.isnan(codes), -1, codes).astype(np.int64)]
    return translated
