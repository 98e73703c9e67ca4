"""Tell people of the alerts: what happened last to each, once to every channel.

What a channel did not take is due until it does, or until something later happens to the alert. A channel may hear of
the same twice where a process ends between sending and writing that down: the dedup key says that it is the same.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from onward.channels.message import KEY, Channel, Message, Severity
from onward.channels.sending import Outcome, send_to_all
from onward.daily.alert_log import Alert, AlertLog
from onward.errors import MonitoringError, place_and_reason


@dataclass(frozen=True)
class Told:
    """What came of telling.

    Attributes:
        due: keys of the alerts of which there was something to tell.
        taken: what was told: alert, state and channel.
        problems: one line for each channel that did not take something.
    """

    due: tuple[str, ...]
    taken: tuple[tuple[str, str, str], ...]
    problems: tuple[str, ...]


def tell(
    log: AlertLog,
    channels: Sequence[Channel],
    runbook: Callable[[str], str],
    source: str,
    now: datetime,
    *,
    names: Collection[str] = (),
    but: Collection[str] = (),
    keys: Collection[str] = (),
) -> Told:
    """Send what happened last to each alert to every channel that has not taken it.

    Args:
        log: of the alerts.
        channels: whom to tell.
        runbook: where a heading of the runbook is read.
        source: which installation speaks.
        now: with time zone.
        names: rules and notices to tell of; all where none is given.
        but: those that are left out.
        keys: alerts to tell of; all where none is given.
    """
    due, taken, problems = [], [], []
    for alert in log.alerts():
        told = alert.told
        waiting = [channel for channel in channels if _is_due(alert, channel.name, told)]
        left_out = alert.name in but or (names and alert.name not in names) or (keys and alert.key not in keys)
        if left_out or (not waiting and not (alert.state == "triggered" and not told)):
            continue
        due.append(alert.key)
        for outcome in send_to_all(waiting, _message(alert, runbook, source)):
            if outcome.problem is None:
                log.keep_told(alert, outcome.channel, now)
                taken.append((alert.key, alert.state, outcome.channel))
            else:
                problems.append(_problem(outcome, alert))
    return Told(tuple(due), tuple(taken), tuple(dict.fromkeys(problems)))


class _Given(BaseModel):
    """A message that a program hands over; what it names besides is text, for programs."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    __pydantic_extra__: dict[str, str]

    key: Annotated[str, Field(pattern=rf"^{KEY}$")]
    severity: Severity
    summary: Annotated[str, Field(min_length=1)]
    text: str
    link: str = ""


def parse_message(content: bytes, source: str, now: datetime) -> Message:
    """Read a message that a program hands over as JSON.

    Raises:
        MonitoringError: it is no JSON object of texts, or one of them is missing or cannot be.
    """
    try:
        given = _Given.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place, reason = place_and_reason(first["loc"], first["msg"])
        raise MonitoringError(
            f"tell: this is no message ({place or 'standard input'}: {reason[:100]}); it is JSON such as "
            '{"key": "failed-retrain", "severity": "warning", "summary": "…", "text": "…"}'
        ) from None
    summary = " ".join(given.summary.split())[:400]
    details = given.__pydantic_extra__
    return Message(given.key, "triggered", given.severity, summary, given.text, source, now, given.link, details)


def _is_due(alert: Alert, channel: str, told: set[tuple[str, str]]) -> bool:
    if (alert.event, channel) in told:
        return False
    # Who never heard of a trouble is not told that somebody takes care of it, or that it is over.
    return alert.state == "triggered" or any(heard == channel for _, heard in told)


def _message(alert: Alert, runbook: Callable[[str], str], source: str) -> Message:
    text = str(alert.said["text"])
    link = runbook(alert.name)
    if alert.state == "acknowledged":
        text = f"Acknowledged by {alert.acknowledged}. Nobody is told again until it is over."
    elif alert.state == "resolved":
        text = f"Over: {alert.resolved}. It began at {alert.since:%Y-%m-%d %H:%M} UTC."
    return Message(
        key=alert.key,
        state=alert.state,
        severity=alert.severity,
        summary=str(alert.said["summary"]),
        text=text,
        source=source,
        at=alert.at,
        link=link,
        details={**{name: str(value) for name, value in alert.said["details"].items()}, "runbook": link},
    )


def _problem(outcome: Outcome, alert: Alert) -> str:
    return f"{outcome.problem} ({alert.key}, {alert.state})"
