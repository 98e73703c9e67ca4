"""What a model was trained on: the clock, and the catalogue whose products and categories it knows by number."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from onward.errors import DataError


@dataclass(frozen=True)
class TrainedOn:
    """The data behind a model, as far as later stages must share it.

    Attributes:
        as_of: the clock, ISO 8601.
        catalogue: digest of products and categories in the order of their numbers.
    """

    as_of: str
    catalogue: str

    @classmethod
    def of(cls, as_of: str, products: pd.DataFrame, categories: Mapping[str, Sequence[str]]) -> "TrainedOn":
        """Describe the data at hand.

        Args:
            as_of: the clock.
            products: product_id and category, by number.
            categories: values of each categorical feature, by code.
        """
        rows = [products["product_id"].astype(str).tolist(), products["category"].astype(str).tolist()]
        text = json.dumps([rows, {name: list(values) for name, values in categories.items()}], sort_keys=True)
        return cls(as_of, hashlib.sha256(text.encode()).hexdigest())

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"as_of": self.as_of, "catalogue_sha256": self.catalogue}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainedOn":
        """What `to_dict` gave."""
        return cls(values["as_of"], values["catalogue_sha256"])

    def require_catalogue(self, at_hand: "TrainedOn") -> None:
        """Refuse data whose products or categories have other numbers than those the model knows them by.

        Raises:
            DataError: they differ.
        """
        if self.catalogue != at_hand.catalogue:
            raise DataError(
                f"the model, trained as of {self.as_of}, knows other products or categories than the log as of "
                f"{at_hand.as_of}; run from train_gnn"
            )
