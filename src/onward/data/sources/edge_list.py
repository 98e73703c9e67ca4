"""A plain list of directed edges u -> v, of whatever kind: citations, follows, links, co-purchases.

A file of two columns of ids, text or Parquet. A third column of numbers is a weight. Ids stay text outside and become
dense integers inside, as everywhere.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from onward.data.sources.ids import Names, in_order, numbers_of
from onward.errors import DataError

_COMMENTS = ("#", "%")
_MOST_COLUMNS = 3


@dataclass(frozen=True)
class EdgeList:
    """Distinct edges without loops.

    Attributes:
        ids: [N] outside ids by inside number, in the order of `in_order`.
        edges: [m, 2] inside numbers, by source and then target.
        weight: [m] sum of the weights of equal lines; each line weighs 1 where the file has no weights.
        loops: how many lines led from a node to itself and were left out.
    """

    ids: npt.NDArray[np.str_]
    edges: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]
    loops: int


def read_edge_list(path: Path) -> EdgeList:
    """Read `.parquet`, or text with a comma, a tab or spaces between columns.

    Lines of text that begin with # or % are comments. Text has no header; Parquet columns are taken in their order.

    Raises:
        DataError: the file is missing or is no list of edges.
    """
    if not path.is_file():
        raise DataError(f"edge list: no file {path}; give one with two columns, source and target")
    table = _parquet(path) if path.suffix == ".parquet" else _text(path)
    if not 2 <= table.shape[1] <= _MOST_COLUMNS or not len(table):
        raise DataError(
            f"edge list: {path} has {table.shape[1]} columns and {len(table)} rows; "
            "give source, target and, if you like, a weight"
        )
    ends = [table.iloc[:, column].astype("string").str.strip() for column in (0, 1)]
    weight = pd.to_numeric(table.iloc[:, 2], errors="coerce") if table.shape[1] > 2 else pd.Series(1.0, table.index)
    missing = ends[0].isna() | ends[1].isna() | (ends[0] == "") | (ends[1] == "")
    if (bad := (missing | weight.isna() | (weight <= 0)).to_numpy(bool)).any():
        first = int(np.flatnonzero(bad)[0]) + 1
        raise DataError(
            f"edge list: {path}: {int(bad.sum())} of {len(table)} edges lack an end or a weight above 0, first edge "
            f"number {first}; repair or drop them"
        )
    names = in_order(np.concatenate([end.to_numpy(str) for end in ends]))
    source, target = (numbers_of(names, end.to_numpy(str)) for end in ends)
    loop = source == target
    keys, place = np.unique((source * len(names) + target)[~loop], return_inverse=True)
    total = np.zeros(len(keys))
    np.add.at(total, place, weight.to_numpy(np.float64)[~loop])
    edges = np.stack([keys // len(names), keys % len(names)], axis=1).astype(np.int64)
    return EdgeList(names, edges, total, int(loop.sum()))


def read_pairs(path: Path, ids: Names) -> npt.NDArray[np.int64]:
    """[m, 2] inside numbers of a file's pairs as they stand: an official split's edges, or pairs that are none.

    Raises:
        DataError: the file is missing, is no list of pairs, or names a node that the graph has not.
    """
    if not path.is_file():
        raise DataError(f"edge list: no file {path}; a split has train.txt, validation.txt and test.txt")
    table = _parquet(path) if path.suffix == ".parquet" else _text(path)
    if table.shape[1] != 2:
        raise DataError(f"edge list: {path} has {table.shape[1]} columns; give source and target")
    ends = [numbers_of(ids, table.iloc[:, column].astype("string").str.strip().to_numpy(str)) for column in (0, 1)]
    pairs = np.stack(ends, axis=1)
    if (unknown := (pairs < 0).any(axis=1)).any():
        first = int(np.flatnonzero(unknown)[0]) + 1
        raise DataError(
            f"edge list: {path}: {int(unknown.sum())} of {len(pairs)} pairs name nodes that are not in the graph, "
            f"first pair number {first}; take split and edges from one place"
        )
    return pairs


def _parquet(path: Path) -> pd.DataFrame:
    try:
        # ParquetFile, not read_table: the folder's name must not be read as a partition.
        with pq.ParquetFile(path) as file:
            table: pd.DataFrame = file.read().to_pandas()
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"edge list: {path} is not readable as Parquet ({reason}); export it again") from error
    return table


def _text(path: Path) -> pd.DataFrame:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"edge list: {path} is not UTF-8 text ({type(error).__name__}); export it again") from error
    kept = [line for line in lines if line.strip() and not line.lstrip().startswith(_COMMENTS)]
    separator = next((separator for separator in (",", "\t") if kept and separator in kept[0]), None)
    rows = [line.split(separator) for line in kept]
    if rows and len(widths := {len(row) for row in rows}) > 1:
        raise DataError(f"edge list: {path}: lines have {min(widths)} to {max(widths)} columns; give all the same")
    return pd.DataFrame(rows)
