"""A small valid log in the contract's form, for tests to spoil."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from onward.data.contract import RawTable, SourceLog
from onward.data.identifiers import Clocks, encode
from onward.data.session import MEMORY, arrow, session
from onward.data.validation import judge

WINDOW = timedelta(days=5)
START, AS_OF, HORIZON = datetime(2024, 1, 1), datetime(2024, 2, 1), datetime(2024, 2, 15)
CLOCKS = Clocks(datetime(2024, 1, 8), AS_OF, HORIZON - WINDOW, HORIZON)
DAYS = (HORIZON - START).days


def small_log() -> dict[str, pa.Table]:
    """12 customers who shop every third day for 45 days, each visit followed by one impression; a fifth converts."""
    products = [f"p{number}" for number in range(6)]
    purchases, impressions, engagements, conversions = [], [], [], []
    for customer in range(12):
        for day in range(customer % 3, DAYS, 3):
            moment = START + timedelta(days=day, hours=9 + customer % 8)
            source, target = products[(customer + day) % 6], products[(customer + day + 1 + day % 4) % 6]
            purchases.append(
                (f"c{customer:02}", f"o{customer:02}-{day}", source, moment, 1.0 + day % 3, 2.5 * (day % 4))
            )
            shown_at = moment + timedelta(hours=1)
            if shown_at >= CLOCKS.backtest_end:
                continue
            name = f"i{customer:02}-{day}"
            impressions.append(
                (name, f"c{customer:02}", source, target, shown_at, 0.5 * day, "flyer" if day % 2 else None)
            )
            engagements.append((name, "visit", shown_at + timedelta(days=1)))
            engagements.append((name, "category_purchase", shown_at + timedelta(days=2)))
            if (customer + day) % 5 == 0:
                conversions.append((name, shown_at + timedelta(days=3)))
    time = pa.timestamp("us")
    return {
        "products": pa.table(
            {
                "product_id": products,
                "name": [f"product {number}" for number in range(6)],
                "category": [f"food > shelf {number % 2}" for number in range(6)],
                "attr_brand": ["own", None, "other", "own", "own", "other"],
            }
        ),
        "purchases": _table(
            purchases,
            ("customer_id", pa.string()),
            ("order_id", pa.string()),
            ("product_id", pa.string()),
            ("purchased_at", time),
            ("quantity", pa.float64()),
            ("amount", pa.float64()),
        ),
        "impressions": _table(
            impressions,
            ("impression_id", pa.string()),
            ("customer_id", pa.string()),
            ("source_product_id", pa.string()),
            ("target_product_id", pa.string()),
            ("shown_at", time),
            ("context_score", pa.float64()),
            ("context_place", pa.string()),
        ),
        "engagements": _table(
            engagements, ("impression_id", pa.string()), ("kind", pa.string()), ("happened_at", time)
        ),
        "conversions": _table(conversions, ("impression_id", pa.string()), ("converted_at", time)),
    }


def _table(rows: list[tuple], *columns: tuple[str, pa.DataType]) -> pa.Table:
    values = list(zip(*rows, strict=True))
    return pa.table({name: pa.array(values[place], kind) for place, (name, kind) in enumerate(columns)})


def by_name(customer_ids):
    return np.array(["test" if customer < "c04" else "train" for customer in customer_ids])


@dataclass(frozen=True)
class IngestedLog:
    """What the queries of an `EncodedLog` give."""

    serving: dict[str, pa.Table]
    backtest: dict[str, pa.Table]
    context: dict[str, pa.Table]
    purchases: pa.Table
    destinations: Mapping[str, dict[str, int]]


def ingest(
    tables: Mapping[str, RawTable], clocks: Clocks = CLOCKS, spill: Path | None = None, memory: str = MEMORY
) -> IngestedLog:
    with session(1, spill=spill, memory=memory) as connection:
        judge(connection, SourceLog(tables), HORIZON, WINDOW)
        log = encode(connection, clocks, by_name, "test")
        queries = (log.serving, log.backtest, log.context)
        sides = ({name: arrow(connection, query) for name, query in side.items()} for side in queries)
        return IngestedLog(*sides, arrow(connection, "from coded_purchases"), log.destinations)
