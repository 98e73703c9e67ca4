"""Couples that any shopper would name, such as spaghetti and its sauce: does a shelf of new products hold the partner?

couples.csv has regular expressions source_type,partner_type on `category|type` of Complete Journey's products.
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.direction.datasets import file_of
from benchmarks.related.shelf import Shelf
from onward.evaluation.listing import NOTHING, Lister
from onward.evaluation.related_log import RelatedLog
from onward.ranking.purchase_log import Ints

FILE, ORIGIN = "couples.csv", "this project's benchmark data"
SOURCES = 5
"""Known products of a source type that are asked about, those of most households first."""

Couple = tuple[str, str]
Names = npt.NDArray[np.str_]


def read_couples(folder: Path) -> list[Couple]:
    """Source and partner type of each couple.

    Raises:
        DataError: the file is missing.
    """
    with file_of(folder, FILE, ORIGIN).open(encoding="utf-8") as lines:
        return [(row["source_type"], row["partner_type"]) for row in csv.DictReader(lines)]


def type_names(products: pd.DataFrame) -> Names:
    """`category|type` of each row of the catalogue."""
    category, kind = (products[name].astype("string").fillna("") for name in ("attr_category", "attr_type"))
    return (category + "|" + kind).to_numpy(np.str_)


def couples_found(lister: Lister, couples: Sequence[Couple], names: Names, shelf: Shelf) -> dict[Couple, float]:
    """Share of each couple's sources whose list holds a partner of another type than theirs.

    Args:
        lister: lists new candidates after known ones.
        couples: those without a source among the known or a partner among the new are left out.
        names: [C] `category|type` of each candidate.
        shelf: what is new and what is known.
    """
    bought, found = households(shelf.past), {}
    for source, partner in couples:
        ours, theirs = (_matching(pattern, names) for pattern in (source, partner))
        asked = np.flatnonzero(ours & shelf.known)
        asked = asked[np.argsort(-bought[asked], kind="stable")][:SOURCES]
        wanted = theirs & shelf.new
        if not len(asked) or not wanted.any():
            continue
        lists = lister(asked)
        other = names[np.maximum(lists, 0)] != names[asked][:, None]
        hit = (lists != NOTHING) & wanted[np.maximum(lists, 0)] & other
        found[source, partner] = float(hit.any(axis=1).mean())
    return found


def households(log: RelatedLog) -> Ints:
    """[C] how many customers bought each candidate."""
    pairs = np.unique(log.customer * log.products + log.product)
    return np.bincount(pairs % log.products, minlength=log.products).astype(np.int64)


def _matching(pattern: str, names: Names) -> npt.NDArray[np.bool_]:
    return np.array([re.search(pattern, name) is not None for name in names], dtype=np.bool_)
