import numpy as np
import pytest

from onward.errors import DataError
from onward.evaluation.groups import find_groups
from onward.evaluation.slices import measure_slices
from onward.uncertainty.group_repair import GroupRepair


def shop(seed, wrong=(), n=60_000):
    """Probabilities that are right but for the groups named in `wrong`, where they promise twice what comes."""
    rng = np.random.default_rng([seed, 5])
    slices = {"category": rng.integers(0, 40, n).astype(str), "kind": rng.choice(["a", "b", "c"], n)}
    truth = rng.beta(2.0, 30.0, n)
    promised = truth.copy()
    for name in wrong:
        column, _, value = name.partition("=")
        promised[slices[column] == value] *= 2.0
    return (rng.random(n) < truth) * 1.0, promised, rng.integers(0, 4000, n), slices


def test_planted_groups_are_found_and_confirmed_with_their_size():
    found = find_groups(*shop(1, ["category=7", "category=21"]))
    confirmed = {group.name: group for group in found if group.confirmed}
    assert set(confirmed) == {"category=7", "category=21"}
    for group in confirmed.values():
        assert group.promised / group.observed == pytest.approx(2.0, rel=0.4)
        assert group.to_dict()["group"] == group.name


def test_what_is_wrong_for_everybody_is_no_group():
    label, promised, customer, slices = shop(2)
    assert [group for group in find_groups(label, promised * 1.7, customer, slices) if group.confirmed] == []


def test_a_group_that_contains_a_bad_one_is_not_blamed():
    label, promised, customer, slices = shop(3, ["category=7"])
    wide = np.where(np.isin(slices["category"], ["7", "8"]), "wide", "rest")
    found = find_groups(label, promised, customer, {**slices, "wide": wide})
    assert [group.name for group in found if group.confirmed] == ["category=7"]


def test_customers_who_repeat_themselves_are_no_finding():
    rng = np.random.default_rng(4)
    customer = np.repeat(np.arange(600), 60)
    habit = rng.gamma(0.5, 2.0, 600)[customer]
    label = (rng.random(len(customer)) < np.clip(0.03 * habit, 0, 1)) * 1.0
    # Segments of customers: each holds few heavy buyers or none, by luck.
    slices = {"segment": (customer % 60).astype(str)}
    found = find_groups(label, np.full(len(label), 0.03), customer, slices)
    assert [group for group in found if group.confirmed] == []


@pytest.mark.statistical
def test_luck_is_rarely_confirmed():
    seeds = 60
    false = [any(group.confirmed for group in find_groups(*shop([seed, 9], n=20_000))) for seed in range(seeds)]
    assert sum(false) <= 6


def test_repair_makes_promises_true_and_leaves_others_alone():
    label, promised, _, slices = shop(5, ["category=7", "kind=b"], n=240_000)
    half = np.arange(len(label)) % 2 == 0
    first, second = ({k: v[rows] for k, v in slices.items()} for rows in (half, ~half))
    repair = GroupRepair.fit(label[half], promised[half], first, ["kind=b", "category=7"])
    mended = repair.apply(promised[~half], second)
    bad = second["category"] == "7"
    assert mended[bad].sum() / label[~half][bad].sum() == pytest.approx(1.0, abs=0.2)
    untouched = ~bad & (second["kind"] != "b")
    assert (mended[untouched] == promised[~half][untouched]).all()
    assert set(repair.to_dict()) == {"kind=b", "category=7"}


def test_a_handful_of_conversions_moves_little():
    label, promised = np.r_[1.0, np.zeros(9)], np.full(10, 0.01)
    repair = GroupRepair.fit(label, promised, {"g": np.array(["x"] * 10)}, ["g=x"])
    assert 0.01 < repair.apply(promised, {"g": np.array(["x"] * 10)})[0] < 0.02


def test_a_group_of_no_column_is_refused():
    with pytest.raises(DataError, match="names no column of kind"):
        GroupRepair.fit(np.ones(2), np.full(2, 0.5), {"kind": np.array(["a", "b"])}, ["sort=a"])


def test_every_slice_large_enough_is_measured():
    label, promised, customer, slices = shop(6, n=3000)
    rows = measure_slices(label, promised, promised, customer, slices, smallest=500, samples=20, seed=1)
    assert {(row["slice"], row["value"]) for row in rows} == {("kind", "a"), ("kind", "b"), ("kind", "c")}
    assert sum(row["n"] for row in rows) == 3000
    assert all(row["pcoc"]["low"] <= row["pcoc"]["value"] <= row["pcoc"]["high"] for row in rows)
