"""Judge the lists as they are served: the same model, settings and code as deploy uses, on test customers' queries."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from onward.artifacts import Layout, read_table
from onward.evaluation.related_backtest import ProductBacktest, compare_as_served, gate_queries
from onward.evaluation.related_comparison import Judging, Served
from onward.evaluation.related_tuning import RelatedWindows
from onward.model.embeddings import Embeddings
from onward.params import Params
from onward.ranking.asked_lists import AskedLists
from onward.ranking.shopping import day_of
from onward.stages.ranking import list_settings, trained_ranking

_WEIGHTS = (0.0, 0.2, 0.4, 0.5, 1.0)


@dataclass(frozen=True)
class JudgedLists:
    """Results as plain values, see `compare_related`, and tables for deploy: judged lists, and the gate's queries."""

    results: dict[str, Any]
    tables: dict[str, pd.DataFrame]


def judge_related(layout: Layout, params: Params, embeddings: Embeddings) -> JudgedLists:
    """Hold what is served against what test customers bought, beside tuned baselines."""
    run, asked, graph = params.run, params.evaluation, params.graph
    columns = ["customer", "order", "product", "purchased_at"]
    known, later = (read_table(place / "purchases.parquet", columns) for place in (layout.serving, layout.backtest))
    products = read_table(layout.serving / "products.parquet", ["product_id", "category"])
    customers = read_table(layout.serving / "customers.parquet", ["customer", "split"])
    selection = customers.loc[customers["split"] == "selection", "customer"].to_numpy(np.int64)
    settings = list_settings(layout, params)
    # The log ends at the horizon: later queries would not see all of what follows them.
    days = min(run.backtest_days, run.backtest_days + run.attribution_days - graph.follow_days - 1)
    windows = RelatedWindows(day_of(run.clock), days, graph.follow_days)
    how = Judging(asked.top_k, asked.queries, asked.bootstrap_samples, run.seed)
    lists = AskedLists(trained_ranking(layout, params, embeddings), settings, how.cuts[-1])
    served = Served(lists.order, tuple(sorted({*_WEIGHTS, settings.weight})), lists.goes_with)
    backtest = ProductBacktest.of(
        known, later, products["category"], selection, windows,
        min_customers=graph.min_customers, fresh_days=graph.fresh_days,
    )  # fmt: skip
    results = compare_as_served(backtest, served, how)
    answers, chance = gate_queries(backtest, products["product_id"], how)
    tables = {"lists": lists.table, "gate_answers": answers, "gate_chance": chance}
    return JudgedLists(results | {"popularity_weight": settings.weight}, tables)
