"""What is bought on the same day: counted once a customer, the same both ways, never from later days."""

from datetime import datetime

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from onward.graph.counts import together_counts
from onward.graph.together import pairs_within, together_neighbours

DAY = datetime(2020, 1, 2)
NEXT = datetime(2020, 1, 3)


def count(rows, before=datetime(2020, 2, 1), min_support=1, keep=9):
    table = pa.table(
        {
            "customer": [row[0] for row in rows],
            "product": [row[1] for row in rows],
            "purchased_at": pa.array([row[2] for row in rows], pa.timestamp("us")),
        }
    )
    connection = ibis.duckdb.connect(threads=1)
    try:
        return connection.to_pandas(together_counts(ibis.memtable(table), before, min_support, 5.0, keep))
    finally:
        connection.disconnect()


ROWS = [
    *[(customer, product, DAY) for customer in (1, 2) for product in (0, 1)],
    (1, 0, NEXT),
    (1, 1, NEXT),  # again, the same customer
    (3, 0, DAY),
    (3, 2, NEXT),  # another day
]


def test_customers_are_counted_once_and_both_ways():
    pairs = count(ROWS)
    assert pairs[["left", "right", "support"]].to_numpy().tolist() == [[0, 1, 2], [1, 0, 2]]
    assert pairs["expected"].tolist() == pytest.approx([3 * 2 / 3] * 2)
    assert pairs["score"].tolist() == pytest.approx([3 / 7] * 2)


def test_later_days_and_weak_pairs_are_not_counted():
    assert len(count(ROWS, before=DAY)) == 0
    assert len(count(ROWS, min_support=3)) == 0


def test_only_the_strongest_neighbours_are_kept():
    rows = [(c, p, DAY) for c, basket in enumerate([(0, 1), (0, 1), (0, 1), (0, 2)]) for p in basket]
    kept = count(rows, keep=1)
    assert kept[["left", "right"]].to_numpy().tolist() == [[0, 1], [1, 0], [2, 0]]


def test_neighbours_fill_a_table():
    table = together_neighbours(4, pd.DataFrame({"left": [2, 0, 0], "right": [0, 2, 1]}))
    assert table.tolist() == [[1, 2], [-1, -1], [0, -1], [-1, -1]]
    assert together_neighbours(2, pd.DataFrame({"left": [], "right": []})).tolist() == [[-1], [-1]]


def test_pairs_within_a_sample_are_those_with_both_ends_in_it():
    rng = np.random.default_rng(0)
    neighbours = rng.integers(-1, 30, (30, 4))
    nodes = rng.permutation(30)[:12]
    pairs = nodes[pairs_within(neighbours, nodes)]
    expected = {(int(o), int(n)) for n in nodes for o in neighbours[n] if o >= 0 and o in nodes}
    assert set(map(tuple, pairs.T.tolist())) == expected
