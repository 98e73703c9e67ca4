"""Features of an impression: what the shop knew when it was shown.

Every feature rests on purchases strictly before `shown_at`, on static product metadata and on the impression's own
context. One builder serves training, backtest and serving, so that they cannot disagree; `EventIndex` explains why
no later event can leak in. Counts are of order lines, `_28d` is the stretch of 28 days that ends when the
impression is shown, and a quantity that has no value yet (never bought, never sold) is NaN.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from onward.data.contract import CATEGORY_SEPARATOR, CONTEXT_PREFIX
from onward.data.event_index import DAY_SECONDS, EventIndex, ascending, to_seconds
from onward.data.purchase_history import HeldPurchases, Portion, PurchaseHistory
from onward.errors import DataError

CATEGORICAL_PREFIX = "cat_"
MAX_CATEGORIES = 250
OTHER = "(other)"
# Logs begin one day for everybody: a longer tenure would only tell how far that day is.
_MAX_TENURE_DAYS = 120
_PRODUCT_COLUMNS = ("target_sales_7d", "target_sales_28d", "source_sales_28d", "target_price_90d", "source_price_90d")

_Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class FeatureTable:
    """Features by impression.

    Attributes:
        frame: column `impression`, then float32 features in a fixed order; rows as in the impressions given.
        categories: for each `cat_*` feature its values; the code is the position.
    """

    frame: pd.DataFrame
    categories: dict[str, list[str]]


@dataclass(frozen=True)
class _Impressions:
    customer: np.ndarray
    source: np.ndarray
    target: np.ndarray
    second: np.ndarray

    def of(self, rows: np.ndarray) -> "_Impressions":
        return _Impressions(self.customer[rows], self.source[rows], self.target[rows], self.second[rows])


@dataclass(frozen=True)
class _Categories:
    """The category path and its first step for every product, as texts and as codes from 0."""

    leaf: pd.Series
    top: pd.Series
    leaf_code: np.ndarray
    top_code: np.ndarray


def build_features(
    products: pd.DataFrame,
    purchases: pd.DataFrame | PurchaseHistory,
    impressions: pd.DataFrame,
    context: pd.DataFrame,
    categories: Mapping[str, list[str]] | None = None,
) -> FeatureTable:
    """Describe every impression by what was known strictly before it was shown.

    Args:
        products: product (0..P-1), category (path joined by " > ").
        purchases: customer, order, product, purchased_at, quantity, amount, or where to ask for them; any order, later
            rows do no harm.
        impressions: impression, customer, source, target, shown_at; ids are inside ids.
        context: `context_*` columns, numbers or texts, one row per impression in the same order; may have none.
        categories: codes to apply, as fitted on serving data; None fits them on these impressions.

    Raises:
        DataError: context does not match the impressions, or a number at fitting time is now text.
    """
    if len(context) != len(impressions):
        raise DataError(
            f"context: {len(context)} rows for {len(impressions)} impressions; pass one row per impression, in order"
        )
    shown = _Impressions(
        impressions["customer"].to_numpy(np.int64),
        impressions["source"].to_numpy(np.int64),
        impressions["target"].to_numpy(np.int64),
        to_seconds(impressions["shown_at"]),
    )
    history = HeldPurchases(purchases) if isinstance(purchases, pd.DataFrame) else purchases
    paths = _category_paths(products)
    of_customers = _of_customers(shown, history, paths.leaf_code)
    columns = {
        **{name: values for name, values in of_customers.items() if name.startswith("customer_")},
        **_of_products(shown, history),
        **of_customers,
        "same_category": (paths.leaf_code[shown.source] == paths.leaf_code[shown.target]),
        "same_department": (paths.top_code[shown.source] == paths.top_code[shown.target]),
        "weekday": (shown.second // DAY_SECONDS + 3) % 7,  # 1970-01-01 was a Thursday; 0 is Monday
        "hour": shown.second % DAY_SECONDS // 3600,
    }
    texts = {
        "cat_source_category": paths.leaf.take(shown.source),
        "cat_target_category": paths.leaf.take(shown.target),
        "cat_source_department": paths.top.take(shown.source),
        "cat_target_department": paths.top.take(shown.target),
    }
    for name in (name for name in context.columns if name.startswith(CONTEXT_PREFIX)):
        coded = f"{CATEGORICAL_PREFIX}{name}"
        is_number = pd.api.types.is_numeric_dtype(context[name])
        if coded in categories if categories is not None else not is_number:
            texts[coded] = context[name]
        elif is_number or context[name].isna().all():
            columns[name] = pd.to_numeric(context[name]).to_numpy(np.float32, na_value=np.nan)
        else:
            raise DataError(f"impressions.{name}: text, but a number when the codes were fitted; make it one kind")
    fitted: dict[str, list[str]] = {}
    for name, values in texts.items():
        columns[name], fitted[name] = encode_categories(values, categories[name] if categories is not None else None)
    frame = pd.DataFrame(
        {"impression": impressions["impression"].to_numpy()}
        | {name: values.astype(np.float32) for name, values in columns.items()}
    )
    return FeatureTable(frame, fitted)


def encode_categories(values: pd.Series, categories: list[str] | None = None) -> tuple[np.ndarray, list[str]]:
    """Code texts by position in a list of at most `MAX_CATEGORIES` values, since boosted trees like few.

    Fitting lists the values by how often they occur, then by name. If there are too many, the rare ones share the
    last code, `OTHER`. A missing value is NaN; an unseen one is `OTHER` if the list has it and NaN if not.

    Args:
        values: texts, [n].
        categories: the list to apply; None fits it.

    Returns:
        Codes, float32 [n], and the list.

    >>> encode_categories(pd.Series(["b", "a", "b", None]))
    (array([ 0.,  1.,  0., nan], dtype=float32), ['b', 'a'])
    """
    codes, distinct = pd.factorize(values)
    names = [str(value) for value in distinct]
    if categories is None:
        counts = np.bincount(codes[codes >= 0], minlength=len(names)).tolist()
        categories = [name for _, name in sorted(zip([-count for count in counts], names, strict=True))]
        if len(categories) > MAX_CATEGORIES:
            categories = [*categories[: MAX_CATEGORIES - 1], OTHER]
    place = {name: code for code, name in enumerate(categories)}
    unseen = place.get(OTHER, np.nan)
    # factorize says -1 for a missing value, which picks the NaN at the end.
    table = np.array([place.get(name, unseen) for name in names] + [np.nan], np.float32)
    return table[codes], list(categories)


def _category_paths(products: pd.DataFrame) -> _Categories:
    leaf = products.set_index("product")["category"].sort_index().reset_index(drop=True)
    codes, paths = pd.factorize(leaf)
    firsts = pd.Series([str(path).split(CATEGORY_SEPARATOR)[0] for path in paths] + [None], dtype="str")
    top = firsts.take(codes).reset_index(drop=True)
    # A product without a category belongs to a nameless one, code 0.
    return _Categories(leaf, top, codes + 1, pd.factorize(top)[0] + 1)


def _of_customers(shown: _Impressions, history: PurchaseHistory, category: np.ndarray) -> _Columns:
    """What the customers' own purchases say."""
    columns: _Columns = {}
    for portion in history.portions("customer", shown.customer):
        rows = _within(portion, shown.customer)
        asked, bought = shown.of(rows), portion.bought
        answers = {
            **_customer(asked, bought),
            **_customer_and_product(asked, bought),
            **_customer_and_category(asked, bought, category),
        }
        _put(columns, answers, rows, len(shown.second))
    return columns


