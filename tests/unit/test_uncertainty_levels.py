import json

import numpy as np
import pytest

from onward.errors import DataError
from onward.uncertainty.levels import UncertaintyLevels


def test_levels_hold_equal_shares_of_the_split_that_fixed_them():
    uncertainty = np.random.default_rng(1).random(1000)
    levels = UncertaintyLevels.fit(uncertainty, 5)
    assert np.bincount(levels.assign(uncertainty)).tolist() == [200] * 5


def test_frozen_edges_give_other_shares_elsewhere():
    levels = UncertaintyLevels((1.0, 2.0))
    assert levels.assign([0.0, 0.99, 1.0, 1.5, 2.0, 9.0]).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("uncertainty", "count"),
    [([0.3] * 10, 1), ([0.0] * 8 + [1.0] * 2, 2), ([0.0] * 5 + [1.0] * 5, 2), ([0.1, 0.2, 0.3], 3)],
)
def test_tied_uncertainties_share_a_level_and_no_level_is_empty(uncertainty, count):
    levels = UncertaintyLevels.fit(uncertainty, 5 if count < 3 else 3)
    assert levels.count == count
    assert set(levels.assign(uncertainty)) == set(range(count))


def test_survives_json():
    levels = UncertaintyLevels((0.1, 0.2))
    assert UncertaintyLevels.from_dict(json.loads(json.dumps(levels.to_dict()))) == levels


@pytest.mark.parametrize("edges", [(0.2, 0.1), (0.1, 0.1), (0.1, float("inf")), (float("nan"),)])
def test_edges_that_do_not_increase_are_refused(edges):
    with pytest.raises(DataError, match="increase strictly"):
        UncertaintyLevels(edges)


@pytest.mark.parametrize("uncertainty", [[], [0.1, float("nan")], [float("inf")]])
def test_what_is_not_finite_cannot_be_cut(uncertainty):
    with pytest.raises(DataError, match="not finite"):
        UncertaintyLevels.fit(uncertainty, 3)


def test_an_uncertainty_that_is_no_number_has_no_level():
    with pytest.raises(DataError, match="1 of 2"):
        UncertaintyLevels((0.5,)).assign([0.1, float("nan")])
