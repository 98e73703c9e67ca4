import numpy as np
import pytest
from scipy.stats import beta

from onward.errors import DataError, InfeasibleTargetError
from onward.thresholds.certificate import certify, precision_lower_bound
from onward.thresholds.fitting import fit_policy, stricter
from onward.thresholds.policy import Policy
from onward.thresholds.target import Target


def test_independent_examples_get_the_exact_binomial_bound():
    label = np.r_[np.ones(30), np.zeros(70)]
    bound = precision_lower_bound(label, np.ones(100, bool), np.arange(100), 0.05)
    assert bound == pytest.approx(beta.ppf(0.05, 30, 71), abs=0.002)
    assert bound < 0.3


def test_nothing_shown_or_no_hit_promises_nothing():
    assert precision_lower_bound([1.0, 0.0], [False, False], [0, 1], 0.1) == 0.0
    assert precision_lower_bound([0.0, 0.0], [True, True], [0, 1], 0.1) == 0.0


def test_examples_that_one_customer_repeats_count_once():
    rng = np.random.default_rng(1)
    label, customer = (rng.random(200) < 0.4) * 1.0, np.arange(200)
    once = precision_lower_bound(label, np.ones(200, bool), customer, 0.1)
    tenfold = precision_lower_bound(np.repeat(label, 10), np.ones(2000, bool), np.repeat(customer, 10), 0.1)
    assert tenfold == pytest.approx(once, abs=0.005)
    blind = precision_lower_bound(np.repeat(label, 10), np.ones(2000, bool), np.arange(2000), 0.1)
    assert blind > once + 0.02


@pytest.mark.parametrize(
    ("customers", "rows", "positives", "at_most"),
    [(1, 30, 30, 0.2), (1, 100, 60, 0.2), (2, 50, 30, 0.3), (30, 4, 4, 0.93)],
)
def test_a_few_customers_with_many_rows_each_promise_little(customers, rows, positives, at_most):
    label = np.tile(np.r_[np.ones(positives), np.zeros(rows - positives)], customers)
    bound = precision_lower_bound(label, np.ones(len(label), bool), np.repeat(np.arange(customers), rows), 0.1)
    assert 0.0 < bound < at_most


def two_halves(rate=0.5, n=4000):
    score = np.linspace(0.0, 1.0, n)
    return score, np.zeros(n, int), (np.random.default_rng(2).random(n) < rate * score) * 1.0, np.arange(n)


def test_the_policy_that_shows_most_among_the_certified_is_kept():
    score, level, label, customer = two_halves()
    policies = [Policy("single", asked, (cut,)) for asked, cut in ((0.3, 0.2), (0.4, 0.6), (0.45, 0.9))]
    kept, certificate = certify(policies, score, level, label, customer, 0.36, 0.1)
    assert kept is policies[1]
    assert (certificate.certified, certificate.looks, certificate.fitted_precision) == (True, 3, 0.4)
    assert certificate.lower_bound >= 0.36
    assert certificate.shown == (score >= 0.6).sum()


def test_the_walk_ends_at_the_first_policy_that_fails():
    score, level, label, customer = two_halves()
    # The strict one shows too little to promise anything, so that the good one behind it is never looked at.
    policies = [Policy("single", 0.4, (0.6,)), Policy("single", 0.9, (0.9999,))]
    kept, certificate = certify(policies, score, level, label, customer, 0.36, 0.1)
    assert kept is None
    assert certificate.looks == 1
    assert certify(policies[:1], score, level, label, customer, 0.36, 0.1)[0] is policies[0]


def test_a_promise_nobody_can_keep_is_a_named_result():
    score, level, label, customer = two_halves()
    kept, certificate = certify([Policy("single", 0.6, (0.5,))], score, level, label, customer, 0.6, 0.1)
    assert kept is None
    assert not certificate.to_dict()["certified"]
    with pytest.raises(
        InfeasibleTargetError, match=r"precision_target = 0.6: no boundary can be certified .*lower bound"
    ):
        certificate.require_certified()


@pytest.mark.parametrize(("policies", "n"), [([], 5), ([Policy("single", 0.1, (0.1,))], 0)])
def test_nothing_to_certify_is_refused(policies, n):
    with pytest.raises(DataError, match="certificate"):
        certify(policies, np.zeros(n), np.zeros(n, int), np.zeros(n), np.zeros(n), 0.1, 0.1)


def fit(target=Target("precision", 0.3), **change):  # noqa: B008
    score, level, label, customer = two_halves()
    asked = {
        "search": "ew_dpmt", "levels": 1, "bins_per_level": 50, "abstain_precision": None, "certificate_alpha": None,
        "seed": 1,
    }  # fmt: skip
    return fit_policy(score, level, label, customer, target, **(asked | change))


def test_a_certified_policy_is_stricter_than_the_search_and_promises_what_was_asked():
    plain, certified = fit(), fit(certificate_alpha=0.1)
    assert plain.certificate is None
    assert certified.policy.precision_target == 0.3
    assert certified.result.precision_target >= 0.3
    assert certified.policy.cuts[0] >= plain.policy.cuts[0] - 0.1
    assert certified.certificate.lower_bound >= 0.3
    assert certified.result.examples == 2000  # the other half certified


def test_a_band_reaches_down_to_the_lower_precision():
    banded = fit(abstain_precision=0.26)
    assert banded.policy.abstain_cuts < banded.policy.cuts == fit().policy.cuts


@pytest.mark.parametrize("search", ["single", "mist", "ew_dpmt", "vw_dpmt", "gmt"])
def test_every_search_takes_every_target(search):
    for target in (Target("precision", 0.3), Target("recall", 0.5), Target("cost_ratio", 0.3)):
        fitted = fit(target, search=search)
        assert fitted.policy.search == search
        assert 0.0 < fitted.policy.precision_target < 1.0


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(DataError, match="promises a precision"):
        fit(Target("recall", 0.5), certificate_alpha=0.1)
    with pytest.raises(DataError, match=r"abstain_precision = 0.4"):
        fit(abstain_precision=0.4)
    with pytest.raises(InfeasibleTargetError):
        fit(Target("precision", 0.99))


def test_asking_for_more_never_asks_for_certainty():
    assert stricter(0.99) == (0.99,)
    assert max(stricter(0.7)) < 1.0
