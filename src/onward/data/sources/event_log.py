"""A log of events, as most web shops have it: views, carts and purchases, in the form of RetailRocket's public data.

`events` (timestamp, visitorid, event, itemid, transactionid; event is view, addtocart or transaction), and where there
are any `item_properties*` (timestamp, itemid, property, value) and `category_tree` (categoryid, parentid), as CSV or
Parquet in one folder (https://www.kaggle.com/datasets/retailrocket/ecommerce-dataset).

Such a log does not say what was recommended, so this module builds a stand-in, and says so wherever results show: what
a visitor viewed next counts as shown after what was viewed before. A session ends after `session_minutes` without an
event. One impression is kept a visitor, session and V: the first time that V was viewed after another product U. It
converts when the visitor buys V within the window. What comes before that is engagement: V viewed again (`view`), put
into the cart (`cart`), another session (`visit`).
"""

# ruff: noqa: S608 - SQL is put together from this module's own names and numbers; outside names are quoted.

import csv
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from onward.data.contract import CATEGORY_SEPARATOR, NO_CATEGORY, RawLog
from onward.data.rules import moment
from onward.data.session import arrow, literal, session
from onward.data.shop_clock import zone
from onward.data.sources.built_impressions import line_notes, refuse_late_end
from onward.data.sources.source_files import EVENTS, PROPERTIES, TREE
from onward.errors import DataError

COLUMNS: Mapping[str, tuple[str, ...]] = {
    EVENTS: ("timestamp", "visitorid", "event", "itemid", "transactionid"),
    PROPERTIES: ("timestamp", "itemid", "property", "value"),
    TREE: ("categoryid", "parentid"),
}
CATEGORY = "categoryid"
AVAILABLE = "available"
_ENDINGS = (".parquet", ".csv", ".csv.gz")

# Seconds or milliseconds since 1970 are a moment of the world; a written time is the shop's own already.
_MOMENT = """case when regexp_full_match(cast("timestamp" as varchar), '[0-9]{{9,13}}')
     then timezone({zone}, timezone('UTC', make_timestamp(cast("timestamp" as bigint)
          * case when length(cast("timestamp" as varchar)) > 10 then 1000 else 1000000 end)))
     else try_cast("timestamp" as timestamp) end"""
_ID = """nullif(regexp_replace(trim(cast("{column}" as varchar)), '^([0-9]+)[.]0+$', '\\1'), '')"""

_EVENTS = """
create table all_lines as
select h, b, p, kind, moment,
       case when moment is null then 'no time' when h is null then 'no visitor' when p is null then 'no item'
            when kind is null or kind not in ('view', 'addtocart', 'transaction') then 'another kind of event'
            when kind = 'transaction' and b is null then 'a purchase without its transaction' end as dropped
from (select {visitor} as h, {transaction} as b, {item} as p, lower(trim(cast("event" as varchar))) as kind,
             {moment} as moment from {events});
create table events as select * from all_lines where dropped is null and moment < {end};
create table bought as select h, p, moment from events where kind = 'transaction';
"""

_SESSIONS = """
create table visited as
select h, p, kind, moment, sum(begins) over (partition by h order by moment, p, kind rows unbounded preceding) as s
from (select h, p, kind, moment,
             case when moment - lag(moment) over (partition by h order by moment, p, kind)
                       <= interval {session_minutes} minutes then 0 else 1 end as begins
      from (select distinct h, p, kind, moment from events));
create table visits as select h, s, min(moment) as moment from visited group by h, s;
"""

# A view of the same product again, a reload for one, is no step to another product.
_IMPRESSIONS = """
create table steps as
select h, s, p as v, moment, lag(p) over w as u, lag(moment) over w as since,
       row_number() over w as place, row_number() over (partition by h, p order by moment) as views
from visited where kind = 'view' window w as (partition by h, s order by moment, p);
create table impressions as
select row_number() over (order by moment, h, v) as id, h, s, u, v, moment as shown_at, place,
       views - 1 as seen_before, epoch(moment - since) as looked_s
from (select * from steps where u <> v
      qualify row_number() over (partition by h, s, v order by moment) = 1);
create table shown as
select i.*, case when later.moment <= i.shown_at + {window} then later.moment end as converted_at
from (select * from impressions where shown_at >= {start}) i
asof left join bought later on later.h = i.h and later.p = i.v and i.shown_at < later.moment;
"""