def _within(portion: Portion, entity: np.ndarray) -> np.ndarray:
    return np.flatnonzero((entity >= portion.low) & (entity < portion.high))


def _put(columns: _Columns, answers: _Columns, rows: np.ndarray, every: int) -> None:
    for name, values in answers.items():
        columns.setdefault(name, np.empty(every))[rows] = values


def _amounts(bought: Mapping[str, np.ndarray]) -> _Columns:
    return {name: bought[name] for name in ("items", "spend")}


def _customer(shown: _Impressions, bought: Mapping[str, np.ndarray]) -> _Columns:
    """How often, how recently and how much the customer buys."""
    # An order happens at its first line: lines that come later cannot move it.
    lines = ascending(bought["customer"], bought["order"])
    customer, order = bought["customer"][lines], bought["order"][lines]
    begins = np.r_[True, (customer[1:] != customer[:-1]) | (order[1:] != order[:-1])][: len(lines)]
    first = np.flatnonzero(begins)
    second = np.minimum.reduceat(bought["second"][lines], first) if len(first) else bought["second"]
    past = EventIndex.of(customer[first], second).before(shown.customer, shown.second)
    columns = {
        "customer_visits_28d": past.count(28),
        "customer_visits_90d": past.count(90),
        "customer_days_since_visit": past.days_since_last(),
        # The latest visit is often the one that led to the impression; this is the one before that day.
        "customer_days_since_earlier_visit": past.days_since_last(earlier_than_days=1),
        "customer_tenure_days": np.minimum(past.days_since_first(), _MAX_TENURE_DAYS),
    }
    past = EventIndex.of(bought["customer"], bought["second"], _amounts(bought)).before(shown.customer, shown.second)
    for days in (1, 28):
        for name in ("items", "spend"):
            columns[f"customer_{name}_{days}d"] = past.total(name, days)
    return columns


