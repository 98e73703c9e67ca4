"""From outside ids to dense integers, and from one log to two: what is known at as_of, and what the backtest may see.

Nothing that happens at or after as_of changes anything on the serving side: not a row, not an integer. So customers,
orders and impressions known at as_of are numbered first, and the others continue after them.
"""

# ruff: noqa: S608 - SQL is put together from the contract's own names and numbers; outside names are quoted.

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa

from onward.data.contract import CONTEXT_PREFIX, TABLES
from onward.data.rules import moment
from onward.data.session import arrow, quoted
from onward.errors import DataError

# A shop may be closed for a long weekend before the horizon; a longer silence means that outcomes are missing.
_SILENCE = timedelta(days=4)


@dataclass(frozen=True)
class Clocks:
    """The run's moments, in ascending order; each stretch is closed on the left and open on the right.

    Attributes:
        history_start: impressions before it are not used.
        as_of: nothing at or after it is known.
        backtest_end: held-out customers' impressions in [as_of, backtest_end) test the models.
        horizon: by then all of those have matured.
    """

    history_start: datetime
    as_of: datetime
    backtest_end: datetime
    horizon: datetime


@dataclass(frozen=True)
class EncodedLog:
    """The log in inside ids: queries of the database in which it was encoded, each in a fixed order.

    Attributes:
        serving: products, customers, purchases, impressions, engagements and conversions before as_of.
        backtest: the same tables for test customers at and after as_of; customers names those who appear in it.
        context: the impressions' context columns, row by row; keys "serving" and "backtest".
        destinations: per table, how many valid rows went to serving, backtest and outside_window.
    """

    serving: Mapping[str, str]
    backtest: Mapping[str, str]
    context: Mapping[str, str]
    destinations: Mapping[str, dict[str, int]]


def encode(
    connection: duckdb.DuckDBPyConnection,
    clocks: Clocks,
    split_of: Callable[[Sequence[str]], np.ndarray],
    test_split: str,
) -> EncodedLog:
    """Number the ids of a valid log and divide it at as_of.

    Leaves table coded_purchases (customer, order, product, purchased_at, quantity, amount, place): every customer's, up
    to the horizon.

    Args:
        connection: holds the kept tables, see `ValidLog`.
        clocks: the run's moments.
        split_of: names the split of each customer id.
        test_split: the split whose impressions are the backtest.

    Raises:
        DataError: the log stops short of the horizon, or a stretch holds nothing to learn from or to test on.
    """
    _refuse_short(connection, clocks)
    _number_customers(connection, clocks, split_of)
    _number_rest(connection, clocks, test_split)
    destinations = _destinations(connection)
    _refuse_empty(destinations, clocks)
    serving, backtest = ({name: query.format(place=place) for name, query in _PARTS.items()} for place in _SIDES)
    serving["products"] = (
        "select product, cast(p.product_id as varchar) as product_id, c.* exclude (product_id) "
        "from coded_products p join products c using (product_id) order by product"
    )
    customers = "select customer, cast(customer_id as varchar) as customer_id, split from coded_customers"
    serving["customers"] = f"{customers} where known order by customer"
    backtest["customers"] = (
        f"{customers} where customer in (select customer "
        "from coded_purchases where place = 'backtest' union select customer from coded_impressions "
        "where place = 'backtest') order by customer"
    )
    return EncodedLog(serving, backtest, {place: _context(connection, place) for place in _SIDES}, destinations)


_SIDES = ("serving", "backtest")

_PARTS = {
    "purchases": """
select customer, "order", product, purchased_at, quantity, amount from coded_purchases where place = '{place}'
order by purchased_at, customer, "order", product, quantity, amount""",
    "impressions": """
select impression, cast(impression_id as varchar) as impression_id, customer, split, source, target, shown_at
from coded_impressions where place = '{place}' order by impression""",
    "conversions": """
select impression, converted_at from coded_conversions where place = '{place}' order by impression""",
    "engagements": """
select impression, kind, happened_at from coded_engagements where place = '{place}'
order by impression, happened_at, kind""",
}


def _number_customers(
    connection: duckdb.DuckDBPyConnection, clocks: Clocks, split_of: Callable[[Sequence[str]], np.ndarray]
) -> None:
    customers = arrow(
        connection,
        f"""select customer_id, min(first) < {moment(clocks.as_of)} as known from (
            select customer_id, min(purchased_at) as first from purchases group by customer_id
            union all select customer_id, min(shown_at) as first from impressions group by customer_id)
        group by customer_id order by known desc, cast(customer_id as varchar)""",
    )
    numbers = pa.array(np.arange(customers.num_rows, dtype=np.int32))
    splits = pa.array(split_of(customers.column("customer_id").cast(pa.string()).to_pylist()).tolist(), pa.string())
    connection.register("coded_customers", customers.append_column("customer", numbers).append_column("split", splits))


