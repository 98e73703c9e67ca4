"""Related lists as a run serves them, on the purchases of its backtest: from the pipeline's tables to a comparison."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from onward.evaluation.listing import NOTHING
from onward.evaluation.related_comparison import Backtest, Judging, Served, compare_related
from onward.evaluation.related_log import candidates_known, log_of_lines, type_numbers
from onward.evaluation.related_queries import Relation
from onward.evaluation.related_tuning import RelatedWindows, judgement
from onward.ranking.purchase_log import Ints


@dataclass(frozen=True)
class ProductBacktest:
    """A backtest, and which products its candidates are.

    Attributes:
        backtest: in candidate numbers.
        candidates: [C] product number of each candidate, ascending.
        products: P.
    """

    backtest: Backtest
    candidates: Ints
    products: int

    @classmethod
    def of(
        cls,
        known: pd.DataFrame,
        later: pd.DataFrame,
        category: pd.Series,
        selection: Ints,
        windows: RelatedWindows,
        *,
        min_customers: int,
        fresh_days: int,
    ) -> "ProductBacktest":
        """Of all products with at least `min_customers` customers before the clock.

        Args:
            known: purchases before the clock; columns customer, order, product and purchased_at.
            later: purchases of test customers from the clock on, same columns; whoever is in it asks.
            category: [P] path of each product.
            selection: customers whose queries tune the baselines.
            windows: the clock.
            min_customers: customers that make a product a candidate.
            fresh_days: a purchase is new when the customer had none of that product for so long.
        """
        count = len(category)
        candidates = candidates_known(known["customer"].to_numpy(), known["product"].to_numpy(), count, min_customers)
        log = log_of_lines(pd.concat([known, later], ignore_index=True), candidates, count, fresh_days)
        types = type_numbers(category.iloc[candidates])
        test = later["customer"].unique().astype(np.int64)
        return cls(Backtest(log, types, selection, test, windows), candidates, count)


def compare_as_served(on: ProductBacktest, lists: Served, how: Judging) -> dict[str, Any]:
    """Judge what is served.

    Args:
        on: who asks what.
        lists: product numbers for sources that are product numbers, best first and `NOTHING` where a list is shorter.
        how: how much is asked.

    Returns:
        See `compare_related`.
    """
    candidates = on.candidates

    def ordered(sources: Ints, relation: Relation, weight: float) -> Ints:
        return among(lists.order(candidates[sources], relation, weight), candidates, on.products)

    def complements(sources: Ints) -> Ints:
        return among(lists.goes_with(candidates[sources]), candidates, on.products)

    return compare_related(on.backtest, Served(ordered, lists.weights, complements), how)


def gate_queries(on: ProductBacktest, product_ids: pd.Series, how: Judging) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same queries with outside ids, for two models to be compared on.

    Args:
        on: who asks what.
        product_ids: [P] outside ids.
        how: how much is asked; nothing is judged here.

    Returns:
        Answers: query, customer, source_product_id, relation, product_id. A relation of complements, "basket", has
        products of other types than the source's only. Chance: product_id and P(v) of each relation.
    """
    backtest = on.backtest
    judge = judgement(backtest.log, backtest.test, backtest.windows, how.limit, 1, how.seed)
    queries = judge.queries
    ids = product_ids.to_numpy()[on.candidates]
    strict = queries.of_other_types(backtest.types)
    rows = [
        pd.DataFrame(
            {
                "query": answers.query,
                "customer": queries.customer[answers.query],
                "source_product_id": ids[queries.source[answers.query]],
                "relation": relation,
                "product_id": ids[answers.product],
            }
        )
        for relation, answers in (("basket", strict.answers["basket"]), ("later", queries.answers["later"]))
    ]
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