# What a product was first described as before `known`: it does not depend on how much of the log is read.
_PRODUCTS = """
create table described as
select {item} as p, cast("property" as varchar) as property, cast("value" as varchar) as value, {moment} as moment
from {properties} where cast("property" as varchar) in ({wanted}) and {item} is not null;
delete from described where moment is null or moment >= {end};
create table first_said as
select p, property, arg_min(value, (moment, value)) as value from described
where moment < {known} group by p, property;
create table prices as
select p, moment, max(try_cast(regexp_extract(value, '^n?([0-9]+([.][0-9]+)?)', 1) as double)) as price
from described where property = {price} group by p, moment having price is not null;
create table stock as
select p, moment, max(try_cast(value as double)) as available
from described where property = {available} group by p, moment having available is not null;
create table branches as
with recursive parents as (
    select {category} as c, any_value({parent}) as parent from {tree} where {category} is not null group by c),
up as (select c as leaf, parent, [c] as path from parents
       union all
       select up.leaf, parents.parent, list_prepend(parents.c, path) from up join parents on parents.c = up.parent
       -- A tree that bites its own tail ends there.
       where not list_contains(path, parents.c))
select leaf, array_to_string(arg_max(path, len(path)), {separator}) as path from up group by leaf;
create table products as
select e.p, coalesce(n.value, 'item ' || e.p) as name, coalesce(t.path, c.value, {no_category}) as category
from (select distinct p from events) e
left join first_said n on n.p = e.p and n.property = {name}
left join first_said c on c.p = e.p and c.property = {category_name}
left join branches t on t.leaf = c.value;
"""

_TABLES = {
    "products": """
select s.p as product_id, name, category, price as attr_price
from products s left join (
    select p, arg_min(price, moment) as price from prices where moment < {known} group by p) using (p)
order by product_id""",
    "purchases": """
select h as customer_id, b as order_id, p as product_id, min(moment) as purchased_at,
       cast(count(*) as double) as quantity, round(coalesce(sum(price), 0.0), 2) as amount
from (select e.*, prices.price from (select * from events where kind = 'transaction') e
      asof left join prices on prices.p = e.p and e.moment >= prices.moment)
group by h, b, p order by purchased_at, h, b, p""",
    "impressions": """
select id as impression_id, h as customer_id, u as source_product_id, v as target_product_id, shown_at,
       place as context_place, seen_before as context_seen_before, looked_s as context_looked_s,
       prices.price as context_price, stock.available as context_available
from shown asof left join prices on prices.p = shown.v and shown.shown_at >= prices.moment
asof left join stock on stock.p = shown.v and shown.shown_at >= stock.moment
order by id""",
    "conversions": """
select id as impression_id, converted_at from shown where converted_at is not null order by id""",
    "engagements": """
select id as impression_id, kind, min(moment) as happened_at from (
    select s.id, case e.kind when 'view' then 'view' else 'cart' end as kind, e.moment, s.shown_at, s.converted_at
    from shown s join events e on e.h = s.h and e.p = s.v and e.kind in ('view', 'addtocart')
    union all
    select s.id, 'visit', o.moment, s.shown_at, s.converted_at from shown s join visits o on o.h = s.h and o.s > s.s)
where moment > shown_at and moment <= shown_at + {window} and (converted_at is null or moment < converted_at)
group by id, kind, date_diff('day', shown_at, moment) order by id, kind, happened_at""",
}


@dataclass(frozen=True, kw_only=True)
class EventLog:
    """Where a shop's events lie, and how they are read.

    Attributes:
        folder: holds the files.
        time_zone: of the shop's wall, by its IANA name, for times that are seconds or milliseconds since 1970.
        session_minutes: without an event end a session.
        name_property: of an item that holds its name; None where none does.
        price_property: of an item that holds its price, such as `n12.500` or `12.5`; None where none does.
    """

    folder: Path
    time_zone: str
    session_minutes: int
    name_property: str | None
    price_property: str | None


def read_log(
    shop: EventLog, *, window: timedelta, start: datetime, end: datetime, threads: int, known: datetime
) -> RawLog:
    """Build the log of a shop from its events.

    Args:
        shop: where the files lie, and how they are read.
        window: the attribution window.
        start: first moment of the impressions to yield.
        end: first moment that is not read.
        threads: DuckDB's threads.
        known: what is said of products comes from before this moment.

    Raises:
        DataError: a file is missing or cannot be read, lacks a column, or `end` lies after its last day.
    """
    paths = event_files(shop.folder)
    values = _filling(shop, paths, window, start, end) | {"known": moment(known)}
    with session(threads) as connection:
        try:
            connection.execute(_EVENTS.format(**values))
            refuse_late_end(connection, "event_log", end)
            for step in (_SESSIONS, _IMPRESSIONS, _PRODUCTS):
                connection.execute(step.format(**values))
            tables = {name: arrow(connection, query.format(**values)) for name, query in _TABLES.items()}
        except duckdb.Error as error:
            raise DataError(f"source event_log: {shop.folder}: {_line(error)}; export the files again") from error
        notes = {
            "impressions_are": "what a visitor viewed next: a stand-in for a log of recommendations",
            **line_notes(connection, end),
            "impressions_built": _built(connection),
        }
    return RawLog(tables=tables, notes=notes)


