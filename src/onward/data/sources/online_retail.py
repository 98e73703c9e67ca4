"""UCI Online Retail: a year of a gift shop's order lines, mostly of wholesale customers, as one Parquet file.

The data set has purchases but no log of recommendations, so this module builds one, and says so wherever results show:
at the close of a customer's shopping day the `shown_per_visit` products V are taken as recommended that follow what the
customer bought that day most strongly (directed counts before `candidates_before`, so the recommender is frozen) and
that the customer did not buy in the last `fresh_days`. The strongest U is kept for each V.

Returns (invoices that begin with C), lines without a customer, and codes that are no goods (postage, fees, vouchers)
are left out and counted in the notes. A category is the last word of the description, which in English names the kind
of thing: HOLDER, BAG, CLOCK.
"""

# ruff: noqa: S608 - SQL is put together from the contract's own names and numbers; outside names are quoted.

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from onward.data.contract import NO_CATEGORY, RawLog
from onward.data.rules import moment
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
    filling,
    line_notes,
    refuse_late_end,
)
from onward.errors import DataError

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID")

_LINES = """
create table all_lines as
select b, p, name, quantity, moment, round(quantity * price, 2) as amount, h,
       case when b like 'C%' then 'a return' when h is null then 'no customer'
            when not regexp_matches(p, '^[0-9]{{5}}') then 'no goods'
            when not quantity > 0 or not price >= 0 then 'no sale' end as dropped
from (select {invoice} as b, upper({code}) as p, trim(cast("Description" as varchar)) as name,
             try_cast("Quantity" as double) as quantity, try_cast("UnitPrice" as double) as price,
             try_cast("InvoiceDate" as timestamp) as moment, {customer} as h
      from read_parquet({file}));
create table names as
select p, coalesce(said, p) as name,
       coalesce('gifts' || {separator} || upper(nullif(regexp_extract(said, '([A-Za-z]+)[^A-Za-z]*$', 1), '')),
                {no_category}) as category
from (select p, mode(name) filter (where moment < {known}) as said from all_lines where dropped is null group by p);
create table lines as
select h, b, p, category, sum(quantity) as quantity, sum(amount) as amount, min(moment) as moment,
       date_diff('day', date '1970-01-01', min(moment)) as d
from all_lines join names using (p) where dropped is null and moment < {end} group by h, b, p, category;
create table bought as select distinct h, p, d, moment from lines;
"""

# A spreadsheet keeps a number that was text as 536365 or 536365.0: an id is what both say.
_ID = """nullif(nullif(regexp_replace(trim(cast("{column}" as varchar)), '^([0-9]+)[.]0+$', '\\1'), ''), 'nan')"""
_IDS = {"invoice": "InvoiceNo", "code": "StockCode", "customer": "CustomerID"}
_VALUES = {"Quantity": "double", "UnitPrice": "double", "InvoiceDate": "timestamp"}

_IMPRESSIONS = """
create table anchored as
select a.h, a.d, c.*, count(*) over (partition by a.h, a.d, c.v) as anchors,
       timestamp '1970-01-01' + to_days(cast(a.d + 1 as integer)) - interval 1 second as shown_at
from (select distinct h, d, p from lines semi join nodes using (p) where d >= {before} and d < {last}) a
join candidates c on c.u = a.p
qualify row_number() over (partition by a.h, a.d, c.v order by c.score desc, c.u) = 1;
create table shown as
select s.*, row_number() over (partition by s.h, s.d order by s.score desc, s.v) as place
from anchored s
asof left join bought earlier on earlier.h = s.h and earlier.p = s.v and s.shown_at >= earlier.moment
where earlier.d is null or s.d - earlier.d > {fresh_days}
qualify place <= {shown_per_visit};
create table impressions as
select row_number() over (order by s.d, s.h, s.v) as id, s.*,
       case when later.moment <= s.shown_at + {window} then later.moment end as converted_at
from shown s asof left join bought later on later.h = s.h and later.p = s.v and s.shown_at < later.moment;
"""

