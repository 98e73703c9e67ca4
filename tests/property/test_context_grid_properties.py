"""Compiled trees against LightGBM itself: the same probability to the last bit, whatever the trees and the rows."""

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.errors import ArtifactError
from onward.model.context_grid import ContextGrid, SplitTrees
from onward.model.scorer import PairScorer
from onward.model.tree_text import FlatTrees

COLUMNS, CATEGORICAL = 6, (4, 5)
NAMES = tuple(f"f{place}" for place in range(COLUMNS))


def draw_rows(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Numbers with zeros, tiny and missing values, and codes of which some are missing, unseen or no codes at all."""
    numbers = rng.normal(size=(rows, COLUMNS)).round(1)
    numbers[rng.random(numbers.shape) < 0.2] = 0.0
    numbers[rng.random(numbers.shape) < 0.05] = 1e-36
    numbers[:, CATEGORICAL] = rng.integers(-1, 90, (rows, len(CATEGORICAL)))
    numbers[rng.random(numbers.shape) < 0.15] = np.nan
    return numbers.astype(np.float32)


def grow_heads(rng: np.random.Generator, leaves: int, missing: dict) -> PairScorer:
    heads = []
    for _ in range(2):
        rows = draw_rows(rng, 600)
        rows[:, CATEGORICAL] = np.where(rows[:, CATEGORICAL] < 0, np.nan, rows[:, CATEGORICAL])
        chance = 0.2 + 0.5 * (np.nan_to_num(rows[:, 0]) > 0) + 0.2 * (np.nan_to_num(rows[:, 4]) % 3 == 0)
        data = lgb.Dataset(rows, rng.random(600) < chance, feature_name=list(NAMES), categorical_feature=CATEGORICAL)
        plain = {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": leaves, "min_data_in_leaf": 2}
        plain |= {"min_data_per_group": 5, "cat_smooth": 1.0, "max_cat_to_onehot": 2}
        heads.append(lgb.train({**plain, **missing}, data, num_boost_round=8).model_to_string())
    return PairScorer(tuple(heads), NAMES, tuple(NAMES[place] for place in CATEGORICAL))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    leaves=st.sampled_from([2, 8, 31, 64, 90]),
    missing=st.sampled_from([{}, {"zero_as_missing": True}, {"use_missing": False}]),
    of_pair=st.lists(st.booleans(), min_size=COLUMNS, max_size=COLUMNS),
)
def test_a_grid_says_of_every_pair_and_context_what_lightgbm_says_of_their_row(seed, leaves, missing, of_pair):
    rng = np.random.default_rng(seed)
    scorer = grow_heads(rng, leaves, missing)
    pairs, contexts, mine = draw_rows(rng, 7), draw_rows(rng, 5), np.array(of_pair)
    rows = np.where(mine, pairs[:, None], contexts[None]).reshape(-1, COLUMNS)
    # What a side is not asked for must not matter.
    grid = ContextGrid(SplitTrees(scorer, mine), np.where(mine, np.nan, contexts).astype(np.float32))
    asked = np.where(mine, pairs, np.nan).astype(np.float32)
    np.testing.assert_array_equal(grid.probability(asked), scorer.probability(rows))


def test_what_is_no_logistic_boosting_is_refused():
    rows = draw_rows(np.random.default_rng(0), 50)
    text = lgb.train({"verbosity": -1, "num_threads": 1}, lgb.Dataset(rows, rows[:, 4] > 3)).model_to_string()
    with pytest.raises(ArtifactError, match="objective 'regression'"):
        FlatTrees.from_texts([text])


def test_a_tree_without_a_split_is_its_leaf():
    rows = np.zeros((40, COLUMNS), np.float32)
    settings_ = {"objective": "binary", "verbosity": -1, "num_threads": 1}
    text = lgb.train(settings_, lgb.Dataset(rows, np.arange(40) % 4 == 0), num_boost_round=2).model_to_string()
    scorer = PairScorer((text, text), NAMES, ())
    grid = ContextGrid(SplitTrees(scorer, np.ones(COLUMNS, np.bool_)), rows[:3])
    np.testing.assert_array_equal(grid.probability(rows[:2]), scorer.probability(rows[:6]))
