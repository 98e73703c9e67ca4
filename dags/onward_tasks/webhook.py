"""Tell the webhook, if a connection names one; whatever goes wrong there is one error that shows no secret.

The address of a webhook lets whoever knows it speak: of it a message names scheme and host, and never the rest.
"""

import logging
from http.client import HTTPException
from json import dumps
from typing import Any
from urllib.parse import urlsplit

import httpx
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException, AirflowRuntimeError

CONNECTION = "onward_webhook"
_PATIENCE = 10.0
_FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, HTTPException, OSError, ValueError)
_log = logging.getLogger(__name__)


class WebhookError(Exception):
    """The webhook did not take a message."""


def tell(message: dict[str, str]) -> None:
    """Send a message to the webhook; without a connection that names one, do nothing.

    Raises:
        WebhookError: the connection cannot be read, or the webhook did not take the message.
    """
    try:
        connection = BaseHook.get_connection(CONNECTION)
    except AirflowNotFoundException:
        return
    except (AirflowException, AirflowRuntimeError, OSError, TypeError, ValueError) as error:
        # Of a connection that is no JSON, the error's text may quote what it holds.
        raise WebhookError(
            f"connection {CONNECTION} cannot be read ({type(error).__name__}); see `airflow connections get`"
        ) from None
    status = send(connection.host or "", connection.password, message)
    _log.info("told the webhook of connection %s (status %d)", CONNECTION, status)


def send(address: str, token: str | None, message: dict[str, str]) -> int:
    """POST a message as JSON and return the answer's status; a redirection, which may lose the message, is no success.

    Raises:
        WebhookError: the address is none, nobody answers, or the answer is no success.
    """
    place = _place(address)
    # It writes each whole address into the task's log.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        answer = httpx.post(address, content=dumps(message), headers=headers, timeout=_PATIENCE)
    except _FAILURES as error:
        raise WebhookError(f"the webhook at {place} did not take the message: {_said(error, address, token)}") from None
    if not answer.is_success:
        raise WebhookError(f"the webhook at {place} did not take the message: it answered {answer.status_code}")
    return answer.status_code


def _place(address: str) -> str:
    """Scheme and host of an address.

    Raises:
        WebhookError: it is not HTTP(S).
    """
    try:
        parts = urlsplit(address)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        parts, port = urlsplit(""), ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise WebhookError(f"connection {CONNECTION}: host must be a whole http:// or https:// address")
    return f"{parts.scheme}://{parts.hostname}{port}"


def _said(error: Exception, address: str, token: str | None) -> str:
    """What went wrong, in the error's own words where they hold nothing of what is secret."""
    text = " ".join(str(error).split())[:200]
    parts = urlsplit(address)
    secrets: list[Any] = [*parts.path.split("/"), parts.query, parts.fragment, parts.username, parts.password, token]
    hidden = not isinstance(error, httpx.NetworkError | httpx.TimeoutException | OSError) or any(
        secret and str(secret) in text for secret in secrets
    )
    return type(error).__name__ + ("" if hidden or not text else f": {text}")
