"""A bundle of six products that fits in a test: real parts, trained on noise with a signal, no pipeline."""

import lightgbm as lgb
import numpy as np
import pandas as pd

from onward.deployment.bundle import Bundle
from onward.deployment.served_lists import ServedLists, categories_seen
from onward.graph.product_graph import ProductGraph
from onward.model.embeddings import Embeddings
from onward.model.pair_features import scorer_frame
from onward.model.pair_model import PairModel
from onward.model.scorer import PairScorer
from onward.ranking.list_names import COLUMNS
from onward.serving.recommend import Answer, recommend_all
from onward.thresholds.policy import Policy
from onward.uncertainty.calibration import MonotoneCalibrator
from onward.uncertainty.chance_range import ChanceRange
from onward.uncertainty.group_repair import NO_REPAIR
from onward.uncertainty.levels import UncertaintyLevels
from onward.uncertainty.sources import HeadEnsemble
from onward.uncertainty.uncertainty_model import UncertaintyModel

NAMES = ["Whole Milk", "Oat Milk", "Bread", "Butter", "Jam, Strawberry", "Candles"]
FEATURES = ("customer_visits_28d", "target_sales_7d", "cat_target_category", "count_support", "gnn_forward")
CATEGORIES = {"cat_target_category": ["dairy", "bakery", "home"], "cat_context_place": ["front", "back"]}
EDGES = [(0, 2, 9), (0, 3, 7), (1, 2, 4), (2, 3, 12), (3, 4, 6)]
CATEGORY = ["dairy", "dairy", "bakery", "dairy", "bakery", "home"]
LISTS = [  # product, list, other, times chance, how often together, how often their types
    (0, "after", 2, 3.0, 9, 60), (0, "after", 5, 1.5, 0, 0), (0, "goes_with", 2, 4.0, 20, 90),
    (0, "goes_with", 5, 2.0, 1, 2), (0, "goes_with", 4, 1.4, 2, 30), (0, "instead", 1, 0.5, 1, 40),
    (1, "after", 2, 2.0, 4, 60), (1, "goes_with", 2, 3.5, 15, 90), (1, "instead", 0, 0.5, 1, 40),
    (2, "after", 3, 5.0, 12, 60), (2, "after", 4, 3.0, 6, 20), (2, "before", 0, 3.0, 9, 60),
    (2, "before", 1, 2.0, 4, 60), (2, "goes_with", 3, 9.2, 214, 900), (2, "goes_with", 0, 4.0, 20, 90),
    (2, "goes_with", 4, 3.0, 8, 30), (2, "instead", 4, 2.0, 8, 30), (3, "before", 2, 5.0, 12, 60),
    (3, "goes_with", 2, 9.2, 214, 900),
]  # fmt: skip
STANDS_FOR = [0, 1, 2, 3, 2, -1]
"""Jam sells too little for lists of its own and is given Bread's; of Candles nothing is known."""
TAGS = {"source": "simulator", "as_of": "2017-11-20", "git_commit": "0123456789abcdef", "dvc_lock_sha256": "f" * 64}


def make_features(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "impression": np.arange(rows),
        "customer_visits_28d": rng.integers(0, 12, rows).astype(np.float32),
        "target_sales_7d": rng.integers(0, 50, rows).astype(np.float32),
        "cat_target_category": rng.integers(0, 3, rows).astype(np.float32),
    })  # fmt: skip


def make_graph() -> ProductGraph:
    edges = pd.DataFrame(EDGES, columns=["source", "target", "support"]).assign(
        reverse_support=0.0, expected=1.0, score=lambda frame: (frame["support"] + 1) / 6
    )
    nodes = pd.DataFrame({"product": range(6), "customers": [30, 40, 50, 20, 10, 5], "fresh_customers": 5})
    return ProductGraph.from_tables(6, edges, nodes)


def make_lists() -> ServedLists:
    table = pd.DataFrame(LISTS, columns=["product", "list", "other", "times", "count", "type_count"])
    table["rank"] = table.groupby(["product", "list"]).cumcount() + 1
    table["score"] = table["log_lift"] = np.log(table["times"])
    table["share"] = np.array([30, 40, 50, 20, 10, 5])[table["other"]] / 155
    integers = dict.fromkeys(("product", "other", "count", "type_count"), np.int32)
    table = table.astype(
        {**integers, "rank": np.int16, **dict.fromkeys(("score", "times", "log_lift", "share"), np.float32)}
    )[list(COLUMNS)]
    shown = np.array(EDGES)
    seen = categories_seen(pd.Series(CATEGORY), shown[:, 0], shown[:, 1])
    return ServedLists(table, np.array(STANDS_FOR), seen, directed=True, follow_days=30, weight=0.25)


def make_bundle(seed: int = 0, cuts: tuple[float, ...] = (0.3, 0.4)) -> Bundle:
    rng = np.random.default_rng(seed)
    sides = rng.normal(size=(2, 6, 4)).astype(np.float32)
    sides /= np.linalg.norm(sides, axis=2, keepdims=True)
    graph, embeddings = make_graph(), Embeddings(sides[0], sides[1], np.full((2, 4), 2.0, np.float32))
    rows = 400
    features = make_features(rows, seed)
    source, target = rng.integers(0, 6, rows), rng.integers(0, 6, rows)
    frame = scorer_frame(features, graph, embeddings, source, target)
    label = rng.uniform(size=rows) < 0.1 + 0.05 * features["customer_visits_28d"]
    heads = []
    for head in range(3):
        drawn = np.random.default_rng([seed, head]).integers(0, rows, rows)
        data = lgb.Dataset(frame[list(FEATURES)].to_numpy()[drawn], label[drawn], feature_name=list(FEATURES))
        settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True, "num_leaves": 4}
        heads.append(lgb.train({**settings, "min_data_in_leaf": 10}, data, num_boost_round=5).model_to_string())
    category = pd.Series(CATEGORY)
    state = pd.DataFrame({
        "target_sales_7d": np.linspace(5, 30, 6), "source_price_90d": 1.0, "target_price_90d": 2.0,
        "cat_target_category": category.map({"dairy": 0, "bakery": 1, "home": 2}),
    }).astype(np.float32)  # fmt: skip
    calibrator = MonotoneCalibrator((0.0, 0.5, 1.0), (0.01, 0.4, 0.9))
    return Bundle(
        products=pd.DataFrame(
            {
                "product": np.arange(6, dtype=np.int32),
                "product_id": [f"p{number}" for number in range(6)],
                "name": NAMES,
                "category": category,
            }
        ),
        model=PairModel(graph, embeddings, PairScorer(tuple(heads), FEATURES, ("cat_target_category",))),
        uncertainty=UncertaintyModel(
            NO_REPAIR,
            calibrator,
            HeadEnsemble(),
            UncertaintyLevels((0.05,)),
            ranges=ChanceRange(2.0, follows_doubt=True, promised=0.9, conversions=25.0, batches={"product_shown": 40}),
        ),
        policy=Policy("ew_dpmt", 0.3, cuts),
        categories=CATEGORIES,
        state=state,
        contexts=features.loc[:15, ["customer_visits_28d"]],
        facts={"source": "simulator", "as_of": "2017-11-20", "attribution_days": 28},
        lists=make_lists(),
    ).with_listed_scores()


def recommend(bundle: Bundle, product: int, count: int) -> Answer:
    """What is answered of one product."""
    return next(recommend_all(bundle.listed, [product], count, bundle.typical.scores))
