"""All lists of all products as Parquet parts, for shops that load lists rather than ask for them.

A part is written beside its place and renamed, so what is there is whole. Its name holds the version and the length of
the lists: a run that was stopped goes on where it was, and one of another version or length begins anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from onward.artifacts import write_table
from onward.deployment.bundle import Bundle
from onward.ranking.list_names import LISTS
from onward.serving.recommend import recommend_all

_PRODUCTS_A_PART = 2000

SCHEMA = pa.schema(
    [
        pa.field("product_id", pa.string(), nullable=False),
        pa.field("list", pa.string(), nullable=False),
        pa.field("rank", pa.int16(), nullable=False),
        pa.field("other_id", pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
        pa.field("level", pa.int8(), nullable=False),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("why", pa.string(), nullable=False),
        pa.field("of_its_type", pa.bool_(), nullable=False),
    ]
)
"""One row an entry, by product in the catalogue's order, list in the order of LISTS, and rank from 1; every column but
`other_id` and `of_its_type` (the lists are its type's) means what `Recommendation` says of it."""


@dataclass(frozen=True)
class Part:
    """Some products' lists.

    Attributes:
        path: of the file.
        first: inside number of its first product.
        end: that after its last.
        count: entries of each list at most.
    """

    path: Path
    first: int
    end: int
    count: int

    @property
    def finished(self) -> bool:
        """Whether it has been written."""
        return self.path.is_file()


def parts_of(
    bundle: Bundle, bundle_sha256: str, folder: Path, count: int, products_a_part: int = _PRODUCTS_A_PART
) -> Sequence[Part]:
    """All parts of a bundle's lists; files of other versions and lengths are removed from the folder.

    Args:
        bundle: in use.
        bundle_sha256: its hash.
        folder: where parts go.
        count: entries of each list at most.
        products_a_part: how many.
    """
    products = len(bundle.products)
    parts = [
        Part(
            folder / f"lists-{bundle_sha256[:12]}-top{count}-{first:09d}.parquet",
            first,
            min(first + products_a_part, products),
            count,
        )
        for first in range(0, products, products_a_part)
    ]
    wanted = {part.path for part in parts}
    for path in folder.glob("lists-*-top*-*.parquet"):
        if path not in wanted:
            path.unlink()
    return parts


def write_part(bundle: Bundle, part: Part) -> None:
    """Write a part's lists.

    Raises:
        DataError: the bundle holds no lists.
    """
    rows = [
        (
            answer.product_id, name, rank, entry.product_id, entry.score, entry.probability, entry.low, entry.high,
            entry.level, entry.decision, entry.why, answer.of_its_type,
        )
        for answer in recommend_all(bundle.listed, range(part.first, part.end), part.count, bundle.typical.scores)
        for name in LISTS
        for rank, entry in enumerate(getattr(answer, name), 1)
    ]  # fmt: skip
    columns = zip(*rows, strict=True) if rows else ([] for _ in SCHEMA)
    arrays = [pa.array(list(values), field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    write_table(part.path, pa.Table.from_arrays(arrays, schema=SCHEMA))
