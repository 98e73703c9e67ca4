"""What the counts say about a pair (u, v): how often v follows u, and how often u follows v."""

import numpy as np
import numpy.typing as npt

from onward.graph.product_graph import FloatArray, IntArray, ProductGraph

COUNT_FEATURES = (
    "count_support",
    "count_reverse_support",
    "count_score",
    "count_reverse_score",
    "count_log_asymmetry",
    "count_confidence",
    "count_reverse_confidence",
    "count_source_customers",
    "count_target_customers",
    "count_target_fresh_customers",
    "count_source_out_degree",
    "count_target_in_degree",
)

# Five imaginary customers keep the confidence of a rarely bought source from reaching 1.
_CONFIDENCE_PRIOR = 5.0


def count_columns(graph: ProductGraph, source: IntArray, target: IntArray) -> dict[str, npt.NDArray[np.float32]]:
    """Describe each pair by counts: COUNT_FEATURES, each [n].

    A pair whose edge is missing in one direction takes its support from the other edge when that one exists.
    Supports are 0 and scores missing (NaN) where the graph knows nothing.

    Args:
        graph: the directed product graph.
        source: [n] product ids u.
        target: [n] product ids v.
    """
    forward = graph.find_edges(source, target)
    backward = graph.find_edges(target, source)
    support = np.where(forward >= 0, _take(graph.support, forward, 0.0), _take(graph.reverse_support, backward, 0.0))
    reverse = np.where(backward >= 0, _take(graph.support, backward, 0.0), _take(graph.reverse_support, forward, 0.0))
    columns = {
        "count_support": support,
        "count_reverse_support": reverse,
        "count_score": _take(graph.score, forward, np.nan),
        "count_reverse_score": _take(graph.score, backward, np.nan),
        "count_log_asymmetry": np.log((support + 1.0) / (reverse + 1.0)),
        "count_confidence": support / (graph.customers[source] + _CONFIDENCE_PRIOR),
        "count_reverse_confidence": reverse / (graph.customers[target] + _CONFIDENCE_PRIOR),
        "count_source_customers": graph.customers[source],
        "count_target_customers": graph.customers[target],
        "count_target_fresh_customers": graph.fresh_customers[target],
        "count_source_out_degree": graph.out_degrees[source],
        "count_target_in_degree": graph.in_degrees[target],
    }
    return {name: np.asarray(columns[name], dtype=np.float32) for name in COUNT_FEATURES}


def _take(values: FloatArray, edges: IntArray, missing: float) -> FloatArray:
    if len(values) == 0:
        return np.full(len(edges), missing)
    return np.where(edges >= 0, values[np.maximum(edges, 0)], missing)
