"""Any receiver of JSON: a chat, a ticket system, a program of the shop's own."""

from dataclasses import dataclass, field

from onward.channels.http_post import post_json
from onward.channels.message import Message


@dataclass(frozen=True)
class Webhook:
    """An address that takes JSON, and a bearer token if it asks for one."""

    address: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    name: str = "webhook"

    def send(self, message: Message) -> None:
        """POST `text` for people, and the parts of the message for programs.

        Raises:
            ChannelError: it was not taken.
        """
        body = {
            **message.details,
            "text": message.whole,
            "dedup_key": message.key,
            "state": message.state,
            "severity": message.severity,
            "summary": message.summary,
            "source": message.source,
            "at": message.at.isoformat(timespec="seconds"),
            "link": message.link,
        }
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        post_json(self.name, self.address, body, headers, [self.token or ""])
