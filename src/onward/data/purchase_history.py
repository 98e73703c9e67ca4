"""Purchases that features ask about, in portions: a log need not fit in memory to be described.

Free of databases, which scoring one impression does without; see stored_purchases.py for theirs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pandas as pd

from onward.data.event_index import to_seconds

Entity = Literal["customer", "product"]
LEAST, MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


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
            LEAST,
            MOST,
            bought | {"items": self.frame["quantity"].to_numpy(), "spend": self.frame["amount"].to_numpy()},
        )
