"""Lists of every product that has any, for the bundle."""

import numpy as np
import pandas as pd

from onward.deployment.served_lists import ServedLists, categories_seen
from onward.layout import Layout
from onward.model.embeddings import Embeddings
from onward.params import Params
from onward.ranking.related_lists import list_owners, related_lists
from onward.stages.ranking import list_settings, trained_ranking


def served_lists(
    layout: Layout,
    params: Params,
    embeddings: Embeddings,
    products: pd.DataFrame,
    shown: pd.DataFrame,
    purchases: pd.DataFrame,
) -> ServedLists:
    """Make the lists from what train_gnn learnt.

    Args:
        layout: where it lies.
        params: how long lists are, and the weight on popularity.
        embeddings: of all products.
        products: ordered by number, with category.
        shown: known impressions, source and target.
        purchases: known purchases, customer and product.
    """
    model = trained_ranking(layout, params, embeddings)
    settings = list_settings(layout, params)
    bought = purchases[["customer", "product"]].drop_duplicates()
    customers = np.bincount(bought["product"].to_numpy("int64"), minlength=len(products)).astype(np.int64)
    source, target = (shown[end].to_numpy("int64") for end in ("source", "target"))
    return ServedLists(
        related_lists(model, model.evidence.candidates, settings),
        list_owners(model.evidence, customers),
        categories_seen(products["category"], source, target),
        settings.directed,
        params.graph.follow_days,
        settings.weight,
    )