def _of_products(shown: _Impressions, history: PurchaseHistory) -> _Columns:
    """How well source and target sell, and at what price."""
    columns: _Columns = {}
    for portion in history.portions("product", np.r_[shown.source, shown.target]):
        bought = portion.bought
        index = EventIndex.of(bought["product"], bought["second"], _amounts(bought))
        for name, entity in (("target", shown.target), ("source", shown.source)):
            rows = _within(portion, entity)
            past = index.before(entity[rows], shown.second[rows])
            items, spend = past.total("items", 90), past.total("spend", 90)
            answers = {
                f"{name}_sales_28d": past.count(28),
                f"{name}_price_90d": np.divide(spend, items, out=np.full(len(items), np.nan), where=items > 0),
            }
            if name == "target":
                answers["target_sales_7d"] = past.count(7)
            _put(columns, answers, rows, len(shown.second))
    price, source_price = columns["target_price_90d"], columns["source_price_90d"]
    ratio = np.divide(price, source_price, out=np.full(len(price), np.nan), where=source_price > 0)
    return {name: columns[name] for name in _PRODUCT_COLUMNS} | {"price_ratio_90d": ratio}


def _customer_and_product(shown: _Impressions, bought: Mapping[str, np.ndarray]) -> _Columns:
    """What the customer has had of these very products."""
    products = 1 + max(int(ids.max(initial=0)) for ids in (bought["product"], shown.source, shown.target))
    index = EventIndex.of(bought["customer"] * products + bought["product"], bought["second"])
    target = index.before(shown.customer * products + shown.target, shown.second)
    source = index.before(shown.customer * products + shown.source, shown.second)
    return {
        "target_purchases": target.count(),
        "target_days_since": target.days_since_last(),
        "source_purchases": source.count(),
        "source_days_since": source.days_since_last(),
    }


def _customer_and_category(shown: _Impressions, bought: Mapping[str, np.ndarray], category: np.ndarray) -> _Columns:
    """What the customer has had of their categories."""
    categories = 1 + int(category.max(initial=0))
    index = EventIndex.of(bought["customer"] * categories + category[bought["product"]], bought["second"])
    target = index.before(shown.customer * categories + category[shown.target], shown.second)
    source = index.before(shown.customer * categories + category[shown.source], shown.second)
    return {
        "target_category_28d": target.count(28),
        "target_category_90d": target.count(90),
        "target_category_purchases": target.count(),
        "target_category_days_since": target.days_since_last(),
        "source_category_90d": source.count(90),
    }
