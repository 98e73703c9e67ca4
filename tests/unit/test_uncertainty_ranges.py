"""Ranges beside chances: how wide they are made, on whom, and how they are held against what converted."""

import json
from dataclasses import replace

import numpy as np
import pytest

from builders.doubtful_shop import AS_SAID, CATEGORY, World
from onward.errors import DataError
from onward.evaluation.range_coverage import ALL_WAYS, range_coverage
from onward.uncertainty.chance_range import NOTHING_KNOWN, ChanceRange
from onward.uncertainty.pair_batches import batches_of, ways_to_batch
from onward.uncertainty.range_fitting import CONVERSIONS, PROMISED, fit_range


def fitted(pairs, calibrate=lambda held: AS_SAID, seed=0):
    return fit_range(pairs, CATEGORY, calibrate, seed)


def test_a_model_that_is_further_off_gets_wider_ranges():
    reach = [fitted(World(1, off).pairs(0)[0]).reach for off in (0.0, 0.5, 1.0)]
    assert reach == sorted(reach)
    assert reach[2] > 2.0 * reach[0]


@pytest.mark.parametrize("told", [True, False])
def test_ranges_follow_doubt_where_it_tells_how_far_off_the_model_is(told):
    assert fitted(World(3, off=0.5, told=told).pairs(0, rows=40_000)[0]).follows_doubt is told


def test_what_is_promised_is_kept_with_the_ranges():
    ranges = fitted(World(1).pairs(0)[0])
    assert (ranges.promised, ranges.conversions) == (PROMISED, CONVERSIONS)
    assert set(ranges.batches) == {"product_shown", "product_bought", "chance_and_doubt"}
    assert ChanceRange.from_dict(json.loads(json.dumps(ranges.to_dict()))) == ranges


def test_a_log_of_few_conversions_has_smaller_batches_and_wider_ranges():
    many, few = fitted(World(1).pairs(0)[0]), fitted(World(1).pairs(0, rows=400, customers=60)[0])
    assert few.conversions < 5.0
    assert few.reach > 1.5 * many.reach


def test_no_customer_is_judged_by_a_calibrator_that_saw_it():
    pairs, _ = World(1).pairs(0)
    asked = []

    def calibrate(held):
        asked.append(set(held.tolist()))
        return AS_SAID

    fitted(pairs, calibrate)
    assert len(asked) == 5
    assert set().union(*asked) == set(pairs.customer.tolist())
    assert sum(map(len, asked)) == len(np.unique(pairs.customer))


def test_nothing_is_known_where_nobody_can_be_set_aside():
    def calibrate(held):
        raise DataError("calibration: no positives; enlarge splits.calibrate")

    ranges = fitted(World(1).pairs(0)[0], calibrate)
    assert ranges == NOTHING_KNOWN
    low, high = ranges.interval([0.02, 0.5], [0.1, 0.3])
    assert (low < 1e-6).all()
    assert (high > 0.999).all()


def test_labels_that_have_not_arrived_cost_no_more_than_they_would_have():
    pairs, truth = World(5).pairs(0, rows=40_000)
    pending = np.random.default_rng(1).random(len(truth)) < 0.5
    soft = fitted(replace(pairs, label=np.where(pending, truth, pairs.label)))
    assert soft.reach == pytest.approx(fitted(pairs).reach, rel=0.25)


def test_no_reach_is_refused_that_is_none():
    for reach in (-1.0, np.nan, np.inf):
        with pytest.raises(DataError, match="calibrate again"):
            ChanceRange(reach, follows_doubt=False, promised=0.9, conversions=25.0, batches={})


def test_batches_are_of_one_category_after_another_and_the_rest_joins_the_last():
    target = np.array([0, 1, 6, 2, 0, 6])
    keys = ways_to_batch(target, target, CATEGORY, np.zeros(6, np.int64), np.full(6, 0.1))["product_shown"]
    # Products 0 and 6 share an aisle: in order 0 0 6 6, then 1, then 2.
    assert batches_of(keys, np.ones(6), 2.0).tolist() == [0, 2, 1, 2, 0, 1]
    assert batches_of(keys, np.ones(6), 4.0).tolist() == [0] * 6


def test_coverage_counts_batches_whose_share_lies_between_the_mean_ends():
    outcome = np.array([1.0, 0.0, 1.0, 0.0])
    low, high = np.array([0.4, 0.4, 0.6, 0.6]), np.array([0.6, 0.6, 0.9, 0.9])
    batches = {"one": np.array([0, 0, 1, 1]), "other": np.zeros(4, np.int64)}
    found = range_coverage(outcome, low, high, np.arange(4), batches, 200, 0)
    assert {name: (each["batches"], each["coverage"]["value"]) for name, each in found.items()} == {
        "one": (2, 0.5), "other": (1, 1.0), ALL_WAYS: (3, pytest.approx(2 / 3)),
    }  # fmt: skip
    assert 0.0 <= found["one"]["coverage"]["low"] <= 0.5 <= found["one"]["coverage"]["high"] <= 1.0
