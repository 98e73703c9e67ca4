"""Purchases that features ask about, in portions: a log need not fit in memory to be described."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Literal, Protocol

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from onward.data.event_index import to_seconds
from onward.data.rules import moment
from onward.data.session import arrow

Entity = Literal["customer", "product"]
ROWS = 8_000_000
"""Of a portion, but for an entity that has more."""
_LEAST, _MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True)
class Portion:
    """All purchases of the entities in [low, high) that were asked for.

    Attributes:
        low: first entity.
        high: the first one after.
        bought: customer, order, product (whole numbers), second (since 1970), items and spend, [n] each, in any order;
            customer and order are missing where the entity is a product.
    """

    low: int
    high: int
    bought: Mapping[str, np.ndarray]


class PurchaseHistory(Protocol):
    """Where purchases are asked for."""

    def portions(self, by: Entity, asked: np.ndarray) -> Iterator[Portion]:
        """Yield the purchases of the entities asked for; each entity, also one without any, falls into one portion."""


@dataclass(frozen=True)
class HeldPurchases:
    """Purchases that fit in memory: customer, order, product, purchased_at, quantity, amount; in any order."""

    frame: pd.DataFrame

    def portions(self, by: Entity, asked: np.ndarray) -> Iterator[Portion]:  # noqa: ARG002 - all, whatever is asked
        """One portion, of all."""
        bought = {name: self.frame[name].to_numpy(np.int64) for name in ("customer", "order", "product")}
        bought["second"] = to_seconds(self.frame["purchased_at"])
        yield Portion(
            _LEAST,
            _MOST,
            bought | {"items": self.frame["quantity"].to_numpy(), "spend": self.frame["amount"].to_numpy()},
        )


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
        bounds = [_LEAST, *firsts.tolist(), _MOST]
        for low, high in pairwise(bounds):
            table = arrow(
                self.connection,
                f"select {_COLUMNS[by]}, epoch_us(purchased_at) // 1000000 as second, quantity as items, "
                f"amount as spend {found} and {by} >= {low} and {by} < {high}",
            )
            yield Portion(low, high, {name: table[name].to_numpy() for name in table.column_names})
