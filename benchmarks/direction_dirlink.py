"""Which pairs of two public graphs are edges, and which way: untrained scores, the encoder and the blend.

Cora-ML on the ten official splits of DirLinkBench (arXiv 2502.05724): Hits@100. Amazon Photo on random splits of the
same kind: Hits@100, the direction of one-way edges matched by degree, and, on splits of 75/5/20, ranking of the whole
catalogue. One configuration serves all data; validation edges pick each baseline's setting, the encoder's and the
blend's. Test edges are looked at once. Finished splits are kept (see `trials`), so that a stopped run goes on.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from rich.console import Console

from benchmarks.digae import Digae
from benchmarks.direction_data import LinkSplit, cora_ml, cora_ml_split, data_folder, photo, random_split
from benchmarks.form import Cell, Finding, publish
from benchmarks.trials import Kept, Trial, Trials, settings_key
from onward.evaluation.intervals import Floats
from onward.evaluation.links import DirectionPairs, existence_auc, hits_at, one_way, rank_links, rivals_of
from onward.ranking.blend import (
    Blend,
    BlendSettings,
    Features,
    PairRows,
    fit_scores,
    held_out_rows,
    turned_round,
)
from onward.ranking.directed_graph import DirectedGraph, Ints
from onward.ranking.link_folds import Fold, cross_fit, draw_absent
from onward.ranking.link_scores import GRIDS, LinkScore
from onward.ranking.method import Method, score_pairs
from onward.ranking.node_facts import NODE_FACTS, node_facts
from onward.ranking.shortlist import Examples, Question, Ranker, RankerSettings
from onward.ranking.whole_graph import WholeGraphEncoder

HITS = 100
ENCODERS = (
    (35.0, WholeGraphEncoder()),
    (12.75, WholeGraphEncoder(learning_rate=0.01, hidden=0.15, heads=3, coordinates=512)),
)
"""Nodes a training step, and the encoder: a larger graph takes more steps."""
DIGAE = (Digae(0.5, 0.5), Digae(0.2, 0.2), Digae(0.8, 0.8))
"""The published model that is trained, as a baseline; it is not blended in, since training it on every fold is dear."""
BLENDS = (
    BlendSettings(linear=True, both_ways=True),
    BlendSettings(linear=False, both_ways=False),
    BlendSettings(linear=False, both_ways=True, iterations=400, leaves=24, min_rows_in_leaf=60),
    BlendSettings(linear=False, both_ways=False, iterations=700, leaves=31, min_rows_in_leaf=100, feature_share=0.3),
)
RANKERS = (RankerSettings(objective="binary"), RankerSettings(objective="lambdarank"))
HELD_OUT = 0.15
LEARNT_EDGES = 3900
LEAST_ROUNDS = 2
ABSENT = 10
JUDGED_ABSENT = 10
"""Non-edges that a validation edge has to beat, so that picking is not left to a few of them."""
SAMPLES = 500

Figures = dict[str, dict[str, float]]
"""By method and metric."""

Score = Callable[[Features], Floats]
"""Values of pairs from their features."""


class Table:
    """Values by (data set, method, metric), one a split."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str, str], list[float]] = {}

    def add(self, data: str, figures: Mapping[str, Mapping[str, float]]) -> None:
        """Keep and show one split's values."""
        console = Console(stderr=True)
        for method, metrics in figures.items():
            for metric, value in metrics.items():
                self.values.setdefault((data, method, metric), []).append(value)
            shown = ", ".join(f"{metric} {value:.4g}" for metric, value in metrics.items())
            console.print(f"{data}: {method}: {shown}", highlight=False)

    def mean(self, data: str, method: str, metric: str) -> float:
        """Mean over splits."""
        return float(np.mean(self.values[data, method, metric]))

    def rows(self) -> list[dict[str, Cell]]:
        """One row a value, with its standard deviation over splits."""
        return [
            {
                "data": data, "method": method, "metric": metric, "splits": len(values), "mean": float(np.mean(values)),
                "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            }
            for (data, method, metric), values in self.values.items()
        ]  # fmt: skip


def hits(positive: Floats, negative: Floats, of: int) -> float:
    """Hits@100 among `of` non-edges, in percent; where they are more or fewer, at the same share of false alarms."""
    return 100.0 * hits_at(positive, negative, max(1, round(HITS * len(negative) / of)))


def validation_absent(split: LinkSplit) -> Ints:
    """The split's non-edges for validation, and more that neither training nor validation knows as edges."""
    known = split.graph.with_edges(np.concatenate([split.graph.edges, split.validation]))
    more = max(0, JUDGED_ABSENT * len(split.validation) - len(split.validation_absent))
    drawn = draw_absent(known, more, np.random.default_rng([more, 0xAB5]))
    return np.concatenate([split.validation_absent, drawn])


def validation_rank(split: LinkSplit) -> Callable[[Method], float]:
    """Quality of a method by HR@10 of the validation edges in the whole catalogue."""
    rivals = rivals_of(split.graph.with_edges(np.concatenate([split.graph.edges, split.validation])))
    return lambda method: float(rank_links(method, split.validation, rivals).metrics()["hr@10"].mean())


def encoder_of(number: int, nodes: int) -> Kept:
    """The encoder of a setting, for a graph of so many nodes."""
    share, encoder = ENCODERS[number]
    return Kept(replace(encoder, steps=round(nodes / share)))


def pick_encoder(split: LinkSplit) -> Trial:
    """The setting of `ENCODERS` that validation edges prefer, asked once a data set: training is dear."""
    absent, nodes = validation_absent(split), split.graph.nodes
    found = []
    for number in range(len(ENCODERS)):
        method = encoder_of(number, nodes).fit(split.graph)
        edges, others = (score_pairs(method, pairs[:, 0], pairs[:, 1], nodes) for pairs in (split.validation, absent))
        found.append(hits(edges, others, len(split.test_absent)))
    return {"validation Hits@100": found, "picked": int(np.argmax(found))}


def every_setting(encoder: LinkScore) -> dict[str, dict[str, LinkScore]]:
    """Every setting of every baseline, and the encoder, by method and then by a name of its own."""
    grids: Mapping[str, Sequence[LinkScore]] = {**GRIDS, "encoder": (encoder,)}
    return {method: {f"{method} {number}": each for number, each in enumerate(grid)} for method, grid in grids.items()}


def existence(split: LinkSplit, encoder: LinkScore, *, direction: bool) -> Figures:
    """Edge or not: every baseline, the encoder and the blend on one split, and which way where asked."""
    settings, graph = every_setting(encoder), split.graph
    scores = {name: each for grid in settings.values() for name, each in grid.items()}
    fitted = fit_scores(scores, graph)
    test = PairRows.of(fitted, graph, split.test, split.test_absent)
    validation = PairRows.of(fitted, graph, split.validation, validation_absent(split))
    column = {name: number for number, name in enumerate(fitted)}

    def quality(score: Score) -> float:
        return hits(*apart(score, validation), len(split.test_absent))

    picks = {method: max(grid, key=lambda name: quality(_taking(column[name]))) for method, grid in settings.items()}
    learnt = held_out_rows(scores, folds_of(graph, ABSENT))
    best = max(BLENDS, key=lambda each: quality(Blend.fit(learnt, each).predict))
    methods: dict[str, Score] = {method: _taking(column[name]) for method, name in picks.items()}
    methods["blend"] = Blend.fit(PairRows.joined([learnt, validation]), best).predict
    figures = {method: judged(*apart(score, test)) for method, score in methods.items()}
    if direction:
        matched = DirectionPairs.of(split.test, graph, split.known)
        forward = test.features[: len(split.test)][one_way(split.test, split.known)]
        for method, score in methods.items():
            figures[method] |= which_way(matched, score(forward), score(turned_round(forward)))
    return figures | {"DiGAE": digae(split)}


def digae(split: LinkSplit) -> dict[str, float]:
    """DiGAE with the setting that validation picks."""
    nodes, asked = split.graph.nodes, (split.validation, validation_absent(split), split.test, split.test_absent)
    found = []
    for setting in DIGAE:
        method = setting.fit(split.graph)
        found.append([score_pairs(method, pairs[:, 0], pairs[:, 1], nodes) for pairs in asked])
    best = max(found, key=lambda scores: hits(scores[0], scores[1], len(split.test_absent)))
    return judged(best[2], best[3])


def apart(score: Score, rows: PairRows) -> tuple[Floats, Floats]:
    """Scores of the edges and of the others."""
    values = score(rows.features)
    return values[rows.label], values[~rows.label]


def _taking(column: int) -> Score:
    return lambda rows: rows[:, column].astype(np.float64)


def folds_of(graph: DirectedGraph, absent: int) -> Iterator[Fold]:
    """As many held-out rounds as give the blend `LEARNT_EDGES` edges to learn from, and at least `LEAST_ROUNDS`."""
    rounds = max(LEAST_ROUNDS, math.ceil(LEARNT_EDGES / (HELD_OUT * len(graph.edges))))
    return cross_fit(graph, rounds, HELD_OUT, absent, seed=7)


def judged(edges: Floats, absent: Floats) -> dict[str, float]:
    """What is reported of test scores."""
    return {"Hits@100": hits(edges, absent, len(absent)), "AUC": existence_auc(edges, absent)}


def which_way(matched: DirectionPairs, forward: Floats, reverse: Floats) -> dict[str, float]:
    """Direction AUC under every matching."""
    found = matched.auc(forward, reverse, SAMPLES, 0)
    return {f"direction AUC, {matching}": interval.value for matching, interval in found.items()}


def question_of(graph: DirectedGraph, fitted: Mapping[str, Method], proposers: Sequence[str]) -> Question:
    """What the ranker may see of a graph: scores, `node_facts`, and no edge that is there already."""
    facts = node_facts(graph)
    return Question(fitted, proposers, rivals_of(graph), facts, facts)


def examples_of(fold: Fold, scores: Mapping[str, LinkScore], proposers: Sequence[str], share: float) -> Examples:
    """Short lists of the fold's graph, answered by its held-out edges."""
    answers = fold.graph.with_edges(fold.held_out).adjacency
    return Examples.of(question_of(fold.graph, fit_scores(scores, fold.graph), proposers), answers, share, seed=0)


def catalogue(split: LinkSplit, encoder: LinkScore) -> Figures:
    """Rank all nodes after every source: baselines, encoder and the blend as a ranker of short lists."""
    quality, settings = validation_rank(split), every_setting(encoder)
    scores = {name: each for grid in settings.values() for name, each in grid.items()}
    fitted = fit_scores(scores, split.graph)
    picks = {method: max(grid, key=lambda name: quality(fitted[name])) for method, grid in settings.items()}
    figures = {method: ranked(fitted[name], split) for method, name in picks.items()}
    # Each method proposes with the setting that validation picked.
    proposers = list(picks.values())
    parts = [examples_of(fold, scores, proposers, RANKERS[0].negative_share) for fold in folds_of(split.graph, 1)]
    learnt, question = Examples.joined(parts), question_of(split.graph, fitted, proposers)
    found = [Ranker.fit(learnt, each).method(question) for each in RANKERS]
    return figures | {"blend": ranked(max(found, key=quality), split)}


def ranked(method: Method, split: LinkSplit) -> dict[str, float]:
    """Ranking of the test edges, filtered; and as the reference figures were taken: they compete with each other."""
    filtered = rank_links(method, split.test, rivals_of(split.known))
    competing = rank_links(method, split.test, rivals_of(split.graph), filtered=False).intervals(SAMPLES, 0)
    found = {metric: float(values.mean()) for metric, values in filtered.metrics().items()}
    for metric in ("hr@10", "mrr@10"):
        found[f"{metric}, competing"] = competing[metric].value
    return {**found, "hr@10, competing, low": competing["hr@10"].low, "hr@10, competing, high": competing["hr@10"].high}


def key(split: str) -> str:
    """A split under the settings of this file: a trial of other settings is another trial."""
    learnt = (HELD_OUT, LEARNT_EDGES, LEAST_ROUNDS, ABSENT, JUDGED_ABSENT)
    return f"{split}, {settings_key(GRIDS, NODE_FACTS, DIGAE, ENCODERS, BLENDS, RANKERS, learnt)}"


def claims(table: Table) -> dict[str, float]:
    """The figures that are quoted, of the parts that ran."""
    named = {
        "cora_ml_hits100_blend": ("Cora-ML", "blend", "Hits@100"),
        "cora_ml_hits100_encoder": ("Cora-ML", "encoder", "Hits@100"),
        "photo_hits100_blend": ("Photo", "blend", "Hits@100"),
        "photo_hits100_encoder": ("Photo", "encoder", "Hits@100"),
        "photo_direction_auc_in_matched_blend": ("Photo", "blend", "direction AUC, in matched"),
        "photo_direction_auc_both_matched_blend": ("Photo", "blend", "direction AUC, both matched"),
        "photo_hr10_blend": ("Photo catalogue", "blend", "hr@10, competing"),
        "photo_mrr10_blend": ("Photo catalogue", "blend", "mrr@10, competing"),
        "photo_hr10_blend_filtered": ("Photo catalogue", "blend", "hr@10"),
        "photo_mrr10_blend_filtered": ("Photo catalogue", "blend", "mrr@10"),
    }
    return {claim: table.mean(*key) for claim, key in named.items() if key in table.values}


def main() -> None:
    """Run all parts, or those named, and publish."""
    arguments = argparse.ArgumentParser(description=__doc__)
    data_folder(arguments)
    arguments.add_argument("--part", choices=("cora", "photo", "catalogue"), nargs="+",
                           default=["cora", "photo", "catalogue"])  # fmt: skip
    arguments.add_argument("--splits", type=int, default=10, help="of Cora-ML")
    arguments.add_argument("--photo-splits", type=int, default=3)
    arguments.add_argument("--fresh", action="store_true", help="forget finished splits")
    asked = arguments.parse_args()
    trials, table = Trials("direction_dirlink", fresh=asked.fresh), Table()

    def encoder(data: str, split: LinkSplit) -> Kept:
        """What the validation edges of the data set's first split pick."""
        picked = trials.run(key(f"{data}, encoder"), partial(pick_encoder, split))["picked"]
        return encoder_of(picked, split.graph.nodes)

    if "cora" in asked.part:
        graph = cora_ml(asked.data)
        for number in range(asked.splits):
            cora = cora_ml_split(asked.data, number, graph)
            make = partial(existence, cora, encoder("Cora-ML", cora), direction=False)
            table.add("Cora-ML", trials.run(key(cora.name), make))
    if {"photo", "catalogue"} & set(asked.part):
        graph = photo(asked.data)
        for seed in range(min(asked.photo_splits, asked.splits)):
            split, whole = (random_split(graph, "Photo", seed, 0.05, test) for test in (0.15, 0.20))
            if "photo" in asked.part:
                make = partial(existence, split, encoder("Photo", split), direction=True)
                table.add("Photo", trials.run(key(split.name), make))
            if "catalogue" in asked.part:
                make = partial(catalogue, whole, encoder("Photo", split))
                table.add("Photo catalogue", trials.run(key(f"{whole.name}, catalogue"), make))
    publish(Finding("direction_dirlink", list(range(asked.splits)), table.rows(), claims(table)))


if __name__ == "__main__":
    main()
