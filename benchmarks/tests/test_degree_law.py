"""The law of degrees: found where it holds, refused where it does not."""

import numpy as np
import pytest
from scipy.special import zeta
from scipy.stats import zipf

from benchmarks.direction.degree_law import fit_degree_law
from onward.errors import DataError


def power_law(exponent, count, seed):
    return zipf.rvs(exponent, size=count, random_state=seed).astype(np.int64)


@pytest.mark.parametrize("exponent", [1.8, 2.5, 3.2])
def test_the_exponent_is_recovered_within_its_standard_error(exponent):
    errors = []
    for seed in range(20):
        law = fit_degree_law(power_law(exponent, 2000, seed), d_min=1)
        errors.append((law.exponent - exponent) / law.standard_error)
        assert law.d_min == 1
    assert abs(np.mean(errors)) < 4 / np.sqrt(20)
    assert 0.5 < np.std(errors) < 1.6


def test_the_lower_end_is_found_where_the_law_begins():
    rng = np.random.default_rng(0)
    tail = power_law(2.5, 60_000, 1)
    tail = tail[tail >= 8][:1500]
    law = fit_degree_law(np.concatenate([tail, rng.integers(1, 8, 3000)]))
    assert 6 <= law.d_min <= 12
    assert law.exponent == pytest.approx(2.5, abs=0.25)
    assert law.degrees == len(tail) + 3000


def test_distance_is_the_largest_gap_between_the_distribution_functions():
    degrees = np.array([1, 1, 1, 2, 2, 5])
    law = fit_degree_law(degrees, d_min=1)
    every = np.arange(1, 6)
    model = 1 - zeta(law.exponent, every + 1) / zeta(law.exponent, 1)
    seen = np.array([(degrees <= d).mean() for d in every])
    assert law.distance == pytest.approx(np.abs(model - seen).max(), abs=1e-9)


def test_survival_is_one_up_to_the_lower_end_and_falls_after():
    law = fit_degree_law(power_law(2.2, 3000, 3), d_min=2)
    chances = law.survival(np.array([1, 2, 3, 10, 1000]))
    assert chances[:2].tolist() == [1.0, 1.0]
    assert (np.diff(chances[1:]) < 0).all()


def test_verdict_says_no_to_degrees_that_follow_another_law():
    degrees = np.random.default_rng(5).poisson(20, 3000) + 1
    assert fit_degree_law(degrees, d_min=1, samples=20).verdict.startswith("no power law (p = 0.00)")


@pytest.mark.statistical
def test_verdict_wrongly_refuses_a_true_law_about_one_time_in_ten():
    laws = [fit_degree_law(power_law(2.5, 500, seed), d_min=1, samples=40, seed=seed) for seed in range(40)]
    refused = sum(law.verdict.startswith("no power law") for law in laws)
    # Binomial(40, .1) exceeds 10 once in five hundred.
    assert refused <= 10
    assert np.mean([law.p_value for law in laws]) == pytest.approx(0.5, abs=0.2)


def test_verdict_says_when_it_cannot_tell():
    assert fit_degree_law(np.array([1, 2, 3])).verdict.startswith("too few to tell: ")
    assert fit_degree_law(power_law(2.5, 100, 1), d_min=1).verdict.startswith("not tested: 100 of 100")


@pytest.mark.parametrize(
    ("degrees", "d_min", "message"),
    [([0, 0], None, "no product has an edge"), ([1, 2], 0, "d_min = 0"), ([1, 2], 9, "no degree reaches d_min = 9")],
)
def test_what_cannot_be_fitted_is_refused(degrees, d_min, message):
    with pytest.raises(DataError, match=message):
        fit_degree_law(np.array(degrees), d_min)
