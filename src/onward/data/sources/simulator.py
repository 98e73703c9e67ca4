"""A simulated shop whose truth is known: for tests, benchmarks and demonstrations without data.

It has what Onward claims to handle: complements with a true direction and power-law degrees, tastes, covariates and
conversion rates that drift, engagement that comes early and tells much, conversions that take up to the attribution
window, and a bias of scores that depends on evidence (see `draw_outcomes`). A conversion is a purchase the
recommendation caused, so it is in the purchases too; a purchase of the target that would have come anyway is not a
conversion, which keeps the probability of conversion known exactly.

The truth tables never enter the pipeline; only tests and benchmarks read them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from onward.data.contract import CATEGORY_SEPARATOR, RawLog
from onward.data.sources.simulator_events import (
    DAY,
    KINDS,
    SLOTS,
    Lines,
    Outcomes,
    Shown,
    draw_impressions,
    draw_orders,
    draw_outcomes,
)
from onward.data.sources.simulator_world import World, build_world
from onward.random_streams import SimulatorStream


@dataclass(frozen=True)
class SimulatedLog:
    """A log in the contract's form and what really lies behind it.

    Attributes:
        log: what a pipeline may see.
        truth: edges (source_product_id, target_product_id, strength), products (product_id, popularity, sales),
            impressions (impression_id, probability, converted, delay_days, null unless converted) and
            delay (impression_id, stage, stage_probability, quick_probability). Outcomes that come after the log's
            end are in the truth only.
    """

    log: RawLog
    truth: Mapping[str, pa.Table]


def simulate(
    products: int,
    customers: int,
    days: int,
    impressions_per_day: int,
    seed: int,
    end: datetime,
    attribution_days: int = 28,
) -> SimulatedLog:
    """Simulate the `days` days before `end`; the same arguments give the same log.

    Args:
        products: number of products.
        customers: number of customers.
        days: length of the log.
        impressions_per_day: recommendations a day; a little fewer where slates are short or end first.
        seed: another seed is another shop.
        end: first moment after the log, naive.
        attribution_days: W; every conversion comes within it.
    """
    world = build_world(products, customers, days, seed)
    lines = draw_orders(world, days, seed)
    shown = _until(days * DAY, draw_impressions(world, lines, days, impressions_per_day, seed))
    sales = np.bincount(lines.product, minlength=products)
    outcomes = draw_outcomes(world, shown, sales, days, attribution_days, seed)
    seen = np.flatnonzero(outcomes.converted & (shown.second + outcomes.delay < days * DAY))
    converted_at = shown.second[seen] + outcomes.delay[seen]
    caused = Lines(
        np.r_[lines.customer, shown.customer[seen]],
        np.r_[lines.order, int(lines.order.max(initial=-1)) + 1 + np.arange(len(seen))],
        np.r_[lines.product, shown.target[seen]],
        np.r_[lines.second, converted_at],
    )
    clock = _Clock(np.datetime64(end, "s") - np.timedelta64(days * DAY, "s"))
    impression_ids = _ids("I", np.arange(len(shown.second)), 9)
    tables = {
        "products": _products_table(world, seed),
        "purchases": _purchases_table(world, caused, clock, seed),
        "impressions": _impressions_table(shown, impression_ids, clock),
        "engagements": _engagements_table(shown, outcomes, impression_ids, clock, days * DAY),
        "conversions": pa.table(
            {"impression_id": impression_ids.take(pa.array(seen)), "converted_at": clock.times(converted_at)}
        ),
    }
    notes = {"customers": customers, "days": days, "seed": seed, "true_edges": len(world.edges.source)}
    return SimulatedLog(RawLog(tables, notes), _truth(world, sales, outcomes, impression_ids))


@dataclass(frozen=True)
class _Clock:
    start: np.datetime64

    def times(self, second: np.ndarray) -> pa.Array:
        return pa.array((self.start + second.astype("timedelta64[s]")).astype("datetime64[us]"))


def _ids(prefix: str, numbers: np.ndarray, width: int) -> pa.Array:
    """Texts such as P000017, whose order is that of the numbers."""
    digits = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


def _until(end: int, shown: Shown) -> Shown:
    kept = shown.second < end
    return Shown(**{name: column[kept] for name, column in vars(shown).items()})


def _product_ids(numbers: np.ndarray) -> pa.Array:
    return _ids("P", numbers, 8)


def _products_table(world: World, seed: int) -> pa.Table:
    rng = np.random.default_rng([seed, SimulatorStream.PRODUCTS])
    products = len(world.category)
    order = np.argsort(world.category, kind="stable")
    item = np.empty(products, np.int64)
    item[order] = 1 + np.arange(products) - np.searchsorted(world.category[order], world.category[order])
    department = _ids("Department ", world.department + 1, 0)
    category = _ids("Category ", np.arange(len(world.department)) + 1, 0)
    path = pc.binary_join_element_wise(department, category, CATEGORY_SEPARATOR)
    of_product = pa.array(world.category)
    return pa.table(
        {
            "product_id": _product_ids(np.arange(products)),
            "name": pc.binary_join_element_wise(category.take(of_product), _ids("item ", item, 0), " "),
            "category": path.take(of_product),
            "attr_brand": _ids("Brand ", rng.geometric(0.15, products), 0),
            "attr_list_price": world.price,
        }
    )


def _purchases_table(world: World, lines: Lines, clock: _Clock, seed: int) -> pa.Table:
    rng = np.random.default_rng([seed, SimulatorStream.PURCHASES])
    order = np.lexsort((lines.product, lines.order, lines.customer, lines.second))
    product = lines.product[order]
    # Numbers by time: an id must not tell a caused purchase from another.
    _, first, number = np.unique(lines.order[order], return_index=True, return_inverse=True)
    quantity = 1.0 + rng.poisson(0.2, len(order))
    discount = rng.choice([1.0, 0.9, 0.8], len(order), p=[0.8, 0.1, 0.1])
    return pa.table(
        {
            "customer_id": _ids("C", lines.customer[order], 8),
            "order_id": _ids("O", np.argsort(np.argsort(first))[number], 9),
            "product_id": _product_ids(product),
            "purchased_at": clock.times(lines.second[order]),
            "quantity": quantity,
            "amount": np.round(world.price[product] * quantity * discount, 2),
        }
    )


def _impressions_table(shown: Shown, impression_ids: pa.Array, clock: _Clock) -> pa.Table:
    return pa.table(
        {
            "impression_id": impression_ids,
            "customer_id": _ids("C", shown.customer, 8),
            "source_product_id": _product_ids(shown.source),
            "target_product_id": _product_ids(shown.target),
            "shown_at": clock.times(shown.second),
            "context_rank": shown.rank,
            "context_slot": pa.array(SLOTS).take(pa.array(shown.slot)),
        }
    )


def _engagements_table(shown: Shown, outcomes: Outcomes, impression_ids: pa.Array, clock: _Clock, end: int) -> pa.Table:
    happened = shown.second[:, None] + outcomes.engaged_after
    reached = outcomes.stage[:, None] > np.arange(len(KINDS))
    row, kind = np.nonzero(reached & (happened < end))
    return pa.table(
        {
            "impression_id": impression_ids.take(pa.array(row)),
            "kind": pa.array(KINDS).take(pa.array(kind)),
            "happened_at": clock.times(happened[row, kind]),
        }
    )


def _truth(world: World, sales: np.ndarray, outcomes: Outcomes, impression_ids: pa.Array) -> dict[str, pa.Table]:
    return {
        "edges": pa.table(
            {
                "source_product_id": _product_ids(world.edges.source),
                "target_product_id": _product_ids(world.edges.target),
                "strength": world.edges.strength,
            }
        ),
        "products": pa.table(
            {"product_id": _product_ids(np.arange(len(sales))), "popularity": world.popularity, "sales": sales}
        ),
        "impressions": pa.table(
            {
                "impression_id": impression_ids,
                "probability": outcomes.probability,
                "converted": outcomes.converted,
                "delay_days": pa.array(outcomes.delay / DAY, mask=~outcomes.converted),
            }
        ),
        "delay": pa.table(
            {
                "impression_id": impression_ids,
                "stage": outcomes.stage,
                "stage_probability": outcomes.stage_probability,
                "quick_probability": outcomes.quick_probability,
            }
        ),
    }
