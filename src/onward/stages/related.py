"""Judge the lists as they are served: the same model, settings and code as deploy uses, on test customers' queries."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from onward.artifacts import Layout, read_table
from onward.evaluation.related_comparison import Served, compare_related
from onward.evaluation.related_log import log_of_lines, type_numbers
from onward.evaluation.related_tuning import RelatedWindows
from onward.model.embeddings import Embeddings
from onward.params import Params
from onward.ranking.asked_lists import AskedLists
from onward.stages.ranking import list_settings, trained_ranking

_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)


def judge_related(layout: Layout, params: Params, embeddings: Embeddings) -> tuple[dict[str, Any], pd.DataFrame]:
    """Hold what is served against what test customers bought, beside tuned baselines.

    Returns:
        Plain values, see `compare_related`; and the judged lists, which deploy holds against its own.
    """
    run, asked = params.run, params.evaluation
    columns = ["customer", "order", "product", "purchased_at"]
    known, later = (read_table(place / "purchases.parquet", columns) for place in (layout.serving, layout.backtest))
    products = read_table(layout.serving / "products.parquet", ["category"])
    model, settings = trained_ranking(layout, params, embeddings), list_settings(layout, params)
    candidates = model.evidence.candidates
    lines = pd.concat([known, later], ignore_index=True)
    log = log_of_lines(lines, candidates, len(products), params.graph.fresh_days)
    customers = read_table(layout.serving / "customers.parquet", ["customer", "split"])
    selection = customers.loc[customers["split"] == "selection", "customer"].to_numpy(np.int64)
    follow = params.graph.follow_days
    days = min(run.backtest_days, run.backtest_days + run.attribution_days - follow - 1)
    windows = RelatedWindows((run.as_of - date(1970, 1, 1)).days, days, follow)
    lists = AskedLists(model, settings)
    weights = tuple(sorted({*_WEIGHTS, settings.weight}))
    results = compare_related(
        log, type_numbers(products["category"].iloc[candidates]), selection,
        later["customer"].unique().astype(np.int64), Served(lists.order, weights, lists.goes_with), windows,
        asked.top_k, asked.queries, asked.bootstrap_samples, run.seed,
    )  # fmt: skip
    return results | {"popularity_weight": settings.weight}, lists.table
