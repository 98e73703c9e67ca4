"""Judge the lists as they are served: the same model, settings and code as deploy uses, on test customers' queries."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from onward.artifacts import read_table
from onward.evaluation.related_backtest import ProductBacktest, compare_as_served, gate_queries
from onward.evaluation.related_comparison import Judging, Served
from onward.evaluation.related_tuning import RelatedWindows
from onward.layout import Layout
from onward.model.embeddings import Embeddings
from onward.params import Params
from onward.ranking.scored_lists import ScoredLists
from onward.ranking.shopping import day_of
from onward.stages.ranking import list_settings, trained_ranking

_WEIGHTS = (0.0, 0.2, 0.4, 0.5, 1.0)


@dataclass(frozen=True)
class JudgedLists:
    """Results as plain values, see `compare_related`, and tables for deploy: judged lists, and the gate's queries."""

    results: dict[str, Any]
    lists: pd.DataFrame
    gate_answers: pd.DataFrame
    gate_chance: pd.DataFrame


def judge_related(layout: Layout, params: Params, embeddings: Embeddings) -> JudgedLists:
    """Hold what is served against what test customers bought, beside tuned baselines."""
    run = params.run
    evaluation = params.evaluation
    graph = params.graph
    columns = ["customer", "order", "product", "purchased_at"]
    past_purchases, later = (read_table(log.purchases, columns) for log in (layout.serving_log, layout.backtest_log))
    products = read_table(layout.serving_log.products, ["product_id", "category"])
    customers = read_table(layout.serving_log.customers, ["customer", "split"])
    selection = customers.loc[customers["split"] == "selection", "customer"].to_numpy(np.int64)
    settings = list_settings(layout, params)
    known_days = run.backtest_days + run.attribution_days
    windows = RelatedWindows.of(day_of(run.clock), run.backtest_days, known_days, graph.follow_days)
    how = Judging(evaluation.top_k, evaluation.queries, evaluation.bootstrap_samples, run.seed, run.threads)
    lists = ScoredLists(trained_ranking(layout, params, embeddings), settings, how.cuts[-1])
    served = Served(lists.order, tuple(sorted({*_WEIGHTS, settings.weight})), lists.goes_with)
    backtest = ProductBacktest.of(
        past_purchases,
        later,
        products["category"],
        selection,
        windows,
        min_customers=graph.min_customers,
        fresh_days=graph.fresh_days,
    )
    results = compare_as_served(backtest, served, how)
    answers, chance = gate_queries(backtest, products["product_id"], how)
    return JudgedLists(results | {"popularity_weight": settings.weight}, lists.table, answers, chance)
