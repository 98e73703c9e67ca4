"""Stage train_gnn on a shop small enough to follow: same bytes twice, readable by those who score."""

import json
import warnings
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from onward.artifacts import StoredFiles, read_arrow, write_json, write_table
from onward.errors import ArtifactError
from onward.graph.counting import count_in_process
from onward.layout import Layout
from onward.model.pair_features import PAIR_FEATURES
from onward.model.pair_model import PairModel
from onward.params import read_params

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch_geometric scripts a class at import
    from onward.stages import train_gnn

PRODUCTS, CUSTOMERS, IMPRESSIONS = 30, 60, 2400


def small(params):
    """The repository's params, with sizes that fit the shop."""
    sections = {
        "graph": {"min_customers": 3, "min_support": 2, "neighbours_per_product": 5},
        "encoder": {"dimension": 8, "epochs": 2, "steps": 30, "batch_pairs": 64, "held_out_pairs": 0.1},
        "scorer": {"heads": 2, "iterations": 12, "leaves": 4, "min_rows_in_leaf": 20},
        "ranking": {"iterations": 4, "leaves": 4, "min_rows_in_leaf": 10},
    }
    changed = {name: getattr(params, name).model_copy(update=values) for name, values in sections.items()}
    run = params.run.model_copy(update={"threads": 1})
    return params.model_copy(update={**changed, "run": run})


@pytest.fixture(scope="module")
def params(request):
    return small(read_params(request.config.rootpath / "params.yaml"))


