"""Which pairs may be recommended, and what the shop knew of each at as_of whoever the customer is.

A feature row mixes three things: the customer, the pair (sales, prices, categories), and the customer's history with
the pair. For the question "what follows U?" nobody is there, so the pair's own features are computed once, at as_of,
by the same builder that made the training features, asked for a customer who never bought anything.
"""

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.data.contract import CONTEXT_PREFIX
from onward.data.features import build_features
from onward.graph.product_graph import ProductGraph
from onward.model.embeddings import Embeddings

Ints = npt.NDArray[np.int64]

# A test holds these prefixes against the builder: a feature is of the pair exactly if no customer changes it.
_OF_THE_PAIR = (
    "cat_source_", "cat_target_", "same_", "source_sales_", "target_sales_", "source_price_", "target_price_",
    "price_ratio_",
)  # fmt: skip
_ROWS_AT_ONCE = 512


def is_of_the_pair(feature: str) -> bool:
    """Whether a feature depends on the two products and the moment only."""
    return feature.startswith(_OF_THE_PAIR)


def choose_candidates(graph: ProductGraph, embeddings: Embeddings, least: int) -> tuple[Ints, Ints]:
    """All edges of the graph, and for products with few of them their nearest by embedding, in both roles.

    So a product that nobody has bought yet has answers too.

    Args:
        graph: the directed product graph.
        embeddings: of the same products.
        least: a product with fewer than this many edges in one direction gets this many pairs in it.

    Returns:
        Sources and targets, each pair once, by ascending (source, target).
    """
    pairs = [graph.sources * graph.products + graph.out_targets]
    few = np.flatnonzero(graph.out_degrees < least)
    pairs.append(_nearest(few, embeddings.source, embeddings.target, embeddings.bias, least, graph.products))
    few = np.flatnonzero(graph.in_degrees < least)
    backwards = _nearest(few, embeddings.target, embeddings.source, None, least, graph.products)
    pairs.append(backwards % graph.products * graph.products + backwards // graph.products)
    keys = np.unique(np.concatenate(pairs))
    return keys // graph.products, keys % graph.products


def describe_candidates(
    source: Ints,
    target: Ints,
    products: pd.DataFrame,
    purchases: pd.DataFrame,
    as_of: datetime,
    categories: Mapping[str, list[str]],
) -> pd.DataFrame:
    """Columns source, target and the features of the pair alone, as known just before as_of."""
    nobody = int(purchases["customer"].max()) + 1 if len(purchases) else 0
    asked = pd.DataFrame({
        "impression": np.arange(len(source)), "customer": nobody, "source": source, "target": target,
        "shown_at": pd.Series(as_of, index=range(len(source)), dtype="datetime64[us]"),
    })  # fmt: skip
    given = {name: values for name, values in categories.items() if not name.startswith(f"cat_{CONTEXT_PREFIX}")}
    frame = build_features(products, purchases, asked, pd.DataFrame(index=asked.index), given).frame
    pair = frame[[name for name in frame.columns if is_of_the_pair(name)]]
    return pd.concat([asked[["source", "target"]].astype(np.int32), pair], axis=1)


def sample_contexts(features: pd.DataFrame, eligible: npt.NDArray[np.bool_], count: int, seed: int) -> pd.DataFrame:
    """Features of up to `count` eligible impressions, drawn without replacement, without those of the pair."""
    rows = np.flatnonzero(eligible)
    drawn = np.random.default_rng([seed, 0xC0]).choice(rows, size=min(count, len(rows)), replace=False)
    names = [name for name in features.columns if name != "impression" and not is_of_the_pair(name)]
    return features.loc[np.sort(drawn), names].reset_index(drop=True)


def _nearest(
    rows: Ints,
    left: npt.NDArray[np.float32],
    right: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32] | None,
    count: int,
    products: int,
) -> Ints:
    """Keys row * products + other of the `count` others with the largest left[row] . right[other] + bias[other]."""
    count = min(count, products - 1)
    keys = [np.empty(0, dtype=np.int64)]
    for start in range(0, len(rows) if count > 0 else 0, _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        scores = left[part] @ right.T + (0.0 if bias is None else bias)
        scores[np.arange(len(part)), part] = -np.inf
        best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        keys.append((part[:, None] * products + best).ravel().astype(np.int64))
    return np.concatenate(keys)