def _number_rest(connection: duckdb.DuckDBPyConnection, clocks: Clocks, test_split: str) -> None:
    as_of = moment(clocks.as_of)
    test = f"split = '{test_split}'"
    connection.execute(
        f"""
        create temp table coded_products as
        select cast(row_number() over (order by cast(product_id as varchar)) - 1 as integer) as product, product_id
        from products;

        create temp table coded_orders as
        select customer, order_id,
               row_number() over (
                   order by min(purchased_at) >= {as_of}, customer, cast(order_id as varchar)) - 1 as "order"
        from purchases join coded_customers using (customer_id) group by customer, order_id;

        create type place as enum ('serving', 'backtest', 'outside_window');
        create temp table coded_purchases as
        select o.customer, o."order", c.product, p.purchased_at,
               cast(p.quantity as float) as quantity, cast(p.amount as float) as amount,
               cast(case when p.purchased_at < {as_of} then 'serving' when {test} then 'backtest'
                         else 'outside_window' end as place) as place
        from purchases p join coded_customers k using (customer_id) join coded_products c using (product_id)
        join coded_orders o on o.customer = k.customer and o.order_id = p.order_id;

        create temp table coded_impressions as
        select row_number() over (
                   order by place = 'outside_window', shown_at, cast(impression_id as varchar)) - 1 as impression, *
        from (select i.* exclude (customer_id, source_product_id, target_product_id), k.customer, k.split,
                     s.product as source, t.product as target,
                     case when shown_at < {moment(clocks.history_start)} then 'outside_window'
                          when shown_at < {as_of} then 'serving'
                          when shown_at < {moment(clocks.backtest_end)} and {test} then 'backtest'
                          else 'outside_window' end as place
              from impressions i join coded_customers k using (customer_id)
              join coded_products s on s.product_id = i.source_product_id
              join coded_products t on t.product_id = i.target_product_id);
        """
    )
    for table, clock in (("conversions", "converted_at"), ("engagements", "happened_at")):
        # An impression of the serving side whose conversion comes at or after as_of is still pending there.
        connection.execute(
            f"""create temp table coded_{table} as
            select i.impression, e.* exclude (impression_id),
                   case when place = 'serving' and {clock} >= {as_of} then 'outside_window' else place end as place
            from {table} e join coded_impressions i using (impression_id)"""
        )


def _context(connection: duckdb.DuckDBPyConnection, place: str) -> str:
    """Ask for the context columns; an impression without any still has its row."""
    columns = [name for name, *_ in connection.execute("describe impressions").fetchall()]
    chosen = ", ".join(quoted(name) for name in columns if name.startswith(CONTEXT_PREFIX)) or "impression"
    return f"select {chosen} from coded_impressions where place = '{place}' order by impression"


def _destinations(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    counts = {name: dict.fromkeys((*_SIDES, "outside_window"), 0) for name in TABLES}
    for name in _PARTS:
        rows = connection.execute(f"select place, count(*) from coded_{name} group by place").fetchall()
        counts[name] |= dict(rows)
    counts["products"]["serving"] = int(connection.execute("select count(*) from coded_products").fetchall()[0][0])
    return counts


def _refuse_short(connection: duckdb.DuckDBPyConnection, clocks: Clocks) -> None:
    last = connection.execute("select max(purchased_at) from purchases").fetchall()[0][0]
    if last is None:
        raise DataError("purchases: no valid row; check the source and artifacts/quarantine/purchases.parquet")
    if last < clocks.horizon - _SILENCE:
        raise DataError(
            f"purchases: the last is of {last:%Y-%m-%d}, but outcomes are needed until {clocks.horizon:%Y-%m-%d}; "
            f"set run.as_of at least {(clocks.horizon - last).days} days earlier"
        )


def _refuse_empty(destinations: Mapping[str, Mapping[str, int]], clocks: Clocks) -> None:
    stretch = f"[{clocks.history_start:%Y-%m-%d}, {clocks.as_of:%Y-%m-%d})"
    for name in ("impressions", "conversions"):
        if not destinations[name]["serving"]:
            raise DataError(f"{name}: none in {stretch}, nothing can be learnt; set run.as_of to a day the log covers")
    if not destinations["impressions"]["backtest"]:
        raise DataError(
            f"impressions: none of test customers in [{clocks.as_of:%Y-%m-%d}, {clocks.backtest_end:%Y-%m-%d}); "
            "set run.as_of earlier, or raise run.backtest_days or splits.test"
        )