def event_files(folder: Path) -> dict[str, list[Path]]:
    """Find the files of each table; those of a table that the folder lacks are none.

    Raises:
        DataError: there is no folder, or no events in it.
    """
    if not folder.is_dir():
        raise DataError(f"source event_log: no folder {folder}; set sources.event_log.folder to where the events lie")
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name.endswith(_ENDINGS))
    found = {
        EVENTS: [path for path in files if path.name.split(".", maxsplit=1)[0] == EVENTS],
        PROPERTIES: [path for path in files if path.name.startswith(PROPERTIES)],
        TREE: [path for path in files if path.name.split(".", maxsplit=1)[0] == TREE],
    }
    if len(found[EVENTS]) != 1:
        what = "holds no events" if not found[EVENTS] else f"holds {' and '.join(path.name for path in found[EVENTS])}"
        raise DataError(
            f"source event_log: {folder} {what}; keep one file {EVENTS}.csv or {EVENTS}.parquet there with columns "
            f"{', '.join(COLUMNS[EVENTS])}"
        )
    return found


def newest_event(shop: EventLog, before: datetime, threads: int) -> datetime | None:
    """When the last event happened, those left out that lie ahead of the clock.

    Args:
        shop: where the files lie.
        before: naive local time; an event after it is a mistake of somebody's clock.
        threads: DuckDB's threads.

    Raises:
        DataError: a file is missing or cannot be read.
    """
    files = event_files(shop.folder)[EVENTS]
    told = _MOMENT.format(zone=literal(shop.time_zone))
    with session(threads) as connection:
        try:
            row = connection.execute(
                f"select max(moment) from (select {told} as moment from {_reader(EVENTS, files)}) "
                f"where moment <= {moment(before)}"
            ).fetchone()
        except duckdb.Error as error:
            raise DataError(f"source event_log: {files[0]}: {_line(error)}; export it again") from error
    newest: datetime | None = row[0] if row else None
    return newest


def _filling(
    shop: EventLog, paths: Mapping[str, list[Path]], window: timedelta, start: datetime, end: datetime
) -> dict[str, object]:
    zone(shop.time_zone)
    wanted = [name for name in (CATEGORY, AVAILABLE, shop.name_property, shop.price_property) if name is not None]
    return {
        "events": _reader(EVENTS, paths[EVENTS]),
        "properties": _reader(PROPERTIES, paths[PROPERTIES]),
        "tree": _reader(TREE, paths[TREE]),
        "visitor": _ID.format(column="visitorid"),
        "transaction": _ID.format(column="transactionid"),
        "item": _ID.format(column="itemid"),
        "category": _ID.format(column="categoryid"),
        "parent": _ID.format(column="parentid"),
        "moment": _MOMENT.format(zone=literal(shop.time_zone)),
        "wanted": ", ".join(literal(name) for name in wanted),
        "category_name": literal(CATEGORY),
        "available": literal(AVAILABLE),
        # No property has an empty name, so that what is not asked for is not found.
        "name": literal(shop.name_property or ""),
        "price": literal(shop.price_property or ""),
        "session_minutes": shop.session_minutes,
        "window": f"interval {window.days} days",
        "start": moment(start),
        "end": moment(end),
        "separator": literal(CATEGORY_SEPARATOR),
        "no_category": literal(NO_CATEGORY),
    }


def _reader(name: str, files: list[Path]) -> str:
    """SQL that reads the columns of a table from its files; a table that the folder lacks has no rows.

    Raises:
        DataError: a file cannot be read, or lacks a column.
    """
    wanted = ", ".join(f'"{column}"' for column in COLUMNS[name])
    if not files:
        nothing = ", ".join(f'cast(null as varchar) as "{column}"' for column in COLUMNS[name])
        return f"(select {nothing} where false)"
    return f"({' union all '.join(f'select {wanted} from {_file_reader(name, path)}' for path in files)})"


def _file_reader(name: str, path: Path) -> str:
    try:
        found = pq.read_schema(path).names if path.suffix == ".parquet" else _heads(path)
    except (pa.ArrowException, OSError, EOFError, ValueError, csv.Error) as error:
        raise DataError(f"source event_log: {path}: {_line(error)}; export it again") from error
    missing = [column for column in COLUMNS[name] if column not in found]
    if missing:
        raise DataError(
            f"source event_log: {path} lacks {', '.join(missing)}; its columns are to be {', '.join(COLUMNS[name])}"
        )
    if path.suffix == ".parquet":
        return f"read_parquet({literal(str(path))})"
    # Nothing is guessed from the first lines: one that is broken would be taken for the form of the file.
    columns = ", ".join(f"{literal(column)}: 'varchar'" for column in found)
    return (
        f"read_csv({literal(str(path))}, auto_detect = false, header = true, delim = ',', quote = '\"', "
        f"escape = '\"', nullstr = '', columns = {{{columns}}})"
    )


def _heads(path: Path) -> list[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as stream:
        return next(csv.reader(stream), [])


def _built(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """What was made of the events."""
    counts = f"""
    select (select count(*) from visits) as sessions, (select count(*) from impressions) as impressions,
           (select count(*) from shown) as impressions_yielded,
           (select count(converted_at) from shown) as conversions,
           (select count(*) from products where category = {literal(NO_CATEGORY)}) as products_without_category,
           (select count(*) from bought left join (select distinct p, 1 as priced from prices) using (p)
            where priced is null) as purchases_without_price"""
    cursor = connection.execute(counts)
    names = [column[0] for column in cursor.description or ()]
    return dict(zip(names, cursor.fetchall()[0], strict=True))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
