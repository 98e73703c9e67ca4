"""A channel of Slack, by an incoming webhook; https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks."""

from dataclasses import dataclass, field

from onward.channels.http_post import post_json
from onward.channels.message import Message

_MOST = 3000


@dataclass(frozen=True)
class Slack:
    """The whole address of an incoming webhook."""

    address: str = field(repr=False)
    name: str = "slack"

    def send(self, message: Message) -> None:
        """POST the message as text; what it says is never read as Slack's markup for links and mentions.

        Raises:
            ChannelError: it was not taken.
        """
        title, _, rest = message.whole.partition("\n")
        body = {"text": f"*{_plain(title)}*\n{_plain(rest)}"[:_MOST] + f"\n`{message.key}`"}
        post_json(self.name, self.address, body, {}, [])


def _plain(text: str) -> str:
    """Slack's three control characters, escaped.

    >>> _plain("<!channel> & co")
    '&lt;!channel&gt; &amp; co'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
