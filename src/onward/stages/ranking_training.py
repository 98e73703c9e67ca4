"""Training as train_gnn does it, from params.yaml: the ranking's lesson, the encoder of its evidence, the lifts."""

from dataclasses import fields

import numpy as np
import pandas as pd

from onward.model.product_inputs import product_inputs
from onward.model.training import EncoderSettings, TrainedEncoder, train_encoder
from onward.params import Params
from onward.ranking.encoder_pairs import learnt_pairs, message_graph
from onward.ranking.evidence import CountingRules
from onward.ranking.fitting import FittedRanking, Learners, RankingLesson, fit_ranking, read_lesson
from onward.ranking.learned_lift import LiftSettings


def ranking_lesson(
    params: Params, products: pd.DataFrame, purchases: pd.DataFrame, customers: pd.DataFrame
) -> RankingLesson:
    """What the ranking learns from, of what was known at as_of."""
    run, graph, ranking = params.run, params.graph, params.ranking
    training, selection = (
        customers.loc[customers["split"] == split, "customer"].to_numpy("int64") for split in ("train", "selection")
    )
    rules = CountingRules(
        graph.min_customers, ranking.min_support, graph.follow_days, ranking.follow_visits, ranking.recent_days,
        ranking.popularity_prior,
    )  # fmt: skip
    return read_lesson(
        products, purchases, Learners(training, selection), run.training_start, run.clock, graph.fresh_days, rules,
        ranking.pairs, run.seed,
    )  # fmt: skip


def encoder_of(
    lesson: RankingLesson, params: Params, products: pd.DataFrame, purchases: pd.DataFrame
) -> TrainedEncoder:
    """The encoder of what was known before the training window: nothing of the pairs that the ranking learns from."""
    graph, run = params.graph, params.run
    before = purchases[(purchases["purchased_at"] < run.training_start).to_numpy(bool)]
    bought_by = before.drop_duplicates(["customer", "product"])["product"].to_numpy(np.int64)
    inputs = product_inputs(products, before, np.bincount(bought_by, minlength=len(products)).astype(np.float64))
    messages = message_graph(lesson.earlier, graph.min_support, graph.shrinkage, graph.neighbours_per_product)
    settings = EncoderSettings(**params.encoder.model_dump())
    return train_encoder(learnt_pairs(lesson.earlier), messages, inputs, settings, run.seed, run.threads)


def learn(lesson: RankingLesson, params: Params) -> FittedRanking:
    """Fit the ranking."""
    ranking = params.ranking
    trees = LiftSettings(**{field.name: getattr(ranking, field.name) for field in fields(LiftSettings)})
    return fit_ranking(lesson, trees, params.run.seed, params.run.threads)
