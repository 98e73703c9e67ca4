"""One POST of JSON; whatever goes wrong is one error that shows no secret.

The address of a webhook lets whoever knows it speak: of it an error names scheme and host, and never the rest.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import httpx

from onward.channels.message import ChannelError

_PATIENCE = 10.0
_TOO_MANY, _TIMED_OUT = 429, 408
_FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, HTTPException, OSError, ValueError)


def post_json(
    name: str, address: str, body: Mapping[str, Any], headers: Mapping[str, str], secrets: Sequence[str]
) -> None:
    """Hand a body over as JSON; a redirection, which may lose it, is no success.

    Args:
        name: of the channel, for errors.
        address: whole, of HTTP(S).
        body: to be sent.
        headers: to be sent besides.
        secrets: what no error may show, besides all of the address behind its host.

    Raises:
        ChannelError: nobody answers, or the answer is no success.
    """
    parts = urlsplit(address)
    port = "" if parts.port is None else f":{parts.port}"
    refused = f"{name} at {parts.scheme}://{parts.hostname}{port} did not take the message"
    # It writes each whole address into the log.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    headers = {"Content-Type": "application/json", **headers}
    try:
        answer = httpx.post(address, content=json.dumps(body), headers=headers, timeout=_PATIENCE)
    except _FAILURES as error:
        hidden = [*parts.path.split("/"), parts.query, parts.fragment, *secrets]
        raise ChannelError(f"{refused}: {_said(error, hidden)}") from None
    if not answer.is_success:
        lasting = answer.status_code < 500 and answer.status_code not in {_TOO_MANY, _TIMED_OUT}
        raise ChannelError(f"{refused}: it answered {answer.status_code}", lasting=lasting)


def _said(error: Exception, hidden: Sequence[str]) -> str:
    """What went wrong, in the error's own words where they hold nothing of what is secret."""
    text = " ".join(str(error).split())[:200]
    speaks = isinstance(error, httpx.NetworkError | httpx.TimeoutException | OSError)
    secret = any(part and part in text for part in hidden)
    return type(error).__name__ + (f": {text}" if text and speaks and not secret else "")
