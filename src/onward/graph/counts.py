"""How often a product is bought new after another: the evidence behind every directed edge.

Pure Ibis expressions: a table of purchases in, tables of counts out, whatever backend holds them. Nothing is run
here; the caller executes on DuckDB or Spark.
"""

from dataclasses import dataclass
from datetime import datetime

import ibis
from ibis import _


@dataclass(frozen=True)
class CountRules:
    """What counts as "v bought new after u".

    Attributes:
        min_customers: products bought by fewer customers get no edges.
        min_support: customers behind a directed pair.
        fresh_days: v is new to a customer who has not bought it for this many days.
        follow_days: v has to come within this many days after u.
        shrinkage: added to the expected support, so that rare pairs do not win by luck.
        neighbours_per_product: how many out-edges a source keeps.
    """

    min_customers: int
    min_support: int
    fresh_days: int
    follow_days: int
    shrinkage: float
    neighbours_per_product: int


@dataclass(frozen=True)
class DirectedCounts:
    """Unexecuted tables, ordered by their keys.

    Attributes:
        edges: source, target, support, reverse_support, expected, score.
        nodes: product, customers, fresh_customers of every product that was bought.
    """

    edges: ibis.Table
    nodes: ibis.Table


def directed_counts(purchases: ibis.Table, before: datetime, rules: CountRules) -> DirectedCounts:
    """Count, for each ordered pair, the customers who bought v new within `follow_days` after u.

    Days are whole: two purchases on the same day say nothing about direction. A purchase of v counts as new only
    when the log reaches back `fresh_days` before it; earlier ones cannot be told from repeats. With n_u customers of
    u, n_v customers who bought v new and H customers in all, expected = n_u n_v / H and score =
    (support + 1) / (expected + shrinkage).

    Args:
        purchases: customer, product, purchased_at (naive local time).
        before: only purchases strictly earlier count.
        rules: what counts.
    """
    days = _customer_product_days(purchases, before)
    fresh = _fresh_purchases(days, rules.fresh_days)
    nodes = _node_counts(days, fresh)
    popular = nodes.filter(_.customers >= rules.min_customers).select("product")
    supports = _supports(days.semi_join(popular, "product"), fresh.semi_join(popular, "product"), rules)
    households = days.customer.nunique().as_scalar()
    backward = supports.select(source=_.target, target=_.source, reverse_support=_.support)
    edges = (
        supports.left_join(backward, ["source", "target"])
        .select("source", "target", "support", reverse_support=_.reverse_support.fill_null(0))
        .inner_join(nodes.select(source=_.product, n_u=_.customers), "source")
        .inner_join(nodes.select(target=_.product, n_v=_.fresh_customers), "target")
        .mutate(expected=_.n_u.cast("float64") * _.n_v.cast("float64") / households.cast("float64"))
        .mutate(score=(_.support + 1).cast("float64") / (_.expected + rules.shrinkage))
    )
    best_first = ibis.window(group_by=edges.source, order_by=[ibis.desc(edges.score), edges.target])
    kept = edges.mutate(rank=ibis.row_number().over(best_first)).filter(_.rank < rules.neighbours_per_product)
    columns = ("source", "target", "support", "reverse_support", "expected", "score")
    return DirectedCounts(kept.select(*columns).order_by("source", "target"), nodes.order_by("product"))


def _customer_product_days(purchases: ibis.Table, before: datetime) -> ibis.Table:
    """Distinct (customer, product, day), `day` counted from 1970-01-01."""
    past = purchases.filter(_.purchased_at < ibis.literal(before))
    return past.select("customer", "product", day=_.purchased_at.date().epoch_days().cast("int32")).distinct()


def _fresh_purchases(days: ibis.Table, fresh_days: int) -> ibis.Table:
    """The (customer, product, day) on which the product was new to the customer."""
    in_order = ibis.window(group_by=[days.customer, days.product], order_by=days.day)
    log_begins = days.day.min().as_scalar()
    return (
        days.mutate(previous=days.day.lag().over(in_order))
        .filter(_.previous.isnull() | (_.day - _.previous > fresh_days))
        .filter(_.day >= log_begins + fresh_days)
        .select("customer", "product", "day")
    )


def _node_counts(days: ibis.Table, fresh: ibis.Table) -> ibis.Table:
    """Customers and fresh customers of each product."""
    new = fresh.group_by("product").aggregate(fresh_customers=_.customer.nunique())
    return (
        days.group_by("product")
        .aggregate(customers=_.customer.nunique())
        .left_join(new, "product")
        .select("product", "customers", fresh_customers=_.fresh_customers.fill_null(0))
    )


def _supports(days: ibis.Table, fresh: ibis.Table, rules: CountRules) -> ibis.Table:
    """source, target and the customers behind the pair, where they are enough."""
    in_order = ibis.window(group_by=[days.customer, days.product], order_by=days.day)
    # Joining v's day with u's *last* day before it, not with every one, keeps the join from multiplying; so does
    # joining within stretches as long as the days to follow: u lies in v's stretch or in the one before.
    spells = days.mutate(following=days.day.lead().over(in_order)).select(
        "customer", source=_.product, bought=_.day, following=_.following, stretch=_.day // rules.follow_days
    )
    stretched = fresh.mutate(stretch=_.day // rules.follow_days)
    return (
        stretched.union(stretched.mutate(stretch=_.stretch - 1))
        .inner_join(spells, ["customer", "stretch"])
        .filter(
            _.source != _.product,
            _.bought < _.day,
            _.bought >= _.day - rules.follow_days,
            _.following.isnull() | (_.following >= _.day),
        )
        .select("customer", "source", target=_.product)
        .distinct()
        .group_by("source", "target")
        .aggregate(support=_.count())
        .filter(_.support >= rules.min_support)
    )
