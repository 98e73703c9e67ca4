"""What is listed after a node: short lists of every method's proposals, put in order by a ranker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from onward.ranking.catalogue_ranker import Examples, Question, Ranker
from onward.ranking.directed_graph import DirectedGraph
from onward.ranking.link_folds import Fold
from onward.ranking.link_ranks import rivals_of, target_ranks
from onward.ranking.link_settings import LinkSettings, Scores
from onward.ranking.link_split import FittingSplit
from onward.ranking.method import Method
from onward.ranking.node_facts import node_facts

HIT_RATE = 10


@dataclass(frozen=True)
class ListBlend:
    """A fitted ranker and the question it answers.

    Attributes:
        question: scores, proposers and what is never proposed.
        ranker: puts short lists in order.
        picks: by method, the setting that proposes.
        validation: HR@10 of each ranker setting on the validation edges.
    """

    question: Question
    ranker: Ranker
    picks: Mapping[str, str]
    validation: tuple[float, ...]

    @property
    def method(self) -> Method:
        """Scores of all nodes after the given ones."""
        return self.ranker.method(self.question)


def question_of(
    graph: DirectedGraph, fitted: Mapping[str, Method], proposers: Sequence[str], per_proposer: int
) -> Question:
    """What the ranker may see of a graph: scores, `node_facts`, and no edge that is there already."""
    facts = node_facts(graph)
    return Question(fitted, proposers, rivals_of(graph), facts, facts, per_proposer)


def pick_proposers(split: FittingSplit, scores: Scores, fitted: Mapping[str, Method]) -> dict[str, str]:
    """By method, the setting that puts most validation edges among the first ten of the whole catalogue."""
    return {
        method: max(grid, key=lambda name: validation_hit_rate(fitted[name], split)) for method, grid in scores.items()
    }


def validation_hit_rate(method: Method, split: FittingSplit) -> float:
    """HR@10 of the validation edges in the whole catalogue."""
    return float((target_ranks(method, split.validation, rivals_of(split.edges)) <= HIT_RATE).mean())


def fold_examples(
    fold: Fold, fitted: Mapping[str, Method], proposers: Sequence[str], settings: LinkSettings
) -> Examples:
    """Short lists of the fold's graph, answered by its held-out edges."""
    answers = fold.graph.with_edges(fold.held_out).adjacency
    question = question_of(fold.graph, fitted, proposers, settings.per_proposer)
    return Examples.of(question, answers, settings.rankers[0].negative_share, seed=0)


def fit_list_blend(
    split: FittingSplit,
    fitted: Mapping[str, Method],
    picks: Mapping[str, str],
    learnt: Examples,
    settings: LinkSettings,
) -> ListBlend:
    """Fit every ranker to the examples and keep the one that validation edges prefer."""
    question = question_of(split.graph, fitted, list(picks.values()), settings.per_proposer)
    rankers = [Ranker.fit(learnt, ranker_settings) for ranker_settings in settings.rankers]
    hit_rates = [validation_hit_rate(ranker.method(question), split) for ranker in rankers]
    return ListBlend(question, rankers[int(np.argmax(hit_rates))], picks, tuple(hit_rates))
