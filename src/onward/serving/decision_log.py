"""The log of served decisions: one line of JSON an answer, with everything that was decided in it.

    {"request_id": …, "time": …, "version": …, "route": …, "weight": …, "customer": …, "decisions": [[…], …]}

`time` is the naive local time of the shop, as in the data contract. A decision is a list of `DECISION_COLUMNS`. What a
new product was answered by is its own id with the chances of the product that stands for it.
"""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from onward.serving.append_log import AppendLog, read_lines

if TYPE_CHECKING:
    from onward.serving.encoded_answer import EncodedAnswer

DECISION_COLUMNS = (
    "source", "target", "order", "rank", "order_score", "score", "probability", "uncertainty", "level", "decision",
    "category",
)  # fmt: skip
"""order: the list, or score, or rank; rank: place in it; category: the first step of the target's path."""


def impression_id(request: str, source: str, target: str) -> str:
    """The impression that a decision becomes when it is shown.

    >>> impression_id("5f0c", "12", "a/b")
    '5f0c/12/a%2Fb'
    """
    return f"{request}/{quote(source, safe='')}/{quote(target, safe='')}"


def log_answer(
    log: AppendLog,
    request_id: str,
    route: str,
    version: int,
    answer: "EncodedAnswer",
    customer: str | None,
    now: datetime,
) -> None:
    """Log an answer.

    Args:
        log: where to.
        request_id: of the request.
        route: related, score or rank.
        version: that answered.
        answer: with its decisions.
        customer: outside id; None where nobody said.
        now: naive local time.
    """
    head = orjson.dumps(
        {
            "request_id": request_id,
            "time": now.isoformat(timespec="microseconds"),
            "version": version,
            "route": route,
            "weight": answer.weight,
            "customer": customer,
        }
    )
    log.append(head[:-1] + b',"decisions":' + answer.decisions + b"}")


def read_decisions(folder: Path, day: date) -> Iterator[dict[str, Any]]:
    """Yield the decisions of a day, each with its request's id, time, version, route, weight and customer.

    Raises:
        ArtifactError: a line is not JSON.
    """
    for answer in read_lines(folder, day):
        decisions: Any = answer.pop("decisions")
        for values in decisions:
            yield {**answer, **dict(zip(DECISION_COLUMNS, values, strict=True))}
