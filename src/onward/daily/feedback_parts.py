"""Feedback as parts of a shop's own log: files in the data contract's form, which the source `parquet` reads."""

from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa

from onward.artifacts import write_table
from onward.daily.named_folders import by_day
from onward.data.contract import CONTRACT, TableContract
from onward.serving.append_log import read_lines

_TABLES = ("impressions", "engagements", "conversions")


def write_feedback_parts(feedback: Path, folder: Path, before: date) -> dict[str, int]:
    """Write `<folder>/<table>/feedback-<day>.parquet` for each day of the log before a day; what is there stays.

    Args:
        feedback: folder of the log.
        folder: of the source.
        before: the first day that is not over.

    Returns:
        Rows written, by table.

    Raises:
        ArtifactError: a line of the log is not JSON.
    """
    contracts = [contract for contract in CONTRACT if contract.name in _TABLES]
    written = dict.fromkeys(_TABLES, 0)
    for day, _ in by_day(feedback, "day"):
        paths = {contract.name: folder / contract.name / f"feedback-{day}.parquet" for contract in contracts}
        if day >= before or all(path.exists() for path in paths.values()):
            continue
        lines = pd.DataFrame(list(read_lines(feedback, day)))
        for contract in contracts:
            part = _part(lines, contract)
            write_table(paths[contract.name], part)
            written[contract.name] += part.num_rows
    return written


def _part(lines: pd.DataFrame, contract: TableContract) -> pa.Table:
    """The rows of a table, the same one twice counted once, and of a conversion the first."""
    columns = list(contract.columns)
    mine = lines[(lines["table"] == contract.name).to_numpy(bool)] if len(lines) else lines
    rows = mine.reindex(columns=columns).sort_values(columns).drop_duplicates(list(contract.key), ignore_index=True)
    kinds = {"time": pa.timestamp("us")}
    schema = pa.schema([(name, kinds.get(kind, pa.string())) for name, kind in contract.columns.items()])
    if contract.clock:
        rows[contract.clock] = pd.to_datetime(rows[contract.clock]).astype("datetime64[us]")
    return pa.Table.from_pandas(rows, schema, preserve_index=False)
