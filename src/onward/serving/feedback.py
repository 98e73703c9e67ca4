"""What became of decisions: shown, clicked, bought, one line of JSON each, in the terms of the data contract.

    shown    impressions(impression_id, customer_id, source_product_id, target_product_id, shown_at)
    clicked  engagements(impression_id, kind, happened_at)
    bought   conversions(impression_id, converted_at)

A line names its table and holds its row. `onward feedback` makes Parquet parts of them that the source `parquet` reads.
"""

from datetime import datetime, timedelta

import orjson

from onward.data.shop_clock import ShopClock
from onward.errors import DataError
from onward.serving.decision_log import impression_id
from onward.serving.schemas import FeedbackEvent

NOBODY = "unknown"
"""The customer of an event that names none."""


def moment_of(event: FeedbackEvent, now: datetime, clock: ShopClock) -> datetime:
    """When an event happened, naive local time.

    Raises:
        DataError: before 1970, or later than a day from now.
    """
    try:
        at = now if event.at is None else event.at
        moment = clock.local(at)
    except (OverflowError, ValueError, OSError) as error:
        raise DataError(f"feedback: at {event.at} is no time of a shop; give the time of the event") from error
    if not datetime(1970, 1, 1) <= moment <= now + timedelta(days=1):
        raise DataError(f"feedback: at {event.at} is not between 1970 and tomorrow; mend the sender's clock")
    return moment


def encoded_event(event: FeedbackEvent, at: datetime) -> bytes:
    """The line of an event that happened at a naive local time."""
    moment = at.isoformat(timespec="microseconds")
    impression = impression_id(event.request_id, event.source, event.target)
    match event.kind:
        case "shown":
            row = {
                "table": "impressions",
                "impression_id": impression,
                "customer_id": event.customer_id or f"{NOBODY} {event.request_id}",
                "source_product_id": event.source,
                "target_product_id": event.target,
                "shown_at": moment,
            }
        case "clicked":
            row = {"table": "engagements", "impression_id": impression, "kind": "clicked", "happened_at": moment}
        case "bought":
            row = {"table": "conversions", "impression_id": impression, "converted_at": moment}
    return orjson.dumps(row)
