"""What was served, in the form of the decision log, so that the monitor reads it like the batch's.

`onward serve` logs answers as JSON lines. A day that is over becomes one Parquet file a version, in the decision log's
folder `served` and with the log's own columns. A decision stands for the impression that feedback names (see
serving/decision_log.py): where a day's feedback says what was shown, those decisions alone count; where it says
nothing, all of them do, each pair of an answer once.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from onward.artifacts import replacing_directory
from onward.daily.named_folders import by_day
from onward.monitoring.decision_log import SCHEMA, SERVED, place
from onward.serving.append_log import read_lines
from onward.serving.decision_log import impression_id, read_decisions
from onward.serving.served_folders import ServedFolders

_ROWS_AT_ONCE = 100_000
_COLUMNS: tuple[str, ...] = tuple(SCHEMA.names)


def write_served_days(served: ServedFolders, decisions: Path, before: date) -> list[date]:
    """Write the days before a day that were served and are not written yet; a day that is written stays as it is.

    Args:
        served: where `onward serve` keeps its logs.
        decisions: folder of the decision log.
        before: the first day that is not over.

    Returns:
        The days that were written.

    Raises:
        ArtifactError: a line of a log is not JSON.
    """
    written = []
    for day in sorted(_days(served.decisions)):
        folder = decisions / SERVED / place(day, 0).parent
        if day >= before or folder.exists():
            continue
        with replacing_directory(folder) as partial:
            _write_day(served, day, partial)
        written.append(day)
    return written


def _write_day(served: ServedFolders, day: date, folder: Path) -> None:
    shown = _shown(served, day)
    with ExitStack() as stack:
        writers: dict[int, pq.ParquetWriter] = {}
        for rows in _batches(served.decisions, day, shown):
            for version, mine in rows.groupby("version"):
                number = int(str(version))
                if number not in writers:
                    path = folder / place(day, number).name
                    writers[number] = stack.enter_context(pq.ParquetWriter(path, SCHEMA, compression="zstd"))
                writers[number].write_table(pa.Table.from_pandas(mine, SCHEMA, preserve_index=False))


def _batches(folder: Path, day: date, shown: frozenset[str]) -> Iterator[pd.DataFrame]:
    rows: list[dict[str, Any]] = []
    request = ""
    answered: set[str] = set()
    for decision in read_decisions(folder, day):
        if decision["request_id"] != request:
            request = decision["request_id"]
            answered = set()
            if len(rows) >= _ROWS_AT_ONCE:
                yield _table(rows)
                rows = []
        impression = impression_id(request, decision["source"], decision["target"])
        # The same pair may stand on several lists of an answer: it is one impression.
        if impression in answered or (shown and impression not in shown):
            continue
        answered.add(impression)
        # A question that named no customer is a customer of its own.
        customer = decision["customer"] or request
        rows.append({**decision, "impression": impression, "customer": customer})
    if rows:
        yield _table(rows)


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    table["time"] = pd.to_datetime(table["time"]).astype("datetime64[us]")
    return table.astype({"level": np.int8, "version": np.int32})[list(_COLUMNS)]


def _shown(served: ServedFolders, day: date) -> frozenset[str]:
    """Impressions of the day's answers that feedback says were shown, as far as it came on the day or the one after."""
    said = {
        str(line["impression_id"])
        for received in (day, day + timedelta(days=1))
        for line in read_lines(served.feedback, received)
        if line["table"] == "impressions" and datetime.fromisoformat(str(line["shown_at"])).date() >= day
    }
    if not said:
        return frozenset()
    # What the next day's feedback says of the next day's answers says nothing of this day's.
    answers = {str(decision["request_id"]) for decision in read_decisions(served.decisions, day)}
    return frozenset(impression for impression in said if impression.partition("/")[0] in answers)


def _days(folder: Path) -> list[date]:
    return [day for day, _ in by_day(folder, "day")]
