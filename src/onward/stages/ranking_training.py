"""Training as train_gnn does it, from params.yaml: the data of the ranking, the encoder of its evidence, the lifts."""

from dataclasses import fields

import numpy as np
import pandas as pd

from onward.model.product_inputs import product_inputs
from onward.model.training import EncoderSettings, Lesson, TrainedEncoder, train_on
from onward.params import Params
from onward.ranking.encoder_pairs import learnt_pairs, message_graph
from onward.ranking.evidence import CountingRules
from onward.ranking.fitting import (
    FittedRanking,
    Learners,
    RankingTrainingData,
    TrainingWindow,
    fit_ranking,
    read_training_data,
)
from onward.ranking.learned_lift import LiftSettings
from onward.stages.encoder_processes import Work, train_by_processes


def ranking_training_data(
    params: Params, products: pd.DataFrame, purchases: pd.DataFrame, customers: pd.DataFrame
) -> RankingTrainingData:
    """What the ranking learns from, of what was known at as_of."""
    run = params.run
    graph = params.graph
    ranking = params.ranking
    training, selection = (
        customers.loc[customers["split"] == split, "customer"].to_numpy("int64") for split in ("train", "selection")
    )
    rules = CountingRules(
        graph.min_customers,
        ranking.min_support,
        graph.follow_days,
        ranking.follow_visits,
        ranking.recent_days,
        ranking.popularity_prior,
    )
    window = TrainingWindow(run.training_start, run.clock, graph.fresh_days, ranking.pairs)
    return read_training_data(products, purchases, Learners(training, selection), window, rules, run.seed)


def encoder_of(
    lesson: RankingTrainingData, params: Params, products: pd.DataFrame, purchases: pd.DataFrame
) -> TrainedEncoder:
    """The encoder of what was known before the training window: nothing of the pairs that the ranking learns from."""
    run = params.run
    taught, settings = encoder_lesson(lesson, params, products, purchases)
    processes = params.encoder.processes
    if processes == 1:
        return train_on(taught, settings, run.seed, run.threads)
    return train_by_processes(Work(taught, settings, run.seed, max(1, run.threads // processes)), processes)


def encoder_lesson(
    lesson: RankingTrainingData, params: Params, products: pd.DataFrame, purchases: pd.DataFrame
) -> tuple[Lesson, EncoderSettings]:
    """What the encoder learns from, and how."""
    graph = params.graph
    run = params.run
    before = purchases[(purchases["purchased_at"] < run.training_start).to_numpy(bool)]
    inputs = product_inputs(products, before, lesson.customers.astype(np.float64))
    messages = message_graph(lesson.earlier, graph.min_support, graph.shrinkage, graph.neighbours_per_product)
    settings = EncoderSettings(**params.encoder.model_dump(exclude={"processes"}))
    return Lesson.of(learnt_pairs(lesson.earlier), messages, inputs, settings.held_out_pairs, run.seed), settings


def learn(lesson: RankingTrainingData, params: Params) -> FittedRanking:
    """Fit the ranking."""
    ranking = params.ranking
    trees = LiftSettings(**{field.name: getattr(ranking, field.name) for field in fields(LiftSettings)})
    return fit_ranking(lesson, trees, params.run.seed, params.run.threads)
