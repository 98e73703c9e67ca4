"""The ranking model as files: counts as tables, codes as arrays, trees as LightGBM's text."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from onward.model.embeddings import Embeddings
from onward.ranking.catalogue import Catalogue
from onward.ranking.customer_habits import CustomerHabits
from onward.ranking.evidence import Evidence, level_codes
from onward.ranking.fitting import FittedRanking
from onward.ranking.learned_lift import RELATIONS, LearnedLift
from onward.ranking.popularity import Popularity
from onward.ranking.ranking_model import RankingModel
from onward.ranking.relations import PairCounts, Relation
from onward.ranking.shared_customers import SharedCustomers

_COUNTED = {"together": "cooccurrence", "next_visit": "next_visit", "after": "after"}
"""The counted relations: their name in files, and the field of `Evidence`."""
_ATTRIBUTE = "attribute_"


def ranking_to_files(fitted: FittedRanking) -> dict[str, Any]:
    """Everything that `ranking_from_files` needs but the embeddings, by name of file."""
    files: dict[str, Any] = {}
    evidence = fitted.evidence
    catalogue, popularity = evidence.catalogue, evidence.popularity
    arrays: dict[str, np.ndarray] = {
        "kind": catalogue.kind,
        "category": catalogue.category,
        "department": catalogue.department,
        "log_price": catalogue.log_price,
        "candidates": evidence.candidates,
        "popularity_together": popularity.cooccurrence,
        "popularity_after": popularity.after,
        "popularity_trend": popularity.trend,
        **{f"{_ATTRIBUTE}{name}": codes for name, codes in catalogue.attributes.items()},
    }
    manifest: dict[str, object] = {"customers": evidence.shared.customers, "encoded": evidence.embeddings is not None}
    for name, field in _COUNTED.items():
        relation: Relation = getattr(evidence, field)
        manifest[name] = {"strengths": relation.strengths, "trials": [counts.trials for counts in relation.counts]}
        for level, counts in enumerate(relation.counts):
            arrays |= {f"{name}_{level}_left": counts.left, f"{name}_{level}_right": counts.right}
            pairs = counts.observed.tocoo()
            table = {"row": pairs.row.astype(np.int32), "column": pairs.col.astype(np.int32), "count": pairs.data}
            files[f"{name}_{level}.parquet"] = pd.DataFrame(table)
    customer, product = evidence.shared.pairs()
    shared = {"customer": customer.astype(np.int32), "product": product.astype(np.int32)}
    files["customers.parquet"] = pd.DataFrame(shared)
    files["habits.parquet"] = pd.DataFrame({"pair": evidence.habits.pair})
    files["products.npz"] = arrays
    for relation_name, lift in fitted.lifts.items():
        manifest[f"lift_{relation_name}"] = lift.to_manifest()
        files[f"lift_{relation_name}.txt"] = lift.text
    files["ranking.json"] = manifest
    return files


def ranking_from_files(files: Mapping[str, Any], embeddings: Embeddings, short_list: int, threads: int) -> RankingModel:
    """Rebuild what `ranking_to_files` gave."""
    arrays, manifest = files["products.npz"], files["ranking.json"]
    attributes = {name.removeprefix(_ATTRIBUTE): codes for name, codes in arrays.items() if name.startswith(_ATTRIBUTE)}
    catalogue = Catalogue(
        arrays["kind"], arrays["category"], arrays["department"], dict(sorted(attributes.items())), arrays["log_price"]
    )
    levels = level_codes(catalogue, arrays["candidates"])
    relations = {}
    for name in _COUNTED:
        counts = []
        for level, trials in enumerate(manifest[name]["trials"]):
            left, right = arrays[f"{name}_{level}_left"], arrays[f"{name}_{level}_right"]
            table = files[f"{name}_{level}.parquet"]
            shape = (len(left), len(right))
            observed = sp.csr_matrix((table["count"].to_numpy(np.float32), (table["row"], table["column"])), shape)
            observed.sort_indices()
            counts.append(PairCounts(observed, left, right, trials))
        relations[name] = Relation(levels, tuple(counts), tuple(manifest[name]["strengths"]))
    shared = files["customers.parquet"]
    evidence = Evidence(
        catalogue,
        arrays["candidates"],
        relations["together"],
        relations["next_visit"],
        relations["after"],
        SharedCustomers.from_pairs(
            shared["customer"].to_numpy(np.int64),
            shared["product"].to_numpy(np.int64),
            manifest["customers"],
            catalogue.products,
        ),
        Popularity(arrays["popularity_together"], arrays["popularity_after"], arrays["popularity_trend"]),
        CustomerHabits(files["habits.parquet"]["pair"].to_numpy(np.int64), catalogue.products),
        embeddings if manifest["encoded"] else None,
    )
    lifts = {name: LearnedLift.from_manifest(manifest[f"lift_{name}"], files[f"lift_{name}.txt"]) for name in RELATIONS}
    return RankingModel(evidence, lifts, short_list, threads)
