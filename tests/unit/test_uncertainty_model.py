"""The one way from heads to score, level and probability: repairs, sources and calibration on training customers."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import multivariate_normal

from onward.errors import DataError
from onward.model.scorer_training import bootstrap_weights, heads_that_saw
from onward.uncertainty.chance_range import NOTHING_KNOWN, ChanceRange
from onward.uncertainty.evidential import Density
from onward.uncertainty.sources import Scored
from onward.uncertainty.spread import leave_out
from onward.uncertainty.spread_choice import SOURCES, spread_from_dict, spread_to_dict
from onward.uncertainty.uncertainty_model import CalibrationSet, UncertaintyModel

BAD = "department=MEAT"


def shop(seed, n=30_000, shift=0.9):
    """Pairs whose scores are right but in one department, where they are too high."""
    rng = np.random.default_rng(seed)
    department = rng.choice(["BREAD", "MEAT", "FRUIT", "DELI"], n)
    truth = expit(rng.normal(-2.5, 0.8, n))
    said = np.where(department == "MEAT", expit(logit(truth) + shift), truth)
    heads = expit(logit(said)[:, None] + rng.normal(0.0, 0.2, (n, 4)))
    scored = Scored(
        heads=heads, score=heads.mean(axis=1), pair=rng.integers(0, n // 6, n), evidence=rng.integers(0, 90, n) * 1.0,
        place=rng.normal(size=(n, 6)).astype(np.float32), values=np.zeros((n, 0), np.float32),
    )  # fmt: skip
    return scored, (rng.random(n) < truth) * 1.0, {"department": department}


def fit(seed=1, accepted=(), spread="heads"):
    scored, label, groups = shop(seed)
    return UncertaintyModel.fit(
        CalibrationSet(scored.score, label, groups, np.arange(len(label))), scored, label,
        calibrator="isotonic", spread=spread, levels=3, accepted=accepted, seed=0,
    )  # fmt: skip


def miss(probability, label, rows):
    """How far predicted and observed conversions lie apart, as a log ratio."""
    return abs(np.log(probability[rows].sum() / label[rows].sum()))


@pytest.mark.parametrize("seed", range(5))
def test_a_repaired_group_is_better_calibrated_on_other_rows_and_no_worse_elsewhere(seed):
    plain, mended = fit(seed), fit(seed, [BAD])
    scored, label, groups = shop(100 + seed)
    bad = groups["department"] == "MEAT"
    before, after = (each.predict(scored, groups).probability for each in (plain, mended))
    assert miss(before, label, bad) > 0.3
    assert miss(after, label, bad) < miss(before, label, bad) / 3
    assert miss(after, label, ~bad) < miss(before, label, ~bad)


def test_a_group_that_nobody_accepted_changes_nothing():
    scored, _, groups = shop(2)
    plain, other = fit(2), fit(2, ["department=NONE SUCH"])
    assert plain.repair.shifts == {}
    for fitted in (plain, other):
        said = fitted.predict(scored, groups)
        assert (said.score == scored.score).all()
        assert (said.probability == plain.calibrator.apply(scored.score)).all()


def test_repairs_leave_levels_alone_and_move_only_their_group():
    scored, _, groups = shop(3)
    plain, mended = (each.predict(scored, groups) for each in (fit(3), fit(3, [BAD])))
    assert (plain.level == mended.level).all()
    assert (plain.uncertainty == mended.uncertainty).all()
    assert ((plain.score != mended.score) == (groups["department"] == "MEAT")).all()


def test_a_repair_asks_for_the_columns_it_speaks_of():
    scored, _, _ = shop(1, n=50)
    with pytest.raises(DataError, match="department=MEAT"):
        fit(1, [BAD]).predict(scored, {"visits": np.full(50, "none")})


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_source_that_can_be_chosen_survives_as_plain_values(name):
    fitted = fit(4, spread=name)
    scored, _, groups = shop(5, n=400)
    again = UncertaintyModel.from_files(json.loads(json.dumps(fitted.to_files())))
    one, two = (each.predict(scored, groups) for each in (fitted, again))
    np.testing.assert_allclose(one.uncertainty, two.uncertainty, rtol=1e-12)
    assert (one.score == two.score).all()


def test_a_source_that_cannot_be_deployed_or_is_not_known_is_refused():
    class EvenSpread:
        def uncertainty(self, rows):
            return np.zeros(len(rows.score))

    with pytest.raises(DataError, match="EvenSpread cannot be deployed"):
        spread_to_dict(EvenSpread())
    with pytest.raises(DataError, match="'tea leaves'"):
        spread_from_dict({"source": "tea leaves"})


def test_density_is_that_of_the_mixture():
    place = np.random.default_rng(6).normal(size=(500, 5)).astype(np.float32) * [1, 2, 3, 1, 1]
    density = Density.fit(place, dimensions=3, components=2, seed=1)
    inside = (place - density.origin) @ density.directions.T
    expected = sum(
        weight * multivariate_normal(mean, np.linalg.inv(factor @ factor.T)).pdf(inside)
        for weight, mean, factor in zip(density.weights, density.means, density.whitening, strict=True)
    )
    np.testing.assert_allclose(density.log_density(place), np.log(expected), rtol=1e-6)


def test_heads_that_saw_a_customer_are_those_whose_bootstrap_held_it():
    customer = np.array([7, 3, 3, 0, 11])
    trained = np.array([True, True, False, True, True])
    seen = heads_that_saw(customer, trained, seed=9, heads=6)
    assert not seen[2].any()
    assert (seen[1] == [bootstrap_weights(customer, 9, head)[1] > 0 for head in range(6)]).all()
    # Who else is in the table does not matter: the scorer drew with others around.
    fewer = heads_that_saw(customer[:3], trained[:3], seed=9, heads=6)
    assert (seen[:3] == fewer).all()


def test_out_of_bag_scores_come_from_other_heads_and_nobody_is_scored_by_a_head_that_knows_them():
    heads = np.array([[0.1, 0.3, 0.5], [0.2, 0.2, 0.8], [0.1, 0.1, 0.4]])
    seen = np.array([[True, False, False], [True, True, True], [False, False, False]])
    assert leave_out(heads, seen)[0] == pytest.approx(0.4)
    assert np.isnan(leave_out(heads, seen)[1])
    scored = Scored(heads, heads.mean(axis=1), np.arange(3), np.ones(3), np.zeros((3, 2), np.float32), np.zeros((3, 0)))
    pairs = CalibrationSet.out_of_bag(
        scored, seen, np.array([1.0, 0.0, 0.5]), {"a": np.array(["x", "y", "z"])}, seen[:, 0] | True
    )
    assert pairs.score.tolist() == pytest.approx([0.4, 0.2])
    assert pairs.label.tolist() == [1.0, 0.5]
    assert pairs.groups["a"].tolist() == ["x", "z"]


def test_a_recalibrated_model_says_the_same_after_it_was_written_and_its_ranges_are_to_be_fitted_anew():
    scored, label, groups = shop(6)
    plain = fit(6)
    before = plain.predict(scored, groups)
    ranges = ChanceRange(1.5, follows_doubt=True, promised=0.9, conversions=25.0, batches={"product_shown": 70})
    plain = replace(plain, ranges=ranges)
    mended = plain.recalibrated(before, label, calibrator="isotonic")
    assert mended.ranges == NOTHING_KNOWN
    again = UncertaintyModel.from_files(json.loads(json.dumps(mended.to_files())))
    said = again.predict(scored, groups)
    assert said.score == pytest.approx(mended.recalibration.apply(before.score, before.uncertainty))
    assert said.probability == pytest.approx(mended.calibrator.apply(said.score))
    np.testing.assert_array_equal(said.level, before.level)
    kept = UncertaintyModel.from_files(json.loads(json.dumps(plain.to_files())))
    assert kept.recalibration is None
    assert kept.ranges == ranges
