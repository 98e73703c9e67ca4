"""A service of PagerDuty, or one that takes the same events; https://developer.pagerduty.com/docs/send-alert-event."""

from dataclasses import dataclass, field

from onward.channels.http_post import post_json
from onward.channels.message import Message

ADDRESS = "https://events.pagerduty.com/v2/enqueue"
_ACTIONS = {"triggered": "trigger", "acknowledged": "acknowledge", "resolved": "resolve"}
_MOST = 1024


@dataclass(frozen=True)
class PagerDuty:
    """The routing key of an integration of type Events API v2, and where events are taken."""

    routing_key: str = field(repr=False)
    address: str = ADDRESS
    name: str = "pagerduty"

    def send(self, message: Message) -> None:
        """POST an event: the same dedup key is the same incident, opened, acknowledged and closed.

        Raises:
            ChannelError: it was not taken.
        """
        absolute = message.link.startswith(("http://", "https://"))
        body = {
            "routing_key": self.routing_key,
            "event_action": _ACTIONS[message.state],
            "dedup_key": message.key,
            "client": "Onward",
            "payload": {
                "summary": message.summary[:_MOST],
                "source": message.source,
                "severity": message.severity,
                "timestamp": message.at.isoformat(timespec="milliseconds"),
                "component": "onward",
                "custom_details": {**message.details, "text": message.text},
            },
            "links": [{"href": message.link, "text": "Read on"}] if absolute else [],
        }
        post_json(self.name, self.address, body, {}, [self.routing_key])
