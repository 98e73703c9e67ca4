"""The data contract: the five tables every source yields, their columns and their kinds.

Ids are text outside (integers are read as text) and dense integers inside; the only clock is the shop's naive
local time. An impression is one directed recommendation: after `source_product_id` the customer was shown
`target_product_id` at `shown_at`; it converts at most once. A purchase row is one product of one order: a source
adds up the lines of one product in one order, so an exact copy of a row is a copy and not a second item.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

import pyarrow as pa

Kind = Literal["id", "text", "number", "time"]

ATTRIBUTE_PREFIX = "attr_"
CONTEXT_PREFIX = "context_"
CATEGORY_SEPARATOR = " > "
NO_CATEGORY = "?"
"""The category of a product of which none is known; no two such products are of one type."""


@dataclass(frozen=True)
class TableContract:
    """What one table must hold.

    Attributes:
        name: the table's name, also the stem of its file.
        columns: required columns, in the order in which they are checked and written.
        key: columns that together name one row; a later row with the same key is a duplicate.
        clock: the column that says when the row happened, or "" for a table without time.
        prefix: further columns are welcome when they start with it; "" welcomes none.
        may_be_empty: whether a log without any row in this table still makes sense.
    """

    name: str
    columns: Mapping[str, Kind]
    key: tuple[str, ...]
    clock: str = ""
    prefix: str = ""
    may_be_empty: bool = False

    def is_optional(self, column: str) -> bool:
        """Whether a column that is not required may be there: `attr_*` or `context_*`, number or text."""
        return bool(self.prefix) and column.startswith(self.prefix) and len(column) > len(self.prefix)


CONTRACT: tuple[TableContract, ...] = (
    TableContract(
        name="products",
        columns={"product_id": "id", "name": "text", "category": "text"},
        key=("product_id",),
        prefix=ATTRIBUTE_PREFIX,
    ),
    TableContract(
        name="purchases",
        columns={
            "customer_id": "id",
            "order_id": "id",
            "product_id": "id",
            "purchased_at": "time",
            "quantity": "number",
            "amount": "number",
        },
        key=("customer_id", "order_id", "product_id", "purchased_at", "quantity", "amount"),
        clock="purchased_at",
    ),
    TableContract(
        name="impressions",
        columns={
            "impression_id": "id",
            "customer_id": "id",
            "source_product_id": "id",
            "target_product_id": "id",
            "shown_at": "time",
        },
        key=("impression_id",),
        clock="shown_at",
        prefix=CONTEXT_PREFIX,
    ),
    TableContract(
        name="conversions",
        columns={"impression_id": "id", "converted_at": "time"},
        key=("impression_id",),
        clock="converted_at",
    ),
    TableContract(
        name="engagements",
        columns={"impression_id": "id", "kind": "text", "happened_at": "time"},
        key=("impression_id", "kind", "happened_at"),
        clock="happened_at",
        may_be_empty=True,
    ),
)

TABLES: tuple[str, ...] = tuple(table.name for table in CONTRACT)


@dataclass(frozen=True)
class ParquetFiles:
    """A table left in its files, of one schema, which need not fit in memory: validation scans it there.

    Attributes:
        paths: in the order of their rows.
        schema: of each file.
        num_rows: how many there are, those left out not counted.
        clock: a row with a time at or after `end` in this column is left out; "" leaves none out.
        end: first moment that is left out.
    """

    paths: tuple[str, ...]
    schema: pa.Schema
    num_rows: int
    clock: str
    end: datetime


RawTable: TypeAlias = pa.Table | ParquetFiles


@dataclass(frozen=True)
class SourceLog:
    """What a source yields: tables as it found them, not yet validated.

    Attributes:
        tables: one table per name in `TABLES`; ids as text or integers, times as naive timestamps.
        notes: JSON-able facts about the reading, such as rows left out and why; shown in metrics/ingest.json.
    """

    tables: Mapping[str, RawTable]
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RawLog(SourceLog):
    """A log of which every table is in memory."""

    tables: Mapping[str, pa.Table]
