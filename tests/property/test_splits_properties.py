import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.data.splits import SPLITS, assign_splits

SHARES = {"train": 0.5, "selection": 0.1, "calibrate": 0.15, "threshold": 0.1, "test": 0.15}
ids = st.lists(st.text(max_size=12), max_size=40)


@settings(deadline=None)
@given(known=ids, arriving=ids, salt=st.text(min_size=1, max_size=5))
def test_new_customers_and_another_order_move_nobody(known, arriving, salt):
    alone = dict(zip(known, assign_splits(known, SHARES, salt), strict=True))
    crowd = arriving + known[::-1] + arriving
    together = dict(zip(crowd, assign_splits(crowd, SHARES, salt), strict=True))
    assert {customer: together[customer] for customer in alone} == alone


@settings(deadline=None)
@given(customers=ids)
def test_every_customer_is_in_exactly_one_known_split(customers):
    splits = assign_splits(customers, SHARES, "s")
    assert splits.shape == (len(customers),)
    assert set(splits) <= set(SPLITS)
    assert len({(customer, split) for customer, split in zip(customers, splits, strict=True)}) == len(set(customers))


@pytest.mark.parametrize("salt", ["onward-1", "another"])
def test_shares_are_met(salt):
    splits = assign_splits([str(customer) for customer in range(20_000)], SHARES, salt)
    for name, share in SHARES.items():
        assert np.mean(splits == name) == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 20_000))


def test_another_salt_draws_other_groups_and_the_same_salt_the_same():
    customers = [str(customer) for customer in range(2_000)]
    first = assign_splits(customers, SHARES, "a")
    assert (first == assign_splits(customers, dict(reversed(SHARES.items())), "a")).all()
    chance = sum(share**2 for share in SHARES.values())
    assert np.mean(first == assign_splits(customers, SHARES, "b")) == pytest.approx(chance, abs=0.05)


def test_the_draw_is_pinned_because_deployed_thresholds_rest_on_it():
    assert assign_splits([str(customer) for customer in range(6, 13)], SHARES, "onward-1").tolist() == [
        "train",
        "selection",
        "train",
        "train",
        "test",
        "selection",
        "test",
    ]