def write_shop(root, params, *, more_from=None):
    """Product p + 1 follows product p within days; what is shown is bought when it follows.

    Within the training window both come in one basket, from which the ranking learns. More purchases, of other pairs,
    may be made from a day on.
    """
    layout, rng = Layout(root), np.random.default_rng(8)
    start = params.run.training_start
    rows = []
    for customer in range(CUSTOMERS):
        for first in rng.choice(PRODUCTS - 1, 6, replace=False):
            day = start - timedelta(days=float(rng.uniform(40, 150)))
            rows += [(customer, first, day), (customer, first + 1, day + timedelta(days=3))]
        # Long before, so that nothing follows from it: a basket of neighbours, for the encoder.
        first = rng.integers(0, PRODUCTS - 3)
        rows += [(customer, first + step, start - timedelta(days=230)) for step in range(4)]
        for day in (4, 9):
            first = rng.integers(0, PRODUCTS - 1)
            rows += [(customer, product, start + timedelta(days=day)) for product in (first, first + 1)]
    rows += [(0, 0, start - timedelta(days=300))]
    if more_from is not None:
        rows += [
            (c, (c * p) % PRODUCTS, more_from + timedelta(days=p // 2)) for c in range(CUSTOMERS) for p in range(9)
        ]
    purchases = pd.DataFrame(rows, columns=["customer", "product", "purchased_at"]).sort_values(
        "purchased_at", kind="stable"
    )
    order = purchases.groupby(["customer", "purchased_at"], sort=False).ngroup()
    purchases = purchases.assign(order=order, quantity=1.0, amount=2.0)
    split = np.where(np.arange(CUSTOMERS) % 3 > 0, "train", "selection")
    write_table(layout.serving / "customers.parquet", pd.DataFrame({"customer": range(CUSTOMERS), "split": split}))
    write_table(layout.serving / "purchases.parquet", purchases.astype({"customer": "int32", "product": "int32"}))
    categories = [f"food > shelf {p % 3}" for p in range(PRODUCTS + 2)]
    products = pd.DataFrame({"product": range(PRODUCTS + 2), "category": categories})
    products["product_id"] = [f"p{product}" for product in products["product"]]
    write_table(layout.serving / "products.parquet", products)

    source, target = rng.integers(0, PRODUCTS, (2, IMPRESSIONS))
    impressions = pd.DataFrame({"impression": range(IMPRESSIONS), "customer": rng.integers(0, CUSTOMERS, IMPRESSIONS)})
    split = np.where(impressions["customer"] % 3 > 0, "train", "selection")
    shown = [start + timedelta(hours=float(hour)) for hour in rng.uniform(0, 1300, IMPRESSIONS)]
    impressions = impressions.assign(split=split, source=source, target=target, shown_at=shown)
    write_table(layout.serving / "impressions.parquet", impressions)
    features = pd.DataFrame({"impression": range(IMPRESSIONS), "noise": rng.normal(size=IMPRESSIONS)})
    features["cat_shelf"] = (target % 3).astype(np.float32)
    write_table(layout.serving / "features.parquet", features)
    write_json(layout.serving_log.categories, {})
    label = (rng.random(IMPRESSIONS) < np.where(target == source + 1, 0.9, 0.1)).astype(np.int8)
    labels = pd.DataFrame({"impression": range(IMPRESSIONS), "label": label, "weight": np.float32(1.0)})
    write_table(layout.delay / "labels.parquet", labels)
    outcomes = labels.rename(columns={"label": "expected_label"})[["impression", "expected_label"]]
    write_table(layout.delay / "outcomes.parquet", outcomes.assign(state="negative", elapsed_days=1.0))
    return layout


@pytest.fixture(scope="module")
def trained(tmp_path_factory, params):
    layout = write_shop(tmp_path_factory.mktemp("shop"), params)
    return layout, train_gnn.run(layout, params)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_model_folder_holds_what_scoring_needs(trained):
    layout, line = trained
    model = PairModel.from_files(StoredFiles(layout.model))
    assert "nats a held-out basket pair" in line
    assert model.graph.products == model.embeddings.products == PRODUCTS + 2
    assert model.embeddings.source.shape == (PRODUCTS + 2, 8)
    assert model.scorer.features == ("noise", "cat_shelf", *PAIR_FEATURES)
    assert model.scorer.categorical == ("cat_shelf",)
    assert len(model.scorer.heads) == 2
    edges = model.graph.edge_table()
    best = edges.loc[edges.groupby("source")["score"].idxmax()]
    assert (best["target"] == best["source"] + 1).mean() > 0.8


def test_metrics_set_the_model_beside_what_is_simpler(trained):
    layout, _ = trained
    metrics = json.loads((layout.metrics / "train.json").read_text())
    assert set(metrics) == {"graph", "encoder", "scorer", "ranking", "direction"}
    assert metrics["encoder"]["held_out_pairs"] > 0
    assert set(metrics["encoder"]["information"]) == {"together", "after"}
    fit = metrics["scorer"]["selection"]
    assert set(fit) == {"head_0", "head_1", "ensemble"}
    assert fit["ensemble"]["auc"] > 0.55, "pairs that follow each other convert: the counts say so"
    history = pd.read_csv(layout.plots / "encoder_training.csv")
    assert list(history.columns) == ["epoch", "loss", "together", "after"]


def beside(files):
    """What ranking and direction leave: they alone may know the training window."""
    return {name: content for name, content in files.items() if not name.startswith(("ranking", "direction"))}


def test_same_input_gives_same_bytes_and_purchases_from_the_clock_on_change_none(trained, params, tmp_path):
    """As-of guard of all: nothing knows a purchase at or after the clock."""
    layout, line = trained
    for name, more_from in (("same", None), ("later", params.run.clock)):
        again = write_shop(tmp_path / name, params, more_from=more_from)
        assert train_gnn.run(again, params) == line
        assert contents(again.model) == contents(layout.model)
        assert contents(again.metrics) == contents(layout.metrics)


def test_purchases_of_the_training_window_teach_ranking_and_direction_and_nothing_else(trained, params, tmp_path):
    """As-of guard: the graph, the embeddings and the heads know no purchase of the training window."""
    layout, line = trained
    again = write_shop(tmp_path, params, more_from=params.run.training_start)
    assert train_gnn.run(again, params) == line
    one, other = contents(again.model), contents(layout.model)
    assert beside(one) == beside(other)
    # How lists are made is asked of all that is known at the clock; scores are not.
    assert one["direction.json"] != other["direction.json"]
    assert one["ranking/lift_together.txt"] != other["ranking/lift_together.txt"]
    metrics, known = (json.loads((each.metrics / "train.json").read_text()) for each in (again, layout))
    assert beside(metrics) == beside(known)


def test_spark_counts_where_params_say_so_and_nothing_is_different(trained, params, tmp_path, monkeypatch):
    layout, line = trained
    asked = []

    def count_on_spark(path, before, rules, master):
        asked.append(master)
        return count_in_process(read_arrow(path), before, rules, threads=1)

    monkeypatch.setattr(train_gnn, "count_on_spark", count_on_spark)
    counting = params.counting.model_copy(update={"backend": "spark", "spark_master": "spark://host:7077"})
    again = write_shop(tmp_path, params)
    assert train_gnn.run(again, params.model_copy(update={"counting": counting})) == line
    assert asked == ["spark://host:7077"]
    assert contents(again.model) == contents(layout.model)


def test_a_missing_table_is_one_clear_line(params, tmp_path):
    with pytest.raises(ArtifactError, match="dvc repro"):
        train_gnn.run(Layout(tmp_path), params)
