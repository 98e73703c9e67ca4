"""Lists as a bundle keeps them: whose they are, how many, and the same after a trip through files."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from builders.tiny_bundle import LISTS as ROWS
from builders.tiny_bundle import make_bundle, make_lists
from onward.deployment.bundle_files import read_bundle, write_bundle
from onward.deployment.served_lists import ShownCategories, categories_seen, category_above, no_lists
from onward.ranking.list_names import LISTS


@pytest.mark.parametrize("count", [1, 2, 10])
@pytest.mark.parametrize("product", range(4))
def test_a_product_is_given_the_beginning_of_each_of_its_lists(product, count):
    found = make_lists().of(product, count)
    assert tuple(found) == LISTS
    for name, rows in found.items():
        wanted = [other for number, of, other, *_ in ROWS if (number, of) == (product, name)]
        assert rows["other"].tolist() == wanted[:count]


def test_a_product_that_is_given_anothers_lists_is_left_out_and_the_next_moves_up():
    lists = make_lists()
    assert lists.of(2, 3)["goes_with"]["other"].tolist() == [3, 0, 4]
    assert lists.of(4, 3)["goes_with"]["other"].tolist() == [3, 0]
    assert lists.of(4, 1)["instead"]["other"].tolist() == []


def test_a_product_that_nobody_stands_for_has_none():
    assert all(rows.empty for rows in make_lists().of(5, 9).values())
    assert all(rows.empty for rows in no_lists(6).of(0, 9).values())


@pytest.mark.parametrize("count", [1, 2, 10])
@pytest.mark.parametrize("name", LISTS)
def test_the_matrix_holds_the_beginning_of_one_list_of_every_product(name, count):
    lists = make_lists()
    matrix = lists.matrix(name, count)
    assert matrix.shape == (6, count)
    for product in range(6):
        wanted = lists.of(product, count)[name]["other"].tolist()
        assert matrix[product].tolist() == wanted + [-1] * (count - len(wanted))


def test_the_matrix_leaves_a_product_out_of_the_lists_of_the_one_that_stands_for_it_and_the_next_moves_up():
    lists = replace(make_lists(), stands_for=np.array([2, 1, 2, 3, 2, -1]))
    assert lists.matrix("goes_with", 2)[[0, 2, 4]].tolist() == [[3, 4], [3, 0], [3, 0]]
    assert lists.matrix("instead", 1)[4].tolist() == [-1]


def test_the_matrix_of_no_lists_is_empty():
    assert no_lists(6).matrix("goes_with", 3).tolist() == [[-1] * 3] * 6


def test_lists_are_the_same_after_a_trip_through_files(tmp_path):
    bundle = make_bundle()
    write_bundle(tmp_path, bundle)
    before, after = bundle.lists, read_bundle(tmp_path).lists
    pd.testing.assert_frame_equal(after.table, before.table)
    pd.testing.assert_frame_equal(after.seen, before.seen, check_dtype=False)
    np.testing.assert_array_equal(after.stands_for, before.stands_for)
    assert replace(after, table=before.table, stands_for=0, seen=0) == replace(before, stands_for=0, seen=0)


def test_a_bundle_from_before_lists_is_read_as_one_without(tmp_path):
    write_bundle(tmp_path, make_bundle())
    for name in ("lists.json", "lists.parquet", "categories_shown.parquet", "stands_for.parquet"):
        (tmp_path / name).unlink()
    assert read_bundle(tmp_path).lists.table.empty


def test_pairs_of_categories_seen_are_distinct_and_of_the_category_above_the_type():
    paths = pd.Series(["food > dairy > milk", "food > dairy > butter", "food > bread", None])
    assert category_above(paths).tolist() == ["food > dairy", "food > dairy", "food", ""]
    seen = categories_seen(paths, np.array([0, 1, 2, 3, 0]), np.array([2, 2, 0, 0, 3]))
    assert list(seen.itertuples(index=False, name=None)) == [
        ("", "food > dairy"), ("food", "food > dairy"), ("food > dairy", ""), ("food > dairy", "food"),
    ]  # fmt: skip


def test_a_pair_is_like_what_was_shown_by_the_categories_above_its_types_and_one_way():
    paths = pd.Series(["food > dairy > milk", "food > dairy > butter", "food > bread", None])
    seen = categories_seen(paths, np.array([0, 3]), np.array([2, 0]))
    shown = ShownCategories.of(seen, paths)
    assert shown.hold(np.array([1, 2, 3, 3, 0]), np.array([2, 1, 1, 3, 1])).tolist() == [
        True,
        False,
        True,
        False,
        False,
    ]
    assert shown.hold(np.array([], np.int64), np.array([], np.int64)).tolist() == []
    assert not ShownCategories.of(no_lists(6).seen, paths).hold(np.array([1]), np.array([2])).any()
