"""Related lists as a run serves them, on the purchases of its backtest: from the pipeline's tables to a comparison."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from onward.evaluation.listing import NOTHING, Lister
from onward.evaluation.related_comparison import Served, compare_related
from onward.evaluation.related_log import RelatedLog, candidates_known, log_of_lines, type_numbers
from onward.evaluation.related_queries import Relation
from onward.evaluation.related_tuning import RelatedWindows, judgement
from onward.ranking.purchase_log import Ints


def compare_as_served(
    known: pd.DataFrame,
    later: pd.DataFrame,
    category: pd.Series,
    selection: Ints,
    order: Callable[[Ints, Relation, float], Ints],
    weights: tuple[float, ...],
    goes_with: Lister,
    windows: RelatedWindows,
    *,
    min_customers: int,
    fresh_days: int,
    top_k: tuple[int, ...],
    limit: int,
    samples: int,
    seed: int,
) -> dict[str, Any]:
    """Judge what is served for all products with at least `min_customers` customers before the clock.

    Args:
        known: purchases before the clock; columns customer, order, product and purchased_at.
        later: purchases of test customers from the clock on, same columns; whoever is in it asks.
        category: [P] path of each product.
        selection: customers whose queries tune the baselines.
        order: lists [m, k] of product numbers for source products [m], by relation and weight, best first and
            `NOTHING` where a list is shorter.
        weights: that are judged, ascending.
        goes_with: lists [m, k] of product numbers, complements as they are served.
        windows: the clock.
        min_customers: customers that make a product a candidate.
        fresh_days: a purchase is new when the customer had none of that product for so long.
        top_k: cut-offs.
        limit: most queries.
        samples: bootstrap resamples.
        seed: of queries and resamples.

    Returns:
        See `compare_related`.
    """
    log, candidates = backtest_log(known, later, len(category), min_customers, fresh_days)
    types, test = type_numbers(category.iloc[candidates]), later["customer"].unique().astype(np.int64)

    def ordered(sources: Ints, relation: Relation, weight: float) -> Ints:
        return among(order(candidates[sources], relation, weight), candidates, len(category))

    def complements(sources: Ints) -> Ints:
        return among(goes_with(candidates[sources]), candidates, len(category))

    served = Served(ordered, weights, complements)
    return compare_related(log, types, selection, test, served, windows, top_k, limit, samples, seed)


def backtest_log(
    known: pd.DataFrame, later: pd.DataFrame, products: int, min_customers: int, fresh_days: int
) -> tuple[RelatedLog, Ints]:
    """The log of candidates, and [C] their product numbers; see `compare_as_served` for the arguments."""
    candidates = candidates_known(known["customer"].to_numpy(), known["product"].to_numpy(), products, min_customers)
    return log_of_lines(pd.concat([known, later], ignore_index=True), candidates, products, fresh_days), candidates


def gate_queries(
    known: pd.DataFrame,
    later: pd.DataFrame,
    category: pd.Series,
    product_ids: pd.Series,
    windows: RelatedWindows,
    *,
    min_customers: int,
    fresh_days: int,
    limit: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same queries with outside ids, for two models to be compared on; see `compare_as_served`.

    Returns:
        Answers: query, customer, source_product_id, relation, product_id. A relation of complements, "basket", has
        products of other types than the source's only. Chance: product_id and P(v) of each relation.
    """
    log, candidates = backtest_log(known, later, len(category), min_customers, fresh_days)
    test = later["customer"].unique().astype(np.int64)
    judge = judgement(log, test, windows, limit, 1, seed)
    queries, ids = judge.queries, product_ids.to_numpy()[candidates]
    strict = queries.of_other_types(type_numbers(category.iloc[candidates]))
    rows = [
        pd.DataFrame({
            "query": answers.query, "customer": queries.customer[answers.query],
            "source_product_id": ids[queries.source[answers.query]], "relation": relation,
            "product_id": ids[answers.product],
        })
        for relation, answers in (("basket", strict.answers["basket"]), ("later", queries.answers["later"]))
    ]  # fmt: skip
    return pd.concat(rows, ignore_index=True), pd.DataFrame(
        {"product_id": ids, **{str(name): share for name, share in judge.chance.items()}}
    )


def among(lists: Ints, candidates: Ints, products: int) -> Ints:
    """[m, k] lists of products as candidate numbers; what is no candidate keeps its place, empty, and hits nothing.

    >>> among(np.array([[7, 3, -1], [4, 7, 3]]), np.array([3, 7]), 8).tolist()
    [[1, 0, -1], [-1, 1, 0]]
    """
    number = np.full(products + 1, NOTHING, dtype=np.int64)  # the last stands for NOTHING
    number[candidates] = np.arange(len(candidates))
    return np.asarray(number[lists], dtype=np.int64)
