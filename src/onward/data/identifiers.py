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
from onward.data.session import arrow, quoted, session
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
    """The log in inside ids, every table in a fixed order.

    Attributes:
        serving: products, customers, purchases, impressions, engagements and conversions before as_of.
        backtest: the same tables for test customers at and after as_of; customers names those who appear in it.
        purchases: every customer's purchases up to the horizon, for features of the backtest's impressions, which may
            look at what others bought before they were shown.
        context: the impressions' context columns, row by row; keys "serving" and "backtest".
        destinations: per table, how many valid rows went to serving, backtest and outside_window.
    """

    serving: Mapping[str, pa.Table]
    backtest: Mapping[str, pa.Table]
    purchases: pa.Table
    context: Mapping[str, pa.Table]
    destinations: Mapping[str, dict[str, int]]


def encode(
    tables: Mapping[str, pa.Table],
    clocks: Clocks,
    split_of: Callable[[Sequence[str]], np.ndarray],
    test_split: str,
    threads: int,
) -> EncodedLog:
    """Number the ids of a valid log and divide it at as_of.

    Args:
        tables: the kept tables of a `ValidLog`.
        clocks: the run's moments.
        split_of: names the split of each customer id.
        test_split: the split whose impressions are the backtest.
        threads: DuckDB's threads.

    Raises:
        DataError: the log stops short of the horizon, or a stretch holds nothing to learn from or to test on.
    """
    with session(threads, tables) as connection:
        _refuse_short(connection, clocks)
        _number_customers(connection, clocks, split_of)
        _number_rest(connection, clocks, test_split)
        context = [name for name in tables["impressions"].column_names if name.startswith(CONTEXT_PREFIX)]
        serving, backtest = _tables(connection, "serving"), _tables(connection, "backtest")
        serving["products"] = arrow(
            connection,
            "select p.*, c.* exclude (product_id) from coded_products p "
            "join products c using (product_id) order by product",
        )
        serving["customers"] = arrow(
            connection, "select customer, customer_id, split from coded_customers where known order by customer"
        )
        backtest["customers"] = arrow(
            connection,
            "select customer, customer_id, split from coded_customers where customer in (select customer "
            "from coded_purchases where place = 'backtest' union select customer from coded_impressions "
            "where place = 'backtest') order by customer",
        )
        log = EncodedLog(
            serving,
            backtest,
            arrow(connection, _PURCHASES.format(condition="true")),
            {place: _context(connection, context, place) for place in ("serving", "backtest")},
            _destinations(connection),
        )
    _refuse_empty(log, clocks)
    return log


_PURCHASES = """
select customer, "order", product, purchased_at, cast(quantity as float) as quantity, cast(amount as float) as amount
from coded_purchases where {condition} order by purchased_at, customer, "order", product, quantity, amount
"""

_PARTS = {
    "purchases": _PURCHASES.format(condition="place = '{place}'"),
    "impressions": """
select impression, impression_id, customer, split, source, target, shown_at
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
        group by customer_id order by known desc, customer_id""",
    )
    numbers = pa.array(np.arange(customers.num_rows, dtype=np.int32))
    splits = pa.array(split_of(customers.column("customer_id").to_pylist()).tolist(), pa.string())
    connection.register("coded_customers", customers.append_column("customer", numbers).append_column("split", splits))


def _number_rest(connection: duckdb.DuckDBPyConnection, clocks: Clocks, test_split: str) -> None:
    as_of = moment(clocks.as_of)
    test = f"split = '{test_split}'"
    connection.execute(
        f"""
        create temp table coded_products as
        select cast(row_number() over (order by product_id) - 1 as integer) as product, product_id from products;

        create temp table coded_orders as
        select customer, order_id,
               row_number() over (order by min(purchased_at) >= {as_of}, customer, order_id) - 1 as "order"
        from purchases join coded_customers using (customer_id) group by customer, order_id;

        create temp table coded_purchases as
        select o.customer, o."order", c.product, p.purchased_at, p.quantity, p.amount,
               case when p.purchased_at < {as_of} then 'serving' when {test} then 'backtest'
                    else 'outside_window' end as place
        from purchases p join coded_customers k using (customer_id) join coded_products c using (product_id)
        join coded_orders o on o.customer = k.customer and o.order_id = p.order_id;

        create temp table coded_impressions as
        select row_number() over (order by place = 'outside_window', shown_at, impression_id) - 1 as impression, *
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


def _tables(connection: duckdb.DuckDBPyConnection, place: str) -> dict[str, pa.Table]:
    return {name: arrow(connection, query.format(place=place)) for name, query in _PARTS.items()}


def _context(connection: duckdb.DuckDBPyConnection, columns: list[str], place: str) -> pa.Table:
    chosen = ", ".join(["impression", *map(quoted, columns)])
    return arrow(
        connection, f"select {chosen} from coded_impressions where place = '{place}' order by impression"
    ).drop_columns(["impression"])


def _destinations(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    places = ("serving", "backtest", "outside_window")
    counts = {name: dict.fromkeys(places, 0) for name in TABLES}
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


def _refuse_empty(log: EncodedLog, clocks: Clocks) -> None:
    stretch = f"[{clocks.history_start:%Y-%m-%d}, {clocks.as_of:%Y-%m-%d})"
    for name in ("impressions", "conversions"):
        if not log.serving[name].num_rows:
            raise DataError(f"{name}: none in {stretch}, nothing can be learnt; set run.as_of to a day the log covers")
    if not log.backtest["impressions"].num_rows:
        raise DataError(
            f"impressions: none of test customers in [{clocks.as_of:%Y-%m-%d}, {clocks.backtest_end:%Y-%m-%d}); "
            "set run.as_of earlier, or raise run.backtest_days or splits.test"
        )
