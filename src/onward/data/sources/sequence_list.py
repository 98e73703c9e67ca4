"""Sequences without times: one line a customer, `id item item …`, in the order in which the items came."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onward.data.sources.ids import Names, in_order, numbers_of
from onward.errors import DataError


@dataclass(frozen=True)
class SequenceList:
    """Customers and what they bought.

    Attributes:
        customers: outside ids, in the order of the file.
        items: [N] outside ids by inside number.
        sequences: inside numbers in order, one array a customer.
    """

    customers: tuple[str, ...]
    items: Names
    sequences: tuple[npt.NDArray[np.int64], ...]


def read_sequences(path: Path) -> SequenceList:
    """Read text with commas, tabs or spaces between ids; lines that begin with # are comments.

    Raises:
        DataError: the file is missing, is no text, or holds no sequence of two items.
    """
    if not path.is_file():
        raise DataError(f"sequences: no file {path}; give one with a line a customer: id, then items in order")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"sequences: {path} is not UTF-8 text ({type(error).__name__}); export it again") from error
    lines = [line.replace(",", " ").split() for line in text.splitlines() if not line.lstrip().startswith("#")]
    rows = [line for line in lines if line]
    customers = tuple(row[0] for row in rows)
    if len(set(customers)) < len(customers):
        repeated = next(customer for place, customer in enumerate(customers) if customer in customers[:place])
        raise DataError(f"sequences: {path}: customer {repeated} has two lines; give each customer one")
    if not any(len(row) > 2 for row in rows):
        raise DataError(f"sequences: {path}: none of {len(rows)} lines holds a customer and two items; add some")
    flat = [item for row in rows for item in row[1:]]
    items = in_order(flat)
    parts = np.split(numbers_of(items, flat), np.cumsum([len(row) - 1 for row in rows])[:-1])
    return SequenceList(customers, items, tuple(parts))
