"""The input of the pair scorer: an impression's features beside what graph and embeddings say of its pair."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.errors import DataError
from onward.graph.pair_features import COUNT_FEATURES, count_columns
from onward.graph.product_graph import IntArray, ProductGraph
from onward.model.embeddings import Embeddings, paired_dots

EMBEDDING_FEATURES = (
    "gnn_forward",
    "gnn_reverse",
    "gnn_direction",
    "gnn_together",
    "gnn_cosine",
    "gnn_substitute",
    "gnn_target_similarity",
)
PAIR_FEATURES = COUNT_FEATURES + EMBEDDING_FEATURES


def pair_features(graph: ProductGraph, embeddings: Embeddings, source: IntArray, target: IntArray) -> pd.DataFrame:
    """Describe each pair (u, v) by counts and embeddings; columns PAIR_FEATURES, float32, one row a pair."""
    return pd.DataFrame(pair_columns(graph, embeddings, source, target))


def pair_columns(
    graph: ProductGraph, embeddings: Embeddings, source: IntArray, target: IntArray
) -> dict[str, npt.NDArray[np.float32]]:
    """The columns of `pair_features`, each [n], for requests that a table would hold up.

    `gnn_substitute` is s_u . s_v: two products that lead to the same others can replace each other.
    """
    source = np.asarray(source, dtype=np.int64)
    target = np.asarray(target, dtype=np.int64)
    forward = embeddings.log_lift("after", source, target)
    reverse = embeddings.log_lift("after", target, source)
    columns = {
        "gnn_forward": forward,
        "gnn_reverse": reverse,
        "gnn_direction": forward - reverse,
        "gnn_together": embeddings.log_lift("together", source, target),
        "gnn_cosine": paired_dots(embeddings.source, embeddings.target, source, target),
        "gnn_substitute": paired_dots(embeddings.source, embeddings.source, source, target),
        "gnn_target_similarity": paired_dots(embeddings.target, embeddings.target, source, target),
    }
    of_embeddings = {name: columns[name].astype(np.float32) for name in EMBEDDING_FEATURES}
    return count_columns(graph, source, target) | of_embeddings


def scorer_frame(
    features: pd.DataFrame, graph: ProductGraph, embeddings: Embeddings, source: IntArray, target: IntArray
) -> pd.DataFrame:
    """The full input of `PairScorer.predict`: the feature columns, then PAIR_FEATURES; rows as given.

    Args:
        features: one row an impression; a column `impression`, if there is one, is left out.
        graph: the directed product graph.
        embeddings: the products' embeddings.
        source: [n] product ids u, in the order of `features`.
        target: [n] product ids v.

    Raises:
        DataError: features and pairs differ in length.
    """
    if len(features) != len(source) or len(source) != len(target):
        raise DataError(
            f"scorer input: {len(features)} feature rows, {len(source)} sources and {len(target)} targets; "
            "give one of each per impression"
        )
    plain = features.drop(columns="impression", errors="ignore").reset_index(drop=True)
    return pd.concat([plain, pair_features(graph, embeddings, source, target)], axis=1)
