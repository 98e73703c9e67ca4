"""`onward watchdog`, `onward tell` and `onward acknowledge`: who watches the watcher, and whom people hear it from."""

import getpass
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from onward.commands.project import project_layout, project_settings, share_actions, take_shared
from onward.errors import MonitoringError, MonitoringInputError

if TYPE_CHECKING:
    from collections.abc import Collection

    from onward.daily.alert_log import AlertLog
    from onward.daily.telling import Told

_MOST_BYTES = 1_000_000


def watchdog(
    hours: Annotated[
        float | None,
        typer.Option(
            min=1, help="In which there must be a look; notices.hours_to_look of alerts.yaml.", show_default=False
        ),
    ] = None,
) -> None:
    """Tell people, and exit 1, when nobody looks: for cron, a systemd timer or a CronJob, outside Airflow.

    Trouble is: no look in so many hours by the wall's clock, a last look that failed, a log that has stopped. It reads
    files alone, and says so once a day until the trouble is over or acknowledged.
    """
    from onward.daily.watchdog import watch
    from onward.monitoring.notices import OF_WATCHDOG

    settings, now = project_settings(), datetime.now(UTC)
    log = alert_log()
    take_shared("looks")
    found = watch(settings.project, project_layout().params, settings.looks, log, hours, now)
    told = tell_alerts(log, now, names=OF_WATCHDOG)
    say_told(told)
    said = [*(trouble.text for trouble in found), *told.problems]
    if said:
        raise MonitoringError("watchdog: " + "; ".join(said))
    typer.echo("watchdog: somebody looks, and sees")


def tell(
    *,
    message: Annotated[
        bool, typer.Option("--message", help="Instead: send the message that comes as JSON from standard input.")
    ] = False,
) -> None:
    """Tell people of the alerts what they have not been told yet, the last line as JSON; exit 1 if a channel is broken.

    `onward act` does so by itself; in Airflow a task of its own does. A message has key, severity, summary, text and
    link, and whatever else is text.
    """
    from onward.monitoring.notices import OF_WATCHDOG

    now = datetime.now(UTC)
    told = _tell_message(now) if message else tell_alerts(alert_log(), now, but=OF_WATCHDOG)
    say_told(told)
    if told.problems:
        raise MonitoringError("; ".join(told.problems))
    typer.echo(json.dumps({"due": told.due, "told": [list(each) for each in told.taken]}))


def acknowledge(
    key: Annotated[str, typer.Argument(help="Of an open alert, such as drift-v4; `onward status` lists them.")],
    reason: Annotated[str, typer.Option(help="What is done about it, in one line of 10 to 500 characters.")],
    by: Annotated[str, typer.Option(help="Who says so; this machine's user if not given.", show_default=False)] = "",
) -> None:
    """Take an alert on: people are not told of it again until it is over."""
    line, who = reason.strip(), (by or getpass.getuser()).strip()
    if not (10 <= len(line) <= 500 and line.isprintable() and who.isprintable() and who):
        raise MonitoringInputError("acknowledge: --reason must be one line of 10 to 500 characters, and --by a name")
    log, now = alert_log(), datetime.now(UTC)
    alert = log.acknowledge(key, who[:100], line, now)
    typer.echo(f"{key}: acknowledged by {alert.acknowledged}")
    told = tell_alerts(log, now, keys=[key])
    say_told(told)
    if told.problems:
        raise MonitoringError(f"{key} is acknowledged, but not everybody was told: {'; '.join(told.problems)}")


def alert_log() -> "AlertLog":
    """The alerts of the project that a command works on."""
    from onward.daily.alert_log import FOLDER, AlertLog

    take_shared("actions")
    return AlertLog(project_settings().actions / FOLDER)


def tell_alerts(
    log: "AlertLog",
    now: datetime,
    *,
    names: "Collection[str]" = (),
    but: "Collection[str]" = (),
    keys: "Collection[str]" = (),
) -> "Told":
    """Send what is due to the channels that the environment names; see `onward.daily.telling.tell`."""
    from onward.channels.channel_settings import read_channel_settings
    from onward.daily.telling import tell

    settings, wrong = read_channel_settings()
    told = tell(log, settings.channels(), settings.runbook, settings.site, now, names=names, but=but, keys=keys)
    share_actions()
    return replace(told, problems=(*wrong, *told.problems))


def say_told(told: "Told") -> None:
    """Print who was told of what, and of what nobody is."""
    for key, state, channel in told.taken:
        typer.echo(f"told {channel}: {key} {state}")
    untold = [key for key in told.due if not told.problems and key not in {taken for taken, _, _ in told.taken}]
    if untold:
        typer.echo(f"nobody is told of {', '.join(untold)}: no channel is set up; see docs/how-to/alerts.md")


def _tell_message(now: datetime) -> "Told":
    from onward.channels.channel_settings import read_channel_settings
    from onward.channels.sending import send_to_all
    from onward.daily.telling import Told, parse_message

    settings, wrong = read_channel_settings()
    said = parse_message(sys.stdin.buffer.read(_MOST_BYTES + 1), settings.site, now)
    outcomes = send_to_all(settings.channels(), said)
    return Told(
        (said.key,),
        tuple((said.key, said.state, outcome.channel) for outcome in outcomes if outcome.problem is None),
        (*wrong, *(outcome.problem for outcome in outcomes if outcome.problem is not None)),
    )
