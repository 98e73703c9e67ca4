"""Watch the lists: what those in use were worth in the last weeks, by the shop's purchases."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from onward.daily.deployed_lists import DeployedLists, deployed_lists
from onward.daily.places import Events, midnight
from onward.data.contract import CONTRACT
from onward.data.sources.parquet_folder import read_whole, rows_before
from onward.deployment.registry import Registry
from onward.errors import DataError, RegistryError
from onward.metrics.intervals import Interval
from onward.monitoring.assessment import FALSE_ALARMS_PER_YEAR
from onward.monitoring.list_signal import ListsSeen, see_lists, with_lists
from onward.monitoring.list_weeks import DAYS, Asking, ListWeek, Purchases, closed_weeks, judge_week
from onward.params import Params

WEEKS = 8
"""How many weeks are looked at: each costs the look a fraction of a second."""
_DAY_0 = date(1970, 1, 1)


@dataclass(frozen=True)
class WatchedLists:
    """What a look found about the lists: what is said of them, and their weeks as rows of lists.parquet."""

    seen: ListsSeen
    weeks: pa.Table

    def added_to(self, verdict: Mapping[str, Any]) -> dict[str, Any]:
        """verdict.json with what is said of the lists."""
        return with_lists(verdict, self.seen)


@dataclass(frozen=True)
class ListWatch:
    """What watching lists needs besides the log.

    Attributes:
        root: of the project.
        params: of the source, the graph's counts and the evaluation.
        registry: where bundles are.
        looks: folder of the assessments.
        logged: day and version of each file of the decision log.
    """

    root: Path
    params: Params
    registry: Registry
    looks: Path
    logged: tuple[tuple[date, int], ...]

    def look(self, version: int, as_of: date, events: Events) -> WatchedLists:
        """Judge the lists of the version, and those that were in use before it, as known at as_of.

        Args:
            version: that is assessed.
            as_of: the first day that is not known.
            events: as `read_events` gives them.

        Raises:
            DataError: the purchases cannot be read.
            RegistryError: the version's bundle is gone.
        """
        until = (as_of - _DAY_0).days
        in_use = versions_by_day(self.logged, version, as_of)
        weeks = closed_weeks(in_use, until)[-WEEKS:]
        days = {day: number for day, number in in_use.items() if weeks and day >= weeks[0]}
        lists = self._lists({version, *days.values()}, version)
        # Of a version that is gone nothing is known, and what a version had learnt it would be flattered by.
        held_out = {
            day: number
            for day, number in days.items()
            if number in lists and _DAY_0 + timedelta(days=day) >= lists[number].learnt_until
        }
        weeks = closed_weeks(held_out, until)
        judged: list[ListWeek] = []
        if weeks:
            purchases, product_ids = self._purchases(events, as_of)
            by_version = {number: lists[number].among(product_ids) for number in sorted(set(held_out.values()))}
            made = {number: (lists[number].learnt_until - _DAY_0).days for number in by_version}
            for start in weeks:
                judged += judge_week(purchases, start, held_out, by_version, made, self._asking, until)
        promised: Mapping[str, Interval] = lists[held_out[weeks[0]]].promised if weeks else {}
        return WatchedLists(see_lists(judged, promised, FALSE_ALARMS_PER_YEAR), _table(judged))

    @property
    def _asking(self) -> Asking:
        evaluation, graph = self.params.evaluation, self.params.graph
        return Asking(
            graph.min_customers, graph.follow_days, evaluation.queries, evaluation.bootstrap_samples,
            self.params.run.seed,
        )  # fmt: skip

    def _lists(self, versions: Iterable[int], needed: int) -> dict[int, DeployedLists]:
        found = {}
        for number in sorted(versions):
            try:
                lists = deployed_lists(self.registry, self.looks, number)
            except RegistryError:
                if number == needed:
                    raise
                continue
            if lists is not None:
                found[number] = lists
        return found

    def _purchases(self, events: Events, as_of: date) -> tuple[Purchases, list[str]]:
        """Purchases before as_of, and the outside ids of their products by number."""
        tables = {name: self._table(events, name, as_of) for name in ("products", "purchases")}
        bought = _sound(tables["purchases"], as_of)
        coded = {name: _coded(bought[name]) for name in ("customer_id", "order_id", "product_id")}
        number, ids = coded["product_id"]
        products = tables["products"].select(["product_id", "category"]).to_pandas()
        category_of = dict(zip(products["product_id"].astype(str), products["category"], strict=True))
        category = pd.Series([category_of.get(identity) for identity in ids], dtype=object)
        known = np.array([identity in category_of for identity in ids], dtype=np.bool_)[number]
        lines = pd.DataFrame(
            {
                "customer": coded["customer_id"][0],
                "order": coded["order_id"][0],
                "product": number,
                "purchased_at": bought["purchased_at"].to_numpy(),
            }
        )
        fresh_days = self.params.graph.fresh_days
        return Purchases.of(lines[known], category, fresh_days), ids

    def _table(self, events: Events, name: str, as_of: date) -> pa.Table:
        """A table of the log: as it was read with the events, or from the shop's folder."""
        table = events.get(name)
        if isinstance(table, pa.Table):
            return table
        contract = next(contract for contract in CONTRACT if contract.name == name)
        table = read_whole(self.root / self.params.sources.parquet.folder, contract)
        missing = [column for column in contract.columns if column not in table.column_names]
        if missing:
            raise DataError(f"schema change: {name} has no column {missing[0]} any more; restore it in the source")
        return rows_before(table, contract.clock, midnight(as_of)) if contract.clock else table


