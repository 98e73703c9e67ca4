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
from onward.deployment.typical_features import ProductState, is_of_the_pair
from onward.model.context_grid import ContextGrid
from onward.model.pair_features import PAIR_FEATURES, pair_columns
from onward.model.pair_model import PairModel
from onward.model.scorer import feature_matrix
from onward.thresholds.policy import Policy
from onward.uncertainty.pair_groups import pair_groups
from onward.uncertainty.uncertainty_model import PairPredictions, UncertaintyModel, spread_inputs

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Columns = Mapping[str, npt.NDArray[np.float32]]

_SPREAD = 1.96


@dataclass(frozen=True)
class TypicalScores:
    """What is said of n pairs.

    Attributes:
        score: [n] what is held against the cuts.
        uncertainty: [n] mean over the contexts.
        level: [n] its class, 0 the surest.
        probability: [n] that a typical customer who is shown the target buys it new, calibrated.
        low: [n] of the interval by the heads' disagreement.
        high: [n] likewise.
        decision: [n] show, don't show or abstain; a pair unlike any impression abstains.
    """

    score: Floats
    uncertainty: Floats
    level: Ints
    probability: Floats
    low: Floats
    high: Floats
    decision: npt.NDArray[np.str_]


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

    def scores(self, source: Ints, target: Ints, threads: int = 1) -> TypicalScores:
        """Score n pairs of inside numbers."""
        predicted = self.predictions(source, target, threads)
        shape = (len(source), len(self.contexts))
        low, high = self.uncertainty.calibrator.interval(predicted.score, predicted.disagreement, _SPREAD)
        score, uncertainty = (values.reshape(shape).mean(axis=1) for values in (predicted.score, predicted.uncertainty))
        level = self.uncertainty.levels.assign(uncertainty)
        decision = self.policy.answer(score, level)
        return TypicalScores(
            score=score,
            uncertainty=uncertainty,
            level=level,
            probability=predicted.probability.reshape(shape).mean(axis=1),
            low=low.reshape(shape).mean(axis=1),
            high=high.reshape(shape).mean(axis=1),
            decision=np.where(self._shown_categories.hold(source, target), decision, "abstain"),
        )

    def predictions(self, source: Ints, target: Ints, threads: int = 1) -> PairPredictions:
        """Of every pair in every context, [pairs · contexts], pair by pair."""
        pairs, contexts = len(source), len(self.contexts)
        columns = self._state.columns(source, target)
        columns |= pair_columns(self.model.graph, self.model.embeddings, source, target)
        rows = np.full((pairs, len(self.model.scorer.features)), np.nan, np.float32)
        rows[:, self._places] = feature_matrix(columns, self._names)
        heads = self._grid.probability(rows, threads)
        each = np.repeat(np.arange(pairs), contexts)
        counts = {name: columns[name][each] for name in PAIR_FEATURES if name.startswith("count_")}
        many = source[each], target[each]
        scored = spread_inputs(heads, counts, self.model.embeddings, *many)
        groups = {}
        if self.uncertainty.repair.shifts:
            of_contexts = {name: np.tile(values, pairs) for name, values in self._context_columns.items()}
            groups = pair_groups(of_contexts | counts, self.products["category"], many[1])
        return self.uncertainty.predict(scored, groups)

    def prepare(self) -> None:
        """Score one pair, so that the first request finds everything compiled and at hand."""
        if len(self.products):
            first = np.zeros(1, np.int64)
            self.scores(first, first)

    @cached_property
    def _state(self) -> ProductState:
        return ProductState.of(self.state, self.products["category"])

    @cached_property
    def _context_columns(self) -> Columns:
        return {name: self.contexts[name].to_numpy(np.float32) for name in self.contexts.columns}

    @cached_property
    def _names(self) -> Sequence[str]:
        """The scorer's features that belong to the pair."""
        return [name for name in self.model.scorer.features if is_of_the_pair(name) or name in PAIR_FEATURES]

    @cached_property
    def _places(self) -> Ints:
        """Their places among all features."""
        features = self.model.scorer.features
        return np.array([features.index(name) for name in self._names], np.int64)

    @cached_property
    def _grid(self) -> ContextGrid:
        features = self.model.scorer.features
        of_pair = np.zeros(len(features), np.bool_)
        of_pair[self._places] = True
        absent = dict.fromkeys(self._names, np.full(len(self.contexts), np.nan, np.float32))
        return ContextGrid(self.model.scorer, feature_matrix({**self._context_columns, **absent}, features), of_pair)

    @cached_property
    def _shown_categories(self) -> ShownCategories:
        return ShownCategories.of(self.lists.seen, self.products["category"])
