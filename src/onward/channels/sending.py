"""One message to every channel: a broken one is tried again, named, and stops no other."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from onward.channels.message import Channel, ChannelError, Message

TRIES = 3
_PAUSES = (1.0, 3.0)


@dataclass(frozen=True)
class Outcome:
    """What came of a message on one channel: the problem, or None if it was taken."""

    channel: str
    problem: str | None = None


def send_to_all(
    channels: Sequence[Channel], message: Message, sleep: Callable[[float], None] = time.sleep
) -> list[Outcome]:
    """Hand a message to all channels at the same time, and say what came of each, in their order."""
    if not channels:
        return []
    with ThreadPoolExecutor(len(channels)) as threads:
        return list(threads.map(lambda channel: _send(channel, message, sleep), channels))


def _send(channel: Channel, message: Message, sleep: Callable[[float], None]) -> Outcome:
    problem = ""
    for attempt in range(TRIES):
        try:
            channel.send(message)
        except ChannelError as error:
            problem = str(error)
            if error.lasting:
                break
        except Exception as error:  # noqa: BLE001 - whatever breaks in one channel, the others are still told
            # Its text is nobody's promise, and may hold the address.
            problem = f"{channel.name} did not take the message: {type(error).__name__}"
        else:
            return Outcome(channel.name)
        if attempt < TRIES - 1:
            sleep(_PAUSES[attempt])
    return Outcome(channel.name, problem)
