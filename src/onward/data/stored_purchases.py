"""Purchases in a database: only those that features ask about leave it, a portion at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import duckdb
import numpy as np
import pyarrow as pa

from onward.data.purchase_history import LEAST, MOST, Entity, Portion
from onward.data.rules import moment
from onward.data.session import arrow

ROWS = 8_000_000
"""Of a portion, but for an entity that has more."""

_COLUMNS = {
    "customer": 'cast(customer as bigint) as customer, "order", cast(product as bigint) as product',
    "product": "cast(product as bigint) as product",
}


@dataclass(frozen=True)
class StoredPurchases:
    """Purchases in a database's table coded_purchases, see identifiers.py; only those asked about leave it.

    Attributes:
        connection: to the database.
        end: later purchases are left out.
        rows: of a portion.
    """

    connection: duckdb.DuckDBPyConnection
    end: datetime
    rows: int = ROWS

    def portions(self, by: Entity, asked: np.ndarray) -> Iterator[Portion]:
        """Divide the entities into stretches that have so many purchases."""
        self.connection.register("asked", pa.table({by: pa.array(np.unique(asked).astype(np.int32))}))
        found = f"from coded_purchases semi join asked using ({by}) where purchased_at < {moment(self.end)}"
        counts = arrow(self.connection, f"select {by}, count(*) as rows {found} group by {by} order by {by}")
        number = (np.cumsum(counts["rows"].to_numpy()) - 1) // self.rows
        firsts = counts[by].to_numpy()[1:][number[1:] != number[:-1]]
        bounds = [LEAST, *firsts.tolist(), MOST]
        for low, high in pairwise(bounds):
            table = arrow(
                self.connection,
                f"select {_COLUMNS[by]}, epoch_us(purchased_at) // 1000000 as second, quantity as items, "
                f"amount as spend {found} and {by} >= {low} and {by} < {high}",
            )
            yield Portion(low, high, {name: table[name].to_numpy() for name in table.column_names})
