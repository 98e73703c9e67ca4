"""The products that are ranked, and the trained scores over them as ranking methods.

Ranking numbers its candidates 0..C-1, in the order of `candidates`, so that rows of scores hold nothing else.
"""

from typing import Any

import numpy as np
import pandas as pd

from onward.evaluation.comparison import Windows, compare
from onward.evaluation.intervals import Floats
from onward.graph.product_graph import ProductGraph
from onward.model.embeddings import Embeddings
from onward.ranking.method import Method
from onward.ranking.purchase_log import Ints, PurchaseLog


def compare_over_catalogue(
    known: pd.DataFrame,
    later: pd.DataFrame,
    selection: Ints,
    graph: ProductGraph,
    embeddings: Embeddings,
    windows: Windows,
    min_customers: int,
    fresh_days: int,
    top_k: tuple[int, ...],
    limit: int,
    samples: int,
    seed: int,
) -> dict[str, Any]:
    """Rank all products with at least `min_customers` customers in the graph; see `compare`.

    Args:
        known: purchases before as_of; columns customer, product and purchased_at.
        later: purchases of test customers from as_of on, same columns; whoever is in it asks.
        selection: customers whose queries tune the baselines.
        graph: what it knows decides which products are candidates.
        embeddings: of all products.
        windows: the clock.
        min_customers: customers that a candidate had when the graph was built.
        fresh_days: a purchase is new when the customer had none of that product for so long.
        top_k: cut-offs of the hit rate.
        limit: most test queries.
        samples: bootstrap resamples.
        seed: of query samples and bootstrap.
    """
    candidates = np.flatnonzero(graph.customers >= min_customers)
    purchases = pd.concat([known, later], ignore_index=True)
    log = log_of_candidates(purchases, candidates, graph.products, fresh_days)
    test = later["customer"].unique().astype(np.int64)
    models = {"graph": graph_method(graph, candidates), "encoder": encoder_method(embeddings, candidates)}
    return compare(log, selection, test, models, windows, top_k, limit, samples, seed)


def log_of_candidates(purchases: pd.DataFrame, candidates: Ints, products: int, fresh_days: int) -> PurchaseLog:
    """Purchases of candidates only, as ranking reads them; columns customer, product and purchased_at."""
    number = _numbers(candidates, products)[purchases["product"].to_numpy(np.int64)]
    kept = number >= 0
    day = purchases["purchased_at"].to_numpy("datetime64[D]").astype(np.int64)
    customer = purchases["customer"].to_numpy(np.int64)
    return PurchaseLog.of(customer[kept], number[kept], day[kept], len(candidates), fresh_days)


def graph_method(graph: ProductGraph, candidates: Ints) -> Method:
    """Rank by the shrunk lift of the edge u -> v; where there is no edge, 0."""
    number = _numbers(candidates, graph.products)

    def scores(sources: Ints) -> Floats:
        out = np.zeros((len(sources), len(candidates)))
        for row, product in enumerate(candidates[sources]):
            edges = slice(graph.out_offsets[product], graph.out_offsets[product + 1])
            target = number[graph.out_targets[edges]]
            out[row, target[target >= 0]] = graph.score[edges][target >= 0]
        return out

    return scores


def encoder_method(embeddings: Embeddings, candidates: Ints) -> Method:
    """Rank by the encoder's relevance s_u . t_v / temperature + b_v."""

    def scores(sources: Ints) -> Floats:
        return embeddings.relevance_matrix(candidates[sources], candidates).astype(np.float64)

    return scores


def _numbers(candidates: Ints, products: int) -> Ints:
    number = np.full(products, -1, dtype=np.int64)
    number[candidates] = np.arange(len(candidates))
    return number
