"""What people are told, whichever channel takes it, and what each channel promises."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from onward.errors import OnwardError

Severity = Literal["critical", "warning", "info"]
State = Literal["triggered", "acknowledged", "resolved"]
KEY = r"[a-z0-9][a-z0-9_.-]{0,119}"
"""What a dedup key looks like; it names files, too."""


@dataclass(frozen=True)
class Message:
    """One thing that people are told of an alert.

    Attributes:
        key: the dedup key: the same as long as it is the same trouble.
        state: of the alert.
        severity: of the alert.
        summary: one line.
        text: all that a person without a screen needs to know.
        source: which installation speaks, such as a machine's name.
        at: when the alert came into this state, with time zone.
        link: where to read on: an address, or a place in the project.
        details: more of it for programs, such as rule and action.
    """

    key: str
    state: State
    severity: Severity
    summary: str
    text: str
    source: str
    at: datetime
    link: str = ""
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """One line that says how bad it is, and whether it is over.

        >>> Message("drift-v4", "resolved", "warning", "Positivity moved", "", "shop", datetime.min).title
        '[resolved] Positivity moved'
        """
        return f"[{self.severity if self.state == 'triggered' else self.state}] {self.summary}"

    @property
    def whole(self) -> str:
        """Title, text and, unless the text says it, where to read on, each on lines of their own."""
        read_on = f"Read on: {self.link}" if self.link and self.link not in self.text else ""
        return "\n".join(part for part in (self.title, self.text, read_on) if part)


class ChannelError(OnwardError):
    """A channel did not take a message; `lasting` if it will not take it a moment later either."""

    def __init__(self, said: str, *, lasting: bool = False) -> None:
        super().__init__(said)
        self.lasting = lasting


class Channel(Protocol):
    """A way by which people are told."""

    @property
    def name(self) -> str:
        """One word, by which it is known in the record of who was told."""

    def send(self, message: Message) -> None:
        """Hand a message over; it has been taken when this returns.

        Raises:
            ChannelError: it has not; the message shows nothing that is secret.
        """
