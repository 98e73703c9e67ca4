"""The ranking, as stages ask for it: learnt by train_gnn, judged by evaluate, listed by deploy."""

from dataclasses import fields

import pandas as pd

from onward.artifacts import Layout, read_json, read_table
from onward.model.embeddings import Embeddings
from onward.params import Params
from onward.ranking.evidence import CountingRules
from onward.ranking.fitting import FittedRanking, Learners, fit_ranking
from onward.ranking.learned_lift import LiftSettings
from onward.ranking.ranking_model import RankingModel
from onward.ranking.related_lists import ListSettings
from onward.stages.ranking_files import read_ranking


def learn(
    layout: Layout, params: Params, products: pd.DataFrame, purchases: pd.DataFrame, embeddings: Embeddings
) -> FittedRanking:
    """Fit the ranking to what was known at as_of."""
    run, graph, ranking = params.run, params.graph, params.ranking
    customers = read_table(layout.serving / "customers.parquet")
    training, selection = (
        customers.loc[customers["split"] == split, "customer"].to_numpy("int64") for split in ("train", "selection")
    )
    rules = CountingRules(
        graph.min_customers, ranking.min_support, graph.follow_days, ranking.follow_visits, ranking.recent_days,
        ranking.popularity_prior,
    )  # fmt: skip
    trees = LiftSettings(**{field.name: getattr(ranking, field.name) for field in fields(LiftSettings)})
    return fit_ranking(
        products, purchases, Learners(training, selection), run.training_start, run.clock, graph.fresh_days, rules,
        trees, embeddings, run.seed, run.threads,
    )  # fmt: skip


def trained_ranking(layout: Layout, params: Params, embeddings: Embeddings) -> RankingModel:
    """Read what train_gnn learnt.

    Raises:
        ArtifactError: a file is missing or unreadable.
    """
    return read_ranking(layout.model / "ranking", embeddings, params.ranking.short_list, params.run.threads)


def list_settings(layout: Layout, params: Params) -> ListSettings:
    """How lists are made: as asked, and ordered by direction only where the log has one."""
    directed = bool(read_json(layout.model / "direction.json")["yes"])
    return ListSettings(params.ranking.list_length, params.ranking.popularity_weight, directed)
