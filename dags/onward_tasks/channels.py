"""Tell people, by `onward tell`: what Airflow's connections name comes before what the environment names.

| connection         | what it holds                                                                                   |
|--------------------|-------------------------------------------------------------------------------------------------|
| `onward_webhook`   | *host*: a whole address; *password*: a bearer token, if it asks for one                         |
| `onward_slack`     | *host*: a whole address; or *password*: what stands behind `https://hooks.slack.com/services/`  |
| `onward_pagerduty` | *password*: the routing key; *host*: where events are taken, if not at PagerDuty                |
| `onward_smtp`      | of type `smtp`, as Airflow's own; *extra*: `from_email`, and `to_email` with commas between     |
"""

from collections.abc import Callable, Mapping
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException, AirflowRuntimeError

from onward_tasks.commands import ask

_SLACK = "https://hooks.slack.com/services"


class ChannelsError(Exception):
    """Somebody may not have been told."""


def tell(message: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Send a message to every channel; without one, what people have not been told of the alerts yet.

    Returns:
        What `onward tell` says: what was `due`, and what was `told`.

    Raises:
        ChannelsError: a connection cannot be read; the other channels were told.
        RuntimeError: a channel did not take something, and is named.
    """
    variables: dict[str, str] = {}
    broken = []
    for name, read in _READERS.items():
        try:
            variables |= read(BaseHook.get_connection(name))
        except AirflowNotFoundException:
            continue
        except (AirflowException, AirflowRuntimeError, AttributeError, OSError, TypeError, ValueError) as error:
            # Of a connection that is no JSON, the error's text may quote what it holds.
            broken.append(f"{name} ({type(error).__name__})")
    words = ("tell",) if message is None else ("tell", "--message")
    done = ask(*words, question=None if message is None else dict(message), variables=variables)
    if broken:
        raise ChannelsError(
            f"these connections cannot be read, and nobody is told by them: {', '.join(broken)}; see `airflow "
            "connections get`"
        )
    return done


def _webhook(connection: Any) -> dict[str, str]:
    return {"ONWARD_WEBHOOK": _needed(connection.host), "ONWARD_WEBHOOK_TOKEN": connection.password or ""}


def _slack(connection: Any) -> dict[str, str]:
    if not connection.password:
        return {"ONWARD_SLACK": _needed(connection.host)}
    return {"ONWARD_SLACK": f"{(connection.host or _SLACK).rstrip('/')}/{connection.password}"}


def _pagerduty(connection: Any) -> dict[str, str]:
    return {"ONWARD_PAGERDUTY": _needed(connection.password), "ONWARD_PAGERDUTY_ADDRESS": connection.host or ""}


def _smtp(connection: Any) -> dict[str, str]:
    extra = connection.extra_dejson
    # Airflow's own mail takes a connection for one that is encrypted from its first byte, unless it says otherwise.
    scheme = "smtp" if extra.get("disable_ssl") else "smtps"
    port = f":{connection.port}" if connection.port else ""
    return {
        "ONWARD_SMTP": f"{scheme}://{_needed(connection.host)}{port}",
        "ONWARD_SMTP_USER": connection.login or "",
        "ONWARD_SMTP_PASSWORD": connection.password or "",
        "ONWARD_MAIL_FROM": _needed(extra.get("from_email")),
        "ONWARD_MAIL_TO": _needed(extra.get("to_email")),
    }


def _needed(value: str | None) -> str:
    # Empty, it would count as a channel that nobody has set up.
    if not value:
        raise ValueError
    return value


_READERS: dict[str, Callable[[Any], dict[str, str]]] = {
    "onward_webhook": _webhook,
    "onward_slack": _slack,
    "onward_pagerduty": _pagerduty,
    "onward_smtp": _smtp,
}
