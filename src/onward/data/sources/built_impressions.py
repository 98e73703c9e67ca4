"""What sources share that have purchases but no log of recommendations: counts and outcomes of built impressions.

SQL over the tables `lines` (h, p, d, moment, quantity, category: a customer's order lines, d a day number), `bought`
(those of them with a quantity) and `impressions` (id, h, d, v, shown_at, converted_at), which each source makes itself.
Braces are filled by `filling`, and by the source with what is its own.
"""

# ruff: noqa: S608 - SQL is put together from this module's own names and numbers.

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import duckdb

from onward.data.contract import CATEGORY_SEPARATOR
from onward.data.rules import moment
from onward.data.session import literal
from onward.errors import DataError

# Product days, each with the day before on which the customer bought the product.
PRODUCT_DAYS = """
create table nodes as select p from bought where d < {before} group by p having count(distinct h) >= {min_customers};
create table days as
select h, p, d, lag(d) over (partition by h, p order by d) as previous
from (select distinct h, p, d from bought semi join nodes using (p));
create table known as select * from days where d < {before};
"""

# A directed pair: V new to the customer within follow_days after U, counted in customers. The first follow_days of
# the log have no full look-back, so no V counts there. Shrunk lift, because raw lift favours rare products.
EDGES = """
create table fresh as
select h, p, d from known
where d >= (select min(d) from lines) + {follow_days} and (previous is null or d - previous > {fresh_days});
create table support as
select u, v, count(*) as support
from (select distinct f.h, x.p as u, f.p as v from fresh f
      join known x on x.h = f.h and x.d < f.d and x.d >= f.d - {follow_days} and x.p <> f.p)
group by u, v having count(*) >= {min_support};
create table pairs as
with n_u as (select p, count(distinct h) as n from known group by p),
     n_v as (select p, count(distinct h) as n from fresh group by p),
     households as (select count(distinct h) as n from known)
select s.u, s.v, s.support, coalesce(r.support, 0) as reverse_support,
       s.support / (n_u.n * n_v.n / households.n) as lift,
       (s.support + 1.0) / (n_u.n * n_v.n / households.n + 5.0) as score
from support s join n_u on n_u.p = s.u join n_v on n_v.p = s.v cross join households
left join support r on r.u = s.v and r.v = s.u;
create table candidates as
select *, row_number() over (partition by u order by score desc, v) as rank from pairs
qualify rank <= {candidates_per_product};
"""

# What the customer does after the impression and before it converts, one row an impression, kind and day.
ENGAGEMENTS = """
with kept as (
    select i.id, i.h, i.d, i.shown_at, i.converted_at, c.category
    from impressions i join (select distinct p as v, category from lines) c using (v) where i.shown_at >= {start}),
visits as (select h, d, min(moment) as moment from lines group by h, d),
category_days as (select h, category, d, min(moment) as moment from lines where quantity > 0 group by h, category, d),
after_visit as (
    select a.h, a.d, v.moment from (select distinct h, d from kept) a
    join visits v on v.h = a.h and v.d > a.d and v.d <= a.d + {window_days}),
after_category as (
    select a.h, a.d, a.category, c.moment from (select distinct h, d, category from kept) a
    join category_days c on c.h = a.h and c.category = a.category and c.d > a.d and c.d <= a.d + {window_days})
select id as impression_id, kind, moment as happened_at from (
    select k.id, cast('visit' as engagement) as kind, e.moment
    from kept k join after_visit e using (h, d)
    where k.converted_at is null or e.moment < k.converted_at
    union all
    select k.id, cast('category_purchase' as engagement) as kind, e.moment
    from kept k join after_category e using (h, d, category)
    where k.converted_at is null or e.moment < k.converted_at)
"""

PURCHASES = """
select h as customer_id, b as order_id, p as product_id, moment as purchased_at, quantity, amount
from lines order by moment, h, b, p"""

# What the shop knew of a recommendation when it was made; {context} is the source's own.
IMPRESSIONS = """
select id as impression_id, h as customer_id, u as source_product_id, v as target_product_id, shown_at,
       rank as context_rank, score as context_score, lift as context_lift, support as context_support,
       reverse_support as context_reverse_support, anchors as context_anchors, {context}
from impressions where shown_at >= {start} order by id"""

CONVERSIONS = """
select id as impression_id, converted_at from impressions
where shown_at >= {start} and converted_at is not null order by id"""


def day_number(day: date) -> int:
    """Days since 1970-01-01, as the tables count them."""
    return (day - date(1970, 1, 1)).days


@dataclass(frozen=True, kw_only=True)
class FrozenRecommender:
    """The recommender whose impressions are built; it never learns anew.

    Attributes:
        candidates_before: it knows purchases before this day.
        min_customers: customers that must have bought a product before it may be recommended.
        min_support: customers behind a directed pair.
        candidates_per_product: neighbours kept of each product.
        fresh_days: V is new to a customer who has not bought it for this long.
        follow_days: V counts as bought after U within this many days.
    """

    candidates_before: date
    min_customers: int
    min_support: int
    candidates_per_product: int
    fresh_days: int
    follow_days: int


def filling(recommender: FrozenRecommender, window: timedelta, start: datetime, end: datetime) -> dict[str, object]:
    """What every source puts into the braces.

    Args:
        recommender: made the impressions.
        window: the attribution window.
        start: first moment of the impressions to yield.
        end: first moment that is not read; impressions are shown in [start, end - window).
    """
    return {
        "separator": literal(CATEGORY_SEPARATOR),
        "before": day_number(recommender.candidates_before),
        "last": day_number((end - window).date()),
        "start": moment(start),
        "end": moment(end),
        "window": f"interval {window.days} days",
        "window_days": window.days,
        "min_customers": recommender.min_customers,
        "min_support": recommender.min_support,
        "candidates_per_product": recommender.candidates_per_product,
        "fresh_days": recommender.fresh_days,
        "follow_days": recommender.follow_days,
    }


def one_value(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """The only value of a query, None where it has no row."""
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def refuse_late_end(connection: duckdb.DuckDBPyConnection, source: str, end: datetime) -> None:
    """Refuse to count outcomes on days that the table `all_lines` does not reach.

    Raises:
        DataError: there is no line, or `end` lies after the last day.
    """
    last = one_value(connection, "select max(moment) from all_lines where dropped is null")
    if last is None:
        raise DataError(f"source {source}: its file holds no line that could be used; fetch it again")
    closes = datetime.combine(last.date(), datetime.min.time()) + timedelta(days=1)
    if end > closes:
        raise DataError(
            f"source {source}: purchases end on {last:%Y-%m-%d}, but outcomes are needed until {end:%Y-%m-%d}; "
            f"set run.as_of at least {(end - closes).days} days earlier"
        )


def line_notes(connection: duckdb.DuckDBPyConnection, end: datetime) -> dict[str, Any]:
    """How many lines were read, and what became of those that were not used."""
    dropped = connection.execute(
        "select dropped, count(*) from all_lines where dropped is not null group by dropped order by dropped"
    ).fetchall()
    return {
        "lines_read": one_value(connection, "select count(*) from all_lines"),
        "lines_dropped": dict(dropped),
        "lines_at_or_after_horizon": one_value(
            connection, f"select count(*) from all_lines where dropped is null and moment >= {moment(end)}"
        ),
    }


def built_notes(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The size of what was built."""
    shown, converted = connection.execute("select count(*), count(converted_at) from impressions").fetchall()[0]
    return {
        "products": one_value(connection, "select count(*) from nodes"),
        "edges": one_value(connection, "select count(*) from candidates"),
        "impressions": shown,
        "conversions": converted,
    }