_TABLES = {
    "products": """
select p as product_id, name, category, median(amount / quantity) filter (where moment < {known}) as attr_price
from names join lines using (p, category) group by all order by p""",
    "purchases": PURCHASES,
    "impressions": IMPRESSIONS.replace("{context}", "place as context_place"),
    "conversions": CONVERSIONS,
}


@dataclass(frozen=True, kw_only=True)
class OnlineRetail(FrozenRecommender):
    """The shop's file, and the recommender whose impressions are built from it.

    Attributes:
        file: the data set's one sheet as Parquet, with its own column names.
        shown_per_visit: impressions a shopping day.
    """

    file: Path
    shown_per_visit: int


def read_log(
    shop: OnlineRetail, *, window: timedelta, start: datetime, end: datetime, threads: int, known: datetime
) -> RawLog:
    """Build the log of the shop.

    Args:
        shop: the file and the recommender.
        window: the attribution window.
        start: first moment of the impressions to yield.
        end: first moment that is not read.
        threads: DuckDB's threads.
        known: what is said of products comes from before this moment.

    Raises:
        DataError: the file is missing or another one, or `end` lies after its last day.
    """
    if not shop.file.is_file():
        raise DataError(
            f"source online_retail: no file {shop.file}; save the sheet of UCI data set 352 there as Parquet, "
            "or set sources.online_retail.file"
        )
    values = filling(shop, window, start, end)
    values |= {"known": moment(known), "no_category": literal(NO_CATEGORY)}
    values |= {"shown_per_visit": shop.shown_per_visit, "file": literal(str(shop.file))}
    values |= {name: _ID.format(column=column) for name, column in _IDS.items()}
    with session(threads) as connection:
        _refuse_other_file(connection, shop.file)
        connection.execute(_LINES.format(**values))
        refuse_late_end(connection, "online_retail", end)
        for step in (PRODUCT_DAYS, EDGES, _IMPRESSIONS):
            connection.execute(step.format(**values))
        tables = {name: arrow(connection, query.format(**values)) for name, query in _TABLES.items()}
        connection.execute("create type engagement as enum ('visit', 'category_purchase')")
        tables["engagements"] = arrow(connection, ENGAGEMENTS.format(**values))
        notes = {
            "impressions_are": "built from purchases alone: a stand-in for a log of recommendations",
            **line_notes(connection, end),
            "impressions_built": built_notes(connection),
        }
    return RawLog(tables=tables, notes=notes)


def _refuse_other_file(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Refuse a file that cannot be read, lacks a column, or holds values that could be read in more than one way."""
    source = f"read_parquet({literal(str(file))})"
    try:
        described = connection.execute(f"describe select * from {source}").fetchall()
        kinds = {row[0]: row[1] for row in described}
        missing = [name for name in COLUMNS if name not in kinds]
        if missing:
            raise DataError(
                f"source online_retail: {file} lacks {', '.join(missing)}; take the sheet as UCI 352 has it"
            )
        if kinds["InvoiceDate"] != "VARCHAR" and (
            not kinds["InvoiceDate"].startswith("TIMESTAMP") or "ZONE" in kinds["InvoiceDate"]
        ):
            raise DataError(
                f"source online_retail: InvoiceDate: holds {kinds['InvoiceDate']}, wanted timestamps without a time "
                f"zone; export {file} again with that column as a date and time"
            )
        for column, kind in _VALUES.items():
            wrong, rows, first = connection.execute(
                f"""select count(*) filter (bad), count(*), min(text) filter (bad) from (
                    select cast("{column}" as varchar) as text,
                           "{column}" is not null and try_cast("{column}" as {kind}) is null as bad from {source})"""
            ).fetchall()[0]
            if wrong:
                wanted = (
                    "dates and times such as 2010-12-01 08:26:00" if kind == "timestamp" else "numbers such as 2.55"
                )
                raise DataError(
                    f"source online_retail: {column}: {wrong} of {rows} values are no {wanted}, one of them "
                    f"{first[:40]!r}; export {file} again with that column as {wanted.split(' such', maxsplit=1)[0]}"
                )
    except duckdb.Error as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"source online_retail: {file} is not readable as Parquet ({reason}); export it again"
        ) from error
