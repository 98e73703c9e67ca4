"""Directed counts: what is a pair, what is new, what is enough."""

from datetime import datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest

from onward.graph.counting import count_in_process
from onward.graph.counts import CountRules

START = datetime(2020, 1, 1)
BEFORE = START + timedelta(days=200)


def rules(**changes):
    values = {
        "min_customers": 1,
        "min_support": 1,
        "fresh_days": 60,
        "follow_days": 30,
        "shrinkage": 5.0,
        "neighbours_per_product": 50,
    }
    return CountRules(**{**values, **changes})


def count(rows, before=BEFORE, **changes):
    """Rows are (customer, product, day); one early purchase of product 99 lets the log begin on day 0."""
    rows = [(99, 99, 0.0), *rows]
    table = pa.table(
        {
            "customer": pa.array([row[0] for row in rows], pa.int32()),
            "product": pa.array([row[1] for row in rows], pa.int32()),
            "purchased_at": pa.array([START + timedelta(days=row[2]) for row in rows], pa.timestamp("us")),
        }
    )
    return count_in_process(table, before, rules(**changes), threads=1)


def pairs(edges):
    return dict(zip(zip(edges["source"], edges["target"], strict=True), edges["support"], strict=True))


def test_direction_is_the_order_of_days():
    edges, _ = count([(0, 1, 100), (0, 2, 110)])
    assert pairs(edges) == {(1, 2): 1}


def test_two_purchases_on_one_day_have_no_direction():
    edges, _ = count([(0, 1, 100.1), (0, 2, 100.9)])
    assert len(edges) == 0


@pytest.mark.parametrize(("gap", "counts"), [(1, True), (30, True), (31, False)])
def test_a_follow_up_has_to_come_in_time(gap, counts):
    edges, _ = count([(0, 1, 100), (0, 2, 100 + gap)])
    assert ((1, 2) in pairs(edges)) is counts


@pytest.mark.parametrize(("earlier", "new"), [(50, False), (60, False), (61, True)])
def test_only_a_new_purchase_counts(earlier, new):
    edges, _ = count([(0, 2, 120 - earlier), (0, 1, 119), (0, 2, 120)])
    assert ((1, 2) in pairs(edges)) is new


def test_what_the_log_cannot_tell_from_a_repeat_does_not_count():
    early, _ = count([(0, 1, 50), (0, 2, 59)])
    late, _ = count([(0, 1, 50), (0, 2, 60)])
    assert len(early) == 0
    assert pairs(late) == {(1, 2): 1}


def test_a_customer_counts_once_a_pair():
    edges, nodes = count([(0, 1, 70), (0, 1, 72), (0, 2, 75), (0, 1, 160), (0, 2, 165), (1, 1, 90), (1, 2, 91)])
    assert pairs(edges)[(1, 2)] == 2
    assert nodes.set_index("product").loc[2].to_dict() == {"customers": 2, "fresh_customers": 2}


def test_counts_score_and_reverse_follow_their_formulas():
    rows = [(c, 1, 100) for c in range(4)] + [(c, 2, 105) for c in range(3)] + [(7, 2, 100), (7, 1, 110), (8, 2, 100)]
    edges, nodes = count(rows)
    counted = nodes.set_index("product")
    assert counted.loc[1].tolist() == [5, 5]
    assert counted.loc[2].tolist() == [5, 5]
    edge = edges.set_index(["source", "target"]).loc[(1, 2)]
    expected = 5 * 5 / 7  # seven customers, the one with product 99 included
    assert edge["support"] == 3
    assert edge["reverse_support"] == 1
    assert edge["expected"] == pytest.approx(expected)
    assert edge["score"] == pytest.approx(4 / (expected + 5.0))


def test_thin_evidence_makes_no_edge_and_no_reverse():
    rows = [(c, 1, 100) for c in range(3)] + [(c, 2, 105) for c in range(3)] + [(7, 2, 100), (7, 1, 110)]
    edges, _ = count(rows, min_support=2)
    assert pairs(edges) == {(1, 2): 3}
    assert edges["reverse_support"].tolist() == [0]
    fewer, nodes = count(rows, min_customers=5)
    assert len(fewer) == 0
    assert len(nodes) == 3, "products without edges keep their counts"


def test_each_source_keeps_its_best_targets_and_ties_go_to_the_lower_id():
    rows = [(c, 1, 100) for c in range(4)] + [(c, 2, 105) for c in range(4)]
    rows += [(0, 4, 106), (1, 3, 106)]
    edges, _ = count(rows, neighbours_per_product=2)
    assert edges.loc[edges["source"] == 1, "target"].tolist() == [2, 3]


def test_edges_come_in_the_order_of_their_keys():
    rows = [(0, p, 100 + p) for p in (5, 3, 9, 1)]
    edges, nodes = count(rows)
    assert edges[["source", "target"]].equals(edges[["source", "target"]].sort_values(["source", "target"]))
    assert nodes["product"].is_monotonic_increasing
    assert list(edges.columns) == ["source", "target", "support", "reverse_support", "expected", "score"]


def test_the_expressions_name_no_backend_of_their_own():
    """What a backend other than DuckDB would have to run: plain joins, windows and aggregates."""
    import ibis

    from onward.graph.counts import directed_counts

    purchases = ibis.table({"customer": "int32", "product": "int32", "purchased_at": "timestamp"}, name="purchases")
    counts = directed_counts(purchases, BEFORE, rules())
    for dialect in ("duckdb", "postgres", "trino"):
        assert "count" in ibis.to_sql(counts.edges, dialect=dialect).lower()
    assert isinstance(counts.nodes.schema().names, tuple)


def test_nothing_bought_gives_empty_tables():
    edges, nodes = count([], before=START)
    assert isinstance(edges, pd.DataFrame)
    assert len(edges) == len(nodes) == 0
