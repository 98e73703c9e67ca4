"""Pairs scored for a typical customer: what a question that names no customer is answered with.

A probability needs a customer. Where none is named it is a mean over reference contexts: feature rows of real
impressions, sampled once when the bundle was made, in which the pair's own features (sales, prices, categories, counts,
embeddings) are replaced by those of the pair in question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.deployment.served_lists import ServedLists, ShownCategories
from onward.deployment.typical_answer import TypicalScores
from onward.deployment.typical_features import ProductState, is_of_the_pair
from onward.model.context_grid import ContextGrid, SplitTrees
from onward.model.pair_features import PAIR_FEATURES, pair_columns
from onward.model.pair_model import PairModel
from onward.model.scorer import feature_matrix
from onward.thresholds.policy import Policy
from onward.uncertainty.pair_groups import GROUP_FEATURES, pair_groups
from onward.uncertainty.uncertainty_model import EVIDENCE_FEATURES, PairPredictions, UncertaintyModel, spread_inputs

Ints = npt.NDArray[np.int64]
Columns = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Situations:
    """C contexts, ready to meet any pair.

    Attributes:
        columns: features of the contexts, each [C].
        grid: the same as the scorer's rows.
    """

    columns: Columns
    grid: ContextGrid

    def __len__(self) -> int:
        """C."""
        return len(self.grid.contexts)


@dataclass(frozen=True)
class TypicalCustomer:
    """The parts of a bundle that score a pair in every reference context.

    Attributes:
        products: of the bundle, by inside number.
        model: graph, embeddings and heads.
        uncertainty: from heads to probability.
        policy: from score and level to a decision.
        state: what `describe_products` returned.
        contexts: what `sample_contexts` returned.
        lists: which pairs are like anything that was shown.
    """

    products: pd.DataFrame
    model: PairModel
    uncertainty: UncertaintyModel
    policy: Policy
    state: pd.DataFrame
    contexts: pd.DataFrame
    lists: ServedLists

    def scores(
        self, source: Ints, target: Ints, threads: int = 1, situations: Situations | None = None
    ) -> TypicalScores:
        """Score n pairs of inside numbers.

        Args:
            source: [n] what was bought.
            target: [n] what would be shown.
            threads: for trees of more than 64 leaves.
            situations: other contexts than the reference ones, see `situations`.

        Raises:
            DataError: a feature is missing.
        """
        situations = situations or self._reference
        predicted = self._predictions(source, target, situations, threads)
        shape = (len(source), len(situations))
        low, high = self.uncertainty.ranges.interval(predicted.probability, predicted.uncertainty)
        rows = (predicted.score, predicted.uncertainty, predicted.probability, low, high)
        means = tuple(values.reshape(shape).mean(axis=1) for values in rows)
        like_shown = self._shown_categories.hold(source, target)
        return TypicalScores.of(means, like_shown, self.uncertainty.levels, self.policy)

    def situations(self, contexts: pd.DataFrame) -> Situations:
        """Make contexts ready; columns are those of `contexts` of the bundle.

        Raises:
            DataError: a feature is missing.
        """
        columns = {name: contexts[name].to_numpy(np.float32) for name in contexts.columns}
        absent = dict.fromkeys(self._names, np.full(len(contexts), np.nan, np.float32))
        rows = feature_matrix({**columns, **absent}, self.model.scorer.features)
        return Situations(columns, ContextGrid(self._trees, rows))

    def prepare(self) -> None:
        """Score one pair, so that the first request finds everything compiled and at hand."""
        if len(self.products):
            first = np.zeros(1, np.int64)
            self.scores(first, first)

    def _predictions(self, source: Ints, target: Ints, situations: Situations, threads: int) -> PairPredictions:
        """Of every pair in every situation, [pairs · situations], pair by pair."""
        pairs = len(source)
        columns = self._state.columns(source, target)
        columns |= pair_columns(self.model.graph, self.model.embeddings, source, target)
        rows = np.full((pairs, len(self.model.scorer.features)), np.nan, np.float32)
        rows[:, self._trees.of_pair] = feature_matrix(columns, self._names)
        heads = situations.grid.probability(rows, threads)
        pair = np.repeat(np.arange(pairs), len(situations))
        of_pairs = {name: columns[name][pair] for name in EVIDENCE_FEATURES}
        ends = source[pair], target[pair]
        reads_place = self.uncertainty.reads_place
        scored = spread_inputs(heads, of_pairs, self.model.embeddings, *ends, with_place=reads_place)
        groups = {}
        if self.uncertainty.repair.shifts:
            of_pairs |= {name: columns[name][pair] for name in GROUP_FEATURES if name in columns}
            of_situations = {name: np.tile(values, pairs) for name, values in situations.columns.items()}
            groups = pair_groups(of_situations | of_pairs, self.products["category"], target[pair])
        return self.uncertainty.predict(scored, groups)

    @cached_property
    def _names(self) -> Sequence[str]:
        """The scorer's features that belong to the pair, in its order."""
        return [name for name in self.model.scorer.features if is_of_the_pair(name) or name in PAIR_FEATURES]

    @cached_property
    def _trees(self) -> SplitTrees:
        features = self.model.scorer.features
        return SplitTrees(self.model.scorer, np.isin(features, self._names))

    @cached_property
    def _reference(self) -> Situations:
        return self.situations(self.contexts)

    @cached_property
    def _state(self) -> ProductState:
        return ProductState.of(self.state, self.products["category"])

    @cached_property
    def _shown_categories(self) -> ShownCategories:
        return ShownCategories.of(self.lists.seen, self.products["category"])