def versions_by_day(logged: Iterable[tuple[date, int]], version: int, as_of: date) -> dict[int, int]:
    """The version in use on each logged day before as_of, by day since 1970-01-01.

    Where several decided on a day, the batch having caught up for one, it is the version that is assessed, else the
    newest before it. What came after it does not count.

    >>> versions_by_day([(date(1970, 1, 2), 3), (date(1970, 1, 2), 4), (date(1970, 1, 3), 5)], 4, date(1970, 1, 9))
    {1: 4}
    """
    by_day: dict[int, int] = {}
    for day, number in sorted(logged):
        if day < as_of and number <= version:
            by_day[(day - _DAY_0).days] = number
    return by_day


def _table(weeks: Iterable[ListWeek]) -> pa.Table:
    """Rows of lists.parquet: one a week and list, `day` the last of the week."""
    rows = []
    for week in weeks:
        plain = asdict(week)
        start, lift, hit_rate = (plain.pop(name) for name in ("start", "lift", "hit_rate"))
        bounds = {
            f"{name}{'' if part == 'value' else f'_{part}'}": interval[part]
            for name, interval in (("lift", lift), ("hit_rate", hit_rate))
            for part in ("value", "low", "high")
        }
        rows.append({"day": _DAY_0 + timedelta(days=start + DAYS - 1), "list": plain.pop("name"), **plain, **bounds})
    return pa.Table.from_pylist(rows, SCHEMA)


SCHEMA = pa.schema(
    [
        ("day", pa.date32()),
        ("list", pa.string()),
        ("version", pa.int32()),
        ("queries", pa.int64()),
        *((name, pa.float64()) for name in ("listed", "listed_when_made", "coverage", "hits", "expected", "error")),
        *((f"lift{part}", pa.float64()) for part in ("", "_low", "_high")),
        *((f"hit_rate{part}", pa.float64()) for part in ("", "_low", "_high")),
    ]
)
"""Of lists.parquet."""


def _sound(purchases: pa.Table, as_of: date) -> pa.Table:
    """The purchases before as_of that ingest would keep."""
    end = pa.scalar(midnight(as_of), purchases.schema.field("purchased_at").type)
    bought = purchases.filter(
        pc.and_(pc.less(purchases["purchased_at"], end), pc.greater(purchases["quantity"].cast(pa.float64()), 0.0))
    )
    return bought.select(["customer_id", "order_id", "product_id", "purchased_at"]).drop_null()


def _coded(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Numbers of a column's values, and the values as text."""
    coded = column.combine_chunks().dictionary_encode()
    return coded.indices.to_numpy().astype(np.int64), [str(value) for value in coded.dictionary.to_pylist()]
