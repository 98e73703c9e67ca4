"""Secrets are left out of every line that leaves a process: messages, log lines, manifests.

It is applied where lines are made: by the errors (`onward.errors`), by the log's formatter, and by what a run says.
"""

import logging
import re

_LEFT_OUT = "…"
_NAMES = (
    r"password|passwd|pwd|secret|token|api[_-]?key|(?:aws_)?secret_access_key|sig|signature|"
    r"x-amz-(?:signature|credential|security-token)"
)
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # What stands before a host, or all up to the last @ of a word: passwords may hold an @ or a slash of their own.
    (re.compile(r"://[^\s/:@'\"<>]*:[^\s'\"<>]*@"), f"://{_LEFT_OUT}@"),
    (re.compile(r"://[^\s/'\"<>]*@"), f"://{_LEFT_OUT}@"),
    (re.compile(rf"(?i)\b({_NAMES})=[^\s&'\",;)]+"), rf"\1={_LEFT_OUT}"),
    (re.compile(rf"(?i)([\"'](?:{_NAMES})[\"']\s*:\s*[\"'])[^\"']+"), rf"\1{_LEFT_OUT}"),
    (re.compile(r"(?i)\b(authorization\s*[:=]\s*)(?:(?:bearer|basic|token)\s+)?[^\s'\",;]+"), rf"\1{_LEFT_OUT}"),
    # Tokens that say by their beginning what they are: of git hosts, Slack and Amazon.
    (re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|AKIA|ASIA)[A-Za-z0-9_-]{12,}"), _LEFT_OUT),
    (re.compile(r"(https://hooks\.slack\.com/)[^\s'\"<>]+"), rf"\1{_LEFT_OUT}"),
)


def redact(text: str) -> str:
    """Return a text without the passwords, tokens and keys that can be told by their place or their form.

    >>> redact("no run on https://shop:hunter2@git.example.org/shop.git")
    'no run on https://…@git.example.org/shop.git'
    """
    for secret, instead in _SECRETS:
        text = secret.sub(instead, text)
    return text


def holds_secret(address: str) -> bool:
    """Whether an address holds a user, a password or a token; the user of ssh alone is none.

    >>> holds_secret("https://hunter2@host/shop.git"), holds_secret("ssh://git@host/shop.git")
    (True, False)
    """
    bare = re.sub(r"^ssh://[^\s/:@]+@", "ssh://", address)
    return redact(bare) != bare


class RedactedFormatter(logging.Formatter):
    """A formatter of log lines without secrets, those of a traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return redact(super().format(record))
