"""Replies as bytes: a good one with its request's id, an error in the one form that errors have."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import Request, Response

REQUEST_ID = "onward.request_id"
"""Where the scope of a request holds its id."""
RETRY_SECONDS = "1"


class AnswerError(Exception):
    """An answer that is an error, with its status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def request_id(request: Request) -> str:
    """The id of a request."""
    identity: str = request.scope[REQUEST_ID]
    return identity


def reply(request: Request, answer: Mapping[str, Any], status: int = 200) -> Response:
    """An answer with its request's id."""
    return reply_encoded(request, orjson.dumps(answer), status)


def reply_encoded(request: Request, answer: bytes, status: int = 200) -> Response:
    """A JSON object that is encoded already, with its request's id put in front."""
    rest = b"}" if answer == b"{}" else b"," + answer[1:]
    body = b'{"request_id":"' + request_id(request).encode() + b'"' + rest
    return Response(body, status, media_type="application/json")


def error_reply(
    request: Request, status: int, code: str, message: str, problems: Sequence[Mapping[str, str]] = ()
) -> Response:
    """An error; one that passes says when to ask again."""
    headers = {"Retry-After": RETRY_SECONDS} if status in {429, 503} else None
    body = error_body(code, message, request_id(request), problems)
    return Response(body, status, headers, media_type="application/json")


def error_body(code: str, message: str, identity: str, problems: Sequence[Mapping[str, str]] = ()) -> bytes:
    """The one form of errors; see schemas.Error."""
    return orjson.dumps(
        {
            "code": code,
            "message": printable(message),
            "request_id": identity,
            "problems": [{name: printable(text) for name, text in problem.items()} for problem in problems],
        }
    )


def printable(text: str) -> str:
    """Text that can be encoded: a lone surrogate, which JSON can name and UTF-8 cannot hold, becomes "?"."""
    return text.encode("utf-8", "replace").decode()
