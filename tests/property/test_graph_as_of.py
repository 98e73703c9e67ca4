"""As-of guard of the graph: nothing at or after the clock changes a count."""

from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.graph.counting import count_in_process
from onward.graph.counts import CountRules

# Counts and samples a graph again and again.
pytestmark = pytest.mark.slow

START = datetime(2020, 1, 1)
BEFORE = START + timedelta(days=100)
RULES = CountRules(
    min_customers=1, min_support=1, fresh_days=20, follow_days=30, shrinkage=5.0, neighbours_per_product=3
)

known = st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 100 * 24 - 1))
later = st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(100 * 24, 130 * 24))


def count(rows):
    table = pa.table(
        {
            "customer": pa.array([row[0] for row in rows], pa.int32()),
            "product": pa.array([row[1] for row in rows], pa.int32()),
            "purchased_at": pa.array([START + timedelta(hours=row[2]) for row in rows], pa.timestamp("us")),
        }
    )
    return count_in_process(table, BEFORE, RULES, threads=1)


@settings(max_examples=12, deadline=None)
@given(st.lists(known, min_size=1, max_size=40), st.lists(later, min_size=1, max_size=20), st.randoms())
def test_later_purchases_and_row_order_change_nothing(before, after, order):
    edges, nodes = count(before)
    shuffled = before + after
    order.shuffle(shuffled)
    again_edges, again_nodes = count(shuffled)
    assert edges.equals(again_edges)
    assert nodes.equals(again_nodes)
