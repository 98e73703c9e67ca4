"""Whom to tell, from the environment; apart from `onward.settings`, since most of it is secret and no stage needs it.

A variable that is empty or blank counts as not set. In Airflow, connections come before these (docs/how-to/alerts.md).

| variable                   | value                                                                                |
|----------------------------|--------------------------------------------------------------------------------------|
| `ONWARD_WEBHOOK`           | whole address of anything that takes JSON                                            |
| `ONWARD_WEBHOOK_TOKEN`     | bearer token, if it asks for one                                                     |
| `ONWARD_SLACK`             | whole address of an incoming webhook of Slack                                        |
| `ONWARD_PAGERDUTY`         | routing key of an integration of type Events API v2                                  |
| `ONWARD_PAGERDUTY_ADDRESS` | where such events are taken, if not at PagerDuty                                     |
| `ONWARD_SMTP`              | mail server, `smtp://host:587` or `smtps://host:465`                                 |
| `ONWARD_SMTP_USER`         | to log in as                                                                         |
| `ONWARD_SMTP_PASSWORD`     | of the user                                                                          |
| `ONWARD_MAIL_FROM`         | address that letters come from                                                       |
| `ONWARD_MAIL_TO`           | addresses that they go to, with commas between                                       |
| `ONWARD_PAGES_URL`         | address at which the folder `reports` is served, for links in what people are told   |
| `ONWARD_SITE`              | what this installation is called in what people are told; the machine's name         |
"""

import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from onward.channels.mail import Mail
from onward.channels.message import Channel
from onward.channels.pagerduty import ADDRESS, PagerDuty
from onward.channels.slack import Slack
from onward.channels.webhook import Webhook
from onward.errors import place_and_reason

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_PREFIX = "ONWARD_"
_SCHEMES = {"smtp": ("smtp", "smtps")}
_ADDRESS = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+")
_Given = dict[str, Any]
# Without one of its variables a channel might send to the wrong place, so it is left out whole.
_OF_ONE_CHANNEL = (
    ("webhook", "webhook_token"),
    ("pagerduty", "pagerduty_address"),
    ("smtp", "smtp_user", "smtp_password", "mail_from", "mail_to"),
)


class ChannelSettings(BaseSettings):
    """Whom to tell, each field a variable of the table above."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True)

    webhook: SecretStr | None = None
    webhook_token: SecretStr | None = None
    slack: SecretStr | None = None
    pagerduty: SecretStr | None = None
    pagerduty_address: str = ADDRESS
    smtp: str | None = None
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    mail_from: str | None = None
    mail_to: str | None = None
    pages_url: str | None = None
    site: str = Field(default_factory=socket.gethostname)

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, given: _Given) -> _Given:
        return {name: value for name, value in given.items() if not (isinstance(value, str) and not value.strip())}

    @field_validator("webhook", "slack", "pagerduty_address", "smtp", "pages_url")
    @classmethod
    def _an_address(cls, value: SecretStr | str | None, info: ValidationInfo) -> SecretStr | str | None:
        if value is None:
            return None
        schemes = _SCHEMES.get(str(info.field_name), ("http", "https"))
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in schemes or not parts.hostname or not text.isprintable() or " " in text:
            raise ValueError(f"must be a whole address, {' or '.join(f'{scheme}://…' for scheme in schemes)}")
        if parts.username is not None or parts.password is not None:
            raise ValueError("holds a user or a password; take it out and give it as a variable of its own")
        return value

    @field_validator("webhook_token", "pagerduty", "smtp_password")
    @classmethod
    def _one_line(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().isprintable():
            raise ValueError("must be one line of printable characters")
        return value

    @field_validator("mail_from", "mail_to")
    @classmethod
    def _of_people(cls, value: str | None) -> str | None:
        if value is not None and not all(_ADDRESS.fullmatch(each.strip()) for each in value.split(",")):
            raise ValueError("must be addresses such as oncall@example.org, with commas between")
        return value

    @model_validator(mode="after")
    def _a_whole_letter(self) -> "ChannelSettings":
        mail = {"smtp": self.smtp, "mail_from": self.mail_from, "mail_to": self.mail_to}
        missing = [f"{_PREFIX}{name.upper()}" for name, value in mail.items() if value is None]
        if missing and len(missing) < len(mail):
            raise ValueError(f"e-mail needs {' and '.join(missing)} too")
        return self

    def channels(self) -> list[Channel]:
        """Every channel that is set up."""
        found: list[Channel] = []
        if self.webhook is not None:
            found.append(Webhook(self.webhook.get_secret_value(), _open(self.webhook_token)))
        if self.slack is not None:
            found.append(Slack(self.slack.get_secret_value()))
        if self.pagerduty is not None:
            found.append(PagerDuty(self.pagerduty.get_secret_value(), self.pagerduty_address))
        if self.smtp is not None and self.mail_from is not None and self.mail_to is not None:
            to = tuple(address.strip() for address in self.mail_to.split(","))
            found.append(Mail(self.smtp, self.mail_from, to, self.smtp_user, _open(self.smtp_password)))
        return found

    def runbook(self, name: str) -> str:
        """Where a heading of the runbook is read: on the page for on-call where that is served, else in the project."""
        if self.pages_url is None:
            return f"monitoring/runbook.md#{name}"
        return f"{self.pages_url}/oncall.html#runbook-{name}"


def read_channel_settings() -> tuple[ChannelSettings, list[str]]:
    """What the environment says, without the channels of which it says what cannot be, and a line for each of those."""
    try:
        return ChannelSettings(), []
    except ValidationError as error:
        wrong = {str(problem["loc"][0]) if problem["loc"] else "smtp" for problem in error.errors()}
        told = [_said(problem) for problem in error.errors(include_url=False, include_input=False)]
    left_out = {field for fields in _OF_ONE_CHANNEL for field in fields if wrong & set(fields)} | wrong
    # What is given here comes before the environment, and a blank is none.
    blanks: dict[str, Any] = dict.fromkeys(left_out, "")
    return ChannelSettings(**blanks), told


def _said(problem: "ErrorDetails") -> str:
    """One line that does not show what the variable holds."""
    place, reason = place_and_reason(problem["loc"], problem["msg"])
    name = f"{_PREFIX}{place.upper()}: " if place else ""
    return f"{name}{reason}; see docs/how-to/alerts.md"


def _open(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
