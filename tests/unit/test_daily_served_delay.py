"""Drift in what was served is found after as many days as in the batch, through the service's own logs."""

from datetime import datetime, time
from pathlib import Path

import pandas as pd
import pytest

from builders.daily_files import FIRST, day_number, draw_rows, lay_out, params_of
from onward.artifacts import write_table
from onward.daily.feedback_parts import write_feedback_parts
from onward.daily.monitor import assess_version
from onward.daily.served_decisions import write_served_days
from onward.data.contract import CONTRACT
from onward.monitoring.decision_log import SERVED
from onward.serving.append_log import AppendLog
from onward.serving.decision_log import log_answer
from onward.serving.encoded_answer import EncodedAnswer, LoggedAnswer
from onward.serving.feedback import encoded_event
from onward.serving.schemas import FeedbackEvent
from onward.serving.served_folders import ServedFolders

DAYS, DRIFT, A_DAY = 80, 60, 500
KINDS = {"impressions": "shown", "engagements": "clicked", "conversions": "bought"}


def request_of(number: int) -> str:
    return f"{number:032x}"


def event(kind: str, number: int, customer: str | None = None) -> FeedbackEvent:
    return FeedbackEvent(kind=kind, request_id=request_of(number), source="s", target="t", customer_id=customer)


def serve_all(root: Path, rows: dict[str, pd.DataFrame]) -> ServedFolders:
    """Log every decision as the service does, and its events as they are told to the service, day after day."""
    served = ServedFolders(root / "served")
    now = [datetime.combine(FIRST, time())]
    decisions, feedback = (
        AppendLog(folder, 60.0, clock=lambda: now[0]) for folder in (served.decisions, served.feedback)
    )
    decisions.start()
    feedback.start()
    told: list[tuple[datetime, bytes]] = []
    table = rows["decisions"]
    for number, row in enumerate(table.itertuples()):
        told.append((row.time, encoded_event(event("shown", number, row.customer), row.time)))
    for name, clock in (("engagements", "happened_at"), ("conversions", "converted_at")):
        events = rows[name]
        for impression, at in zip(events["impression_id"], events[clock], strict=True):
            told.append((at, encoded_event(event(KINDS[name], int(impression[1:])), at)))
    told.sort()
    place = 0
    number = 0
    for day, part in table.groupby(table["time"].dt.date):
        now[0] = datetime.combine(day, time(12))
        for row in part.itertuples():
            decided = ["s", "t", "goes_with", 1, 0.1, row.score, row.probability, row.uncertainty, row.level,
                       row.decision, row.category]  # fmt: skip
            answer = EncodedAnswer.of(LoggedAnswer({}, [decided], 0.3))
            log_answer(decisions, request_of(number), "related", 3, answer, row.customer, row.time.to_pydatetime())
            number += 1
        while place < len(told) and told[place][0].date() <= day:
            feedback.append(told[place][1])
            place += 1
        # The day ends: what is handed over later lies in the next day's file.
        assert decisions.flush(30)
        assert feedback.flush(30)
    decisions.close()
    feedback.close()
    return served


def empty_source(root: Path) -> None:
    """A shop's own log before any feedback: the tables of the contract, without rows."""
    kinds = {"time": "datetime64[us]", "number": float}
    for contract in CONTRACT:
        if contract.name in KINDS:
            columns = {name: pd.Series(dtype=kinds.get(kind, "string")) for name, kind in contract.columns.items()}
            write_table(root / "data" / "log" / f"{contract.name}.parquet", pd.DataFrame(columns))


def days_until_found(root: Path, folder: Path) -> tuple[int, list[str]]:
    """Days from the drift until the daily look finds it, and every day's verdict."""
    verdicts = []
    for as_of in range(DRIFT, DAYS + 1):
        said = assess_version(root, params_of(root), 3, folder, root / "looks", day_number(as_of))
        verdicts.append(said["verdict"])
    return verdicts.index("drifted"), verdicts


@pytest.mark.slow
def test_a_drift_in_what_was_served_is_found_as_many_days_after_it_began_as_in_the_batch(tmp_path):
    rows = draw_rows(days=DAYS, drop_from=DRIFT, a_day=A_DAY)
    batch, served = tmp_path / "batch", tmp_path / SERVED
    in_batch = days_until_found(batch, lay_out(batch, rows))
    empty_source(served)
    folders = serve_all(served, rows)
    folder = served / "monitoring" / "decisions"
    assert len(write_served_days(folders, folder, day_number(DAYS))) == DAYS
    told = write_feedback_parts(folders.feedback, served / "data" / "log", day_number(DAYS))
    assert told["impressions"] == DAYS * A_DAY
    in_served = days_until_found(served, folder)
    assert in_served == in_batch
    assert in_batch[1][0] == "ok"
    assert 0 < in_batch[0] < DAYS - DRIFT
