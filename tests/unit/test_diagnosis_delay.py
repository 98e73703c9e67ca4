"""Whether delay hurts, on labels small enough to count by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.diagnosis.delay import Labels, diagnose_delay, missing_share


def labels(age, delay, customer=None, window=10.0):
    age, delay = np.array(age, float), np.array(delay, float)
    return Labels(np.arange(len(age)) if customer is None else np.array(customer), age, delay, window)


def test_the_missing_share_is_what_settled_conversions_would_leave_out_at_the_windows_ages():
    # Window impressions are 1, 3, 5 and 7 days old; settled conversions took 2, 4 and 0.5 days.
    known = labels([1, 3, 5, 7, 30, 30, 30, 30], [np.nan] * 4 + [2, 4, 0.5, np.nan])
    share, _, _ = missing_share(known, known.age < 10)
    assert share == pytest.approx(np.mean([1 / 4, 2 / 4, 0.0]))


def test_a_conversion_as_late_as_an_impression_is_old_is_missing_too():
    # Whole days, as where times are dates: what happens at the clock is not known at it.
    known = labels([1, 2, 3, 4, 30, 30], [np.nan] * 4 + [1, 2])
    assert missing_share(known, known.age < 10)[0] == pytest.approx(np.mean([1 / 4, 2 / 4]))


def crowd(delay_days, customers=200, late=1.0, each=1):
    age = np.r_[np.linspace(0.1, 9.9, 500), np.full(customers * each, 30.0)]
    took = np.where(np.arange(customers * each) < late * customers * each, delay_days, 0.01)
    customer = np.r_[np.arange(500), np.repeat(np.arange(customers), each)]
    return labels(age, np.r_[np.full(500, np.nan), took], customer)


def test_late_conversions_hurt_and_quick_ones_do_not():
    late, quick = (crowd(days) for days in (5.0, 0.01))
    assert diagnose_delay(late, late.age < 10, np.full(500, 0.3)).yes
    answer = diagnose_delay(quick, quick.age < 10, np.zeros(500))
    assert not answer.yes
    assert answer.effect < 0.01
    assert answer.sentence.startswith("Delay does not hurt")


def test_one_customer_with_many_late_conversions_proves_nothing():
    many = crowd(5.0, customers=1, each=500)
    assert not diagnose_delay(many, many.age < 10, np.zeros(500)).yes


@pytest.mark.parametrize("settled", [True, False])
def test_nothing_known_is_no(settled):
    known = labels([30.0, 1.0] if settled else [1.0, 2.0], [np.nan, np.nan])
    answer = diagnose_delay(known, known.age < 10, np.zeros(int((known.age < 10).sum())))
    assert (answer.yes, answer.p_value, answer.effect) == (False, 1.0, 0.0)
    empty = labels([], [])
    assert not diagnose_delay(empty, empty.age < 10, np.zeros(0)).yes


@given(st.floats(0.02, 9.5), st.floats(1.0, 3.0))
def test_longer_delays_never_miss_less(days, factor):
    short, long = (crowd(min(each, 9.9)) for each in (days, days * factor))
    assert missing_share(long, long.age < 10)[0] >= missing_share(short, short.age < 10)[0]
