"""What makes a single row bad, as SQL conditions over a raw table, each with the reason that quarantine shows.

Conditions are tried in the order given here, so a row with several faults always gets the same reason.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.types as pt

from onward.data.contract import CONTRACT, Kind, TableContract
from onward.data.session import quoted
from onward.data.structure import holds_text

EARLIEST = datetime(1990, 1, 1)

# Casting text with an offset would silently shift it to UTC.
_OFFSET = r"'(?i)([0-9][+-][0-9]{1,2}(:?[0-9]{2})?|z|utc|gmt| [a-z]+/[a-z_]+)\s*$'"
_BLANKS = (r"E' '", r"E'\t'", r"E'\r'", r"E'\n'")


def whole_ids(schemas: Mapping[str, pa.Schema]) -> frozenset[str]:
    """Columns of ids that are whole numbers in every table that speaks of the same things.

    Numbers are joined and counted several times faster than the texts that they are outside.
    """
    whole: set[str] = set()
    for thing in ("product_id", "customer_id", "order_id", "impression_id"):
        named = {(table.name, column) for table in CONTRACT for column in table.columns if column.endswith(thing)}
        kinds = [schemas[table].field(column).type for table, column in named]
        if all(pt.is_integer(kind) and not pt.is_uint64(kind) for kind in kinds):
            whole |= {column for _, column in named}
    return frozenset(whole)


def typed(contract: TableContract, schema: pa.Schema, whole: Collection[str]) -> dict[str, str]:
    """SQL that casts each raw column to its inside type; a value that cannot be cast becomes NULL.

    Ids and text become VARCHAR, `whole` ids BIGINT, numbers DOUBLE, times TIMESTAMP. A missing context or attribute is
    NULL, whether it came as NULL, NaN or an empty text.
    """
    casts = {"id": "varchar", "text": "varchar", "number": "double", "time": "timestamp"}
    expressions = {}
    for name, kind in contract.columns.items():
        expressions[name] = f"try_cast({quoted(name)} as {'bigint' if name in whole else casts[kind]})"
    for name in sorted(set(schema.names) - set(contract.columns)):
        column = quoted(name)
        if holds_text(schema.field(name).type):
            expressions[name] = f"nullif(cast({column} as varchar), '')"
        else:
            expressions[name] = f"case when not isnan(cast({column} as double)) then cast({column} as double) end"
    return expressions


def row_rules(contract: TableContract, schema: pa.Schema, horizon: datetime) -> list[tuple[str, str]]:
    """List (reason, condition on raw columns) for everything that one row alone can get wrong."""
    rules: list[tuple[str, str]] = []
    for name, kind in contract.columns.items():
        rules += _column_rules(name, kind, schema.field(name).type, horizon)
    for name in sorted(set(schema.names) - set(contract.columns)):
        if not holds_text(schema.field(name).type):
            rules.append((f"{name} is infinite", f"isinf(cast({quoted(name)} as double))"))
    return rules + list(_OF_TABLE.get(contract.name, ()))


_OF_TABLE = {
    "purchases": (
        ("quantity is not above zero", "try_cast(quantity as double) <= 0"),
        ("amount is negative", "try_cast(amount as double) < 0"),
    ),
    "impressions": (
        (
            "source and target are the same product",
            "cast(source_product_id as varchar) = cast(target_product_id as varchar)",
        ),
    ),
}


def _column_rules(name: str, kind: Kind, raw: pa.DataType, horizon: datetime) -> Iterator[tuple[str, str]]:
    is_text = holds_text(raw)
    text = f"cast({name} as varchar)"
    yield f"{name} is null", f"{name} is null"
    begins, ends = (" or ".join(f"{side}({text}, {blank})" for blank in _BLANKS) for side in ("starts_with", "suffix"))
    if is_text:
        # To trim a text takes ten times as long as to look at its ends.
        yield (
            f"{name} is empty",
            f"{text} = '' or case when {begins} then trim({text}, {' || '.join(_BLANKS)}) = '' end",
        )
    if kind == "id" and is_text:
        yield f"{name} has blanks around it", f"{begins} or {ends}"
    elif kind == "number":
        value = f"try_cast({name} as double)"
        yield f"{name} is not a number", f"{value} is null"
        yield f"{name} is not finite", f"not isfinite({value})"
    elif kind == "time":
        value = f"try_cast({name} as timestamp)"
        if is_text:
            yield f"{name} carries a time zone", f"regexp_matches({text}, {_OFFSET})"
        yield f"{name} is not a timestamp", f"{value} is null"
        yield f"{name} is before 1990", f"{value} < {moment(EARLIEST)}"
        yield f"{name} is at or after the horizon", f"{value} >= {moment(horizon)}"


def reference_rules(table: str, window: timedelta) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return (joins to kept tables, rules on typed columns `t.…`) for what a row owes to other tables.

    A row of a quarantined impression or product goes into quarantine with it.
    """
    if table == "purchases":
        joins = "left join kept_products p on p.product_id = t.product_id"
        return joins, (("product_id is unknown or in quarantine", "p.product_id is null"),)
    if table == "impressions":
        joins = (
            "left join kept_products s on s.product_id = t.source_product_id "
            "left join kept_products g on g.product_id = t.target_product_id"
        )
        return joins, (
            ("source_product_id is unknown or in quarantine", "s.product_id is null"),
            ("target_product_id is unknown or in quarantine", "g.product_id is null"),
        )
    joins = "left join kept_impressions i on i.impression_id = t.impression_id"
    orphan = ("impression_id is unknown or in quarantine", "i.impression_id is null")
    if table == "conversions":
        late = f"t.converted_at > i.shown_at + interval {window // timedelta(microseconds=1)} microseconds"
        return joins, (
            orphan,
            ("converted_at is not after the impression", "t.converted_at <= i.shown_at"),
            ("converted_at is after the attribution window", late),
        )
    if table == "engagements":
        return joins, (orphan, ("happened_at is before the impression", "t.happened_at < i.shown_at"))
    return "", ()


def moment(value: datetime) -> str:
    """A timestamp literal.

    >>> moment(datetime(2017, 11, 20))
    "timestamp '2017-11-20 00:00:00'"
    """
    return f"timestamp '{value.isoformat(sep=' ')}'"
