"""Complete Journey as known at a clock, read and split by the product's own stage, and the queries after it."""

import argparse
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.console import Console

from benchmarks.harness.form import ROOT
from onward.artifacts import read_table
from onward.evaluation.related_log import RelatedLog, candidates_known, log_of_lines, type_numbers
from onward.evaluation.related_quality import Judgement
from onward.evaluation.related_tuning import RelatedWindows, judgement
from onward.layout import Layout
from onward.metrics.customer_bootstrap import Floats
from onward.params import read_params
from onward.ranking.purchase_log import Ints
from onward.stages import ingest

CLOCKS = ("2017-10-01", "2017-10-15", "2017-11-20")
SAMPLES = 500
"""Resamples of the households."""

STORE = ROOT / "artifacts" / "benchmarks" / "related"
MIN_CUSTOMERS = 20
FRESH_DAYS = 60
QUERY_DAYS, FOLLOW_DAYS = 11, 30
QUERIES = 5_000

_COLUMNS = ["customer", "order", "product", "purchased_at"]


def command_line(description: str | None) -> argparse.ArgumentParser:
    """What every benchmark of related lists may be asked: clocks, threads and resamples."""
    arguments = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--clocks", nargs="+", default=list(CLOCKS), choices=CLOCKS)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--samples", type=int, default=SAMPLES, help="resamples of the households")
    return arguments


@dataclass(frozen=True)
class ClockData:
    """What a model may know at a clock, and what it is judged by. Candidates are numbered 0..C-1.

    Attributes:
        day: the clock; nothing at or after it is in `known`.
        known: purchases before the clock, as the pipeline's serving folder holds them: every product, every customer;
            columns customer, order, product and purchased_at.
        products: [P] the pipeline's table of products.
        candidates: [C] product number of each candidate.
        customers: the pipeline's table of customers known at the clock, with the split of each.
        log: lines of candidates until the last answer; a model may ask for `log.before(windows.clock)` only.
        types: [C] type of each candidate.
        test: customers whose queries judge.
        households: outside id by inside number of a customer, the same at every clock.
    """

    day: date
    known: pd.DataFrame
    products: pd.DataFrame
    candidates: Ints
    customers: pd.DataFrame
    log: RelatedLog
    types: Ints
    test: Ints
    households: npt.NDArray[np.int64]

    @classmethod
    def of(cls, day: str) -> "ClockData":
        """Run the pipeline's ingest at a clock, if that was not done, and read what it wrote."""
        layout = _ingested(day)
        serving, later = (read_table(place / "purchases.parquet") for place in (layout.serving, layout.backtest))
        customers, others = (read_table(place / "customers.parquet") for place in (layout.serving, layout.backtest))
        products = read_table(layout.serving / "products.parquet")
        everyone = pd.concat([customers, others]).drop_duplicates("customer").sort_values("customer")
        households = np.full(int(everyone["customer"].max()) + 1, -1, dtype=np.int64)
        households[everyone["customer"].to_numpy()] = everyone["customer_id"].astype(np.int64).to_numpy()
        bought = (serving["customer"].to_numpy(), serving["product"].to_numpy())
        candidates = candidates_known(*bought, len(products), MIN_CUSTOMERS)
        lines = pd.concat([serving[_COLUMNS], later[_COLUMNS]], ignore_index=True)
        return cls(
            day=date.fromisoformat(day),
            known=serving,
            products=products,
            candidates=candidates,
            customers=customers,
            log=log_of_lines(lines, candidates, len(products), FRESH_DAYS),
            types=type_numbers(products["category"].iloc[candidates]),
            test=everyone.loc[everyone["split"] == "test", "customer"].to_numpy(np.int64),
            households=households,
        )

    @property
    def windows(self) -> RelatedWindows:
        """When test queries are asked."""
        return RelatedWindows((self.day - date(1970, 1, 1)).days, QUERY_DAYS, FOLLOW_DAYS)

    @property
    def selection(self) -> Ints:
        """Customers whose queries pick settings."""
        return self.customers.loc[self.customers["split"] == "selection", "customer"].to_numpy(np.int64)


@dataclass(frozen=True)
class Asked:
    """Queries of one clock with what was known before them, to judge lists of any type and of complements.

    Attributes:
        past: what a baseline may count.
        types: [C] type of each candidate.
        plain: judges lists of any type.
        strict: judges complements: only other types than the source's are relevant.
        household: [q] outside id of who asks.
        products: [C] outside id of each candidate.
    """

    past: RelatedLog
    types: Ints
    plain: Judgement
    strict: Judgement
    household: npt.NDArray[np.int64]

    @classmethod
    def of(cls, data: ClockData, log: RelatedLog, customers: Ints, windows: RelatedWindows, seed: int) -> "Asked":
        """Draw the queries; `log` holds what answers them."""
        plain = judgement(log, customers, windows, QUERIES, 1, seed)
        strict = replace(plain, queries=plain.queries.of_other_types(data.types))
        return cls(log.before(windows.clock), data.types, plain, strict, data.households[plain.queries.customer])

    @classmethod
    def to_judge(cls, data: ClockData, seed: int) -> "Asked":
        """Queries of test customers after the clock."""
        return cls.of(data, data.log, data.test, data.windows, seed)

    @classmethod
    def to_select(cls, data: ClockData, seed: int) -> "Asked":
        """Queries of selection customers, all of whose answers were known at the clock."""
        known = data.log.before(data.windows.clock)
        return cls.of(data, known, data.selection, data.windows.earlier(), seed)

    @property
    def sources(self) -> Ints:
        """[s] distinct sources."""
        return np.unique(self.plain.queries.source)

    def by_query(self, lists: Ints) -> Ints:
        """[q, k] each query's list, of lists [s, k] of the distinct sources."""
        return np.asarray(lists[np.searchsorted(self.sources, self.plain.queries.source)], dtype=np.int64)

    @property
    def chance(self) -> Floats:
        """[C] P(v) of order lines."""
        return self.plain.chance["basket"]


def _ingested(day: str) -> Layout:
    params, layout = read_params(ROOT / "params.yaml"), Layout(STORE / day)
    run = params.run.model_copy(update={"as_of": date.fromisoformat(day), "source": "complete_journey"})
    done = layout.root / "ingest.done"
    if not done.exists():
        told = ingest.run(layout, params.model_copy(update={"run": run}))
        Console(stderr=True).print(f"{day}: {told}", highlight=False)
        done.touch()
    return layout
