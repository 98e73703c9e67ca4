"""Files of a shop's events in the form of RetailRocket's: a planted shop whose visitors go from product to product.

Products of one category are looked at together; each product has a successor of the next category, which visitors of
it come to and buy some days later.
"""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

FIRST = datetime(2015, 5, 3)
CATEGORIES = 4


def milliseconds(moment: datetime) -> int:
    """Since 1970 in UTC."""
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


@dataclass(frozen=True)
class Event:
    at: datetime
    visitor: int
    kind: str
    item: int
    transaction: int | None = None


def write_events(folder: Path, events, properties=(), tree=()) -> Path:
    """Write what is given: events, (moment, item, property, value) in two parts, (category, parent)."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(milliseconds(each.at), each.visitor, each.kind, each.item, each.transaction) for each in events]
    _write(folder / "events.csv", ("timestamp", "visitorid", "event", "itemid", "transactionid"), rows)
    told = [(milliseconds(at), item, name, value) for at, item, name, value in properties]
    for part in (1, 2) if told else ():
        columns = ("timestamp", "itemid", "property", "value")
        _write(folder / f"item_properties_part{part}.csv", columns, told[part - 1 :: 2])
    if tree:
        _write(folder / "category_tree.csv", ("categoryid", "parentid"), tree)
    return folder


def planted_shop(folder: Path, visitors: int, days: int, items: int = 40, seed: int = 7) -> Path:
    """Write the files of a shop in which item i leads to item i + 1 of the next category, bought days later."""
    draw = np.random.default_rng(seed)
    weight = 1.0 / np.arange(1, items + 1) ** 0.7
    events, order = [], 0
    for visitor in range(visitors):
        taste = int(draw.choice(items, p=weight / weight.sum()))
        for _ in range(1 + draw.poisson(2.0)):
            at = FIRST + timedelta(minutes=int(draw.integers(0, days * 1440)))
            item = taste if draw.random() < 0.6 else int(draw.choice(items, p=weight / weight.sum()))
            for _ in range(1 + draw.poisson(2.5)):
                events.append(Event(at, visitor, "view", item))
                if draw.random() < 0.12:
                    events.append(Event(at + timedelta(minutes=1), visitor, "addtocart", item))
                    if draw.random() < 0.7:
                        order += 1
                        bought = at + timedelta(minutes=2 + int(draw.exponential(3 * 1440)))
                        basket = {item, (item + 1) % items} if draw.random() < 0.4 else {item}
                        events += [Event(bought, visitor, "transaction", each, order) for each in basket]
                at += timedelta(minutes=1 + int(draw.exponential(6)))
                item = (item + 1) % items if draw.random() < 0.5 else int(draw.choice(items, p=weight / weight.sum()))
    end = FIRST + timedelta(days=days)
    events = sorted((each for each in events if each.at < end), key=lambda each: (each.at, each.visitor, each.item))
    properties = [
        row
        for item in range(items)
        for row in (
            (FIRST, item, "categoryid", str(100 + item % CATEGORIES)),
            (FIRST, item, "790", f"n{5 + item}.500"),
            (FIRST, item, "available", "1"),
            (FIRST + timedelta(days=days // 2), item, "790", f"n{6 + item}.000"),
        )
    ]
    return write_events(folder, events, properties, [*((100 + each, 10) for each in range(CATEGORIES)), (10, "")])


def _write(path: Path, columns, rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(["" if value is None else value for value in row] for row in rows)
