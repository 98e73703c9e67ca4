"""Which pairs of two public graphs are edges, and which way: untrained scores, the encoder and the blend.

Cora-ML on the ten official splits of DirLinkBench (arXiv 2502.05724): Hits@100. Amazon Photo on random splits of the
same kind: Hits@100, the direction of one-way edges matched by degree, and, on splits of 75/5/20, ranking of the whole
catalogue. One configuration serves all data; validation edges pick each baseline's setting, the encoder's and the
blend's. Test edges are looked at once.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from rich.console import Console

from benchmarks.direction_data import LinkSplit, cora_ml, cora_ml_split, data_folder, photo, random_split
from benchmarks.form import Cell, Finding, publish
from onward.evaluation.blend import Blend, BlendSettings, PairRows, fit_scores, held_out_rows, pair_features
from onward.evaluation.intervals import Floats
from onward.evaluation.link_folds import Fold, cross_fit
from onward.evaluation.links import DirectionPairs, existence_auc, hits_at, rank_links, rivals_of
from onward.evaluation.ranking import Method, score_pairs
from onward.evaluation.shortlist import Examples, Question, Ranker, RankerSettings
from onward.graph.directed_graph import DirectedGraph, Ints
from onward.graph.link_scores import GRIDS, LinkScore
from onward.model.whole_graph import WholeGraphEncoder

HITS = 100
ENCODERS = (
    WholeGraphEncoder(steps=80),
    WholeGraphEncoder(steps=600, learning_rate=0.01, hidden=0.15, heads=3, coordinates=512),
)
BLENDS = (
    BlendSettings(linear=False, both_ways=False),
    BlendSettings(linear=True, both_ways=False, iterations=100),
    BlendSettings(linear=False, both_ways=True),
)
RANKERS = (RankerSettings(objective="binary"), RankerSettings(objective="lambdarank"))
HELD_OUT = 0.12
LEARNT_EDGES = 4000
ABSENT = 5
SAMPLES = 500

Quality = Callable[[Method], float]
Pick = tuple[LinkScore, Method]


@dataclass
class Table:
    """Values by (data set, method, metric), one a split."""

    values: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    console: Console = field(default_factory=lambda: Console(stderr=True))

    def add(self, data: str, method: str, **metrics: float) -> None:
        """Keep and show one split's values."""
        for metric, value in metrics.items():
            self.values.setdefault((data, method, metric), []).append(value)
        shown = ", ".join(f"{metric} {value:.4g}" for metric, value in metrics.items())
        self.console.print(f"{data}: {method}: {shown}", highlight=False)

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


def of_pairs(method: Method, pairs: Ints, nodes: int) -> Floats:
    """[r] scores of [r, 2] pairs."""
    return score_pairs(method, pairs[:, 0], pairs[:, 1], nodes)


def hits(positive: Floats, negative: Floats, of: int) -> float:
    """Hits@100 among `of` non-edges, in percent; where there are fewer, at the same share of false alarms."""
    return 100.0 * hits_at(positive, negative, max(1, round(HITS * len(negative) / of)))


def validation_hits(split: LinkSplit) -> Quality:
    """Quality of a method by Hits on the validation pairs."""

    def quality(method: Method) -> float:
        positive, negative = (
            of_pairs(method, pairs, split.graph.nodes) for pairs in (split.validation, split.validation_absent)
        )
        return hits(positive, negative, len(split.test_absent))

    return quality


def validation_rank(split: LinkSplit) -> Quality:
    """Quality of a method by HR@10 of the validation edges in the whole catalogue."""
    rivals = rivals_of(split.known)
    return lambda method: float(rank_links(method, split.validation, rivals).metrics()["hr@10"].mean())


def pick_all(graph: DirectedGraph, quality: Quality) -> dict[str, Pick]:
    """Each baseline's setting, and the encoder's, by validation; ties go to the first."""
    grids: Mapping[str, Sequence[LinkScore]] = {**GRIDS, "encoder": ENCODERS}
    picks: dict[str, Pick] = {}
    for name, settings in grids.items():
        fitted = [(setting, setting.fit(graph)) for setting in settings]
        picks[name] = max(fitted, key=lambda each: quality(each[1]))
    return picks


def untrained() -> dict[str, LinkScore]:
    """Every setting of every baseline."""
    return {f"{name} {number}": setting for name, grid in GRIDS.items() for number, setting in enumerate(grid)}


def blended(picks: Mapping[str, Pick]) -> dict[str, LinkScore]:
    """What the blend reads: every setting of every baseline, and the encoder that validation picked."""
    return {**untrained(), "encoder": picks["encoder"][0]}


def existence(data: str, split: LinkSplit, table: Table, *, direction: bool) -> None:
    """Edge or not: every baseline, the encoder and the blend on one split, and which way where asked."""
    nodes, quality = split.graph.nodes, validation_hits(split)
    picks = pick_all(split.graph, quality)
    one_way = DirectionPairs.of(split.test, split.graph, split.known) if direction else None
    for name, (_, method) in picks.items():
        edges, absent = (of_pairs(method, pairs, nodes) for pairs in (split.test, split.test_absent))
        table.add(data, name, **judged(edges, absent))
        if one_way:
            table.add(data, name, **which_way(one_way, partial(of_pairs, method, nodes=nodes)))
    scores = blended(picks)
    learnt = held_out_rows(scores, folds_of(split.graph, ABSENT))
    fitted = {**fit_scores(untrained(), split.graph), "encoder": picks["encoder"][1]}
    validation = PairRows.of(fitted, split.graph, split.validation, split.validation_absent)
    settings = max(BLENDS, key=lambda each: row_hits(Blend.fit(learnt, each), validation, split))
    blend = Blend.fit(PairRows.joined([learnt, validation]), settings)
    test = PairRows.of(fitted, split.graph, split.test, split.test_absent)
    found = blend.predict(test.features)
    table.add(data, "blend", **judged(found[test.label], found[~test.label]))
    if one_way:
        table.add(
            data, "blend",
            **which_way(one_way, lambda pairs: blend.predict(pair_features(fitted, split.graph, pairs))),
        )  # fmt: skip


def folds_of(graph: DirectedGraph, absent: int) -> Iterator[Fold]:
    """As many held-out rounds as give the blend `LEARNT_EDGES` edges to learn from: one where edges are many."""
    rounds = math.ceil(LEARNT_EDGES / (HELD_OUT * len(graph.edges)))
    return cross_fit(graph, rounds, HELD_OUT, absent, seed=7)


def row_hits(blend: Blend, rows: PairRows, split: LinkSplit) -> float:
    """Hits of a blend on labelled rows."""
    found = blend.predict(rows.features)
    return hits(found[rows.label], found[~rows.label], len(split.test_absent))


def judged(edges: Floats, absent: Floats) -> dict[str, float]:
    """What is reported of test scores."""
    return {"Hits@100": hits(edges, absent, len(absent)), "AUC": existence_auc(edges, absent)}


def which_way(one_way: DirectionPairs, score: Callable[[Ints], Floats]) -> dict[str, float]:
    """Direction AUC under every matching."""
    found = one_way.auc(score(one_way.pairs), score(one_way.pairs[:, ::-1]), SAMPLES, 0)
    return {f"direction AUC, {matching}": interval.value for matching, interval in found.items()}


def question_of(graph: DirectedGraph, fitted: Mapping[str, Method], proposers: Sequence[str]) -> Question:
    """What the ranker may see of a graph: scores, degrees, and no edge that is there already."""
    degrees = np.log1p(np.stack([graph.in_degrees, graph.out_degrees], axis=1)).astype(np.float32)
    return Question(fitted, proposers, rivals_of(graph), degrees, degrees)


def examples_of(fold: Fold, scores: Mapping[str, LinkScore], proposers: Sequence[str], share: float) -> Examples:
    """Short lists of the fold's graph, answered by its held-out edges."""
    answers = fold.graph.with_edges(fold.held_out).adjacency
    return Examples.of(question_of(fold.graph, fit_scores(scores, fold.graph), proposers), answers, share, seed=0)


def catalogue(data: str, split: LinkSplit, table: Table) -> None:
    """Rank all nodes after every source: baselines, encoder and the blend as a ranker of short lists."""
    quality = validation_rank(split)
    picks = pick_all(split.graph, quality)
    for name, (_, method) in picks.items():
        table.add(data, name, **ranked(method, split))
    # Each method proposes with the setting that validation picked.
    scores = blended(picks)
    proposers = [next(each for each in scores if scores[each] is setting) for setting, _ in picks.values()]
    parts = [examples_of(fold, scores, proposers, RANKERS[0].negative_share) for fold in folds_of(split.graph, 1)]
    fitted = {**fit_scores(untrained(), split.graph), "encoder": picks["encoder"][1]}
    learnt, question = Examples.joined(parts), question_of(split.graph, fitted, proposers)
    found = [Ranker.fit(learnt, settings).method(question) for settings in RANKERS]
    table.add(data, "blend", **ranked(max(found, key=quality), split))


def ranked(method: Method, split: LinkSplit) -> dict[str, float]:
    """Ranking of the test edges, filtered; and as the reference figures were taken: they compete with each other."""
    filtered = rank_links(method, split.test, rivals_of(split.known))
    competing = rank_links(method, split.test, rivals_of(split.graph), filtered=False).intervals(SAMPLES, 0)
    found = {metric: float(values.mean()) for metric, values in filtered.metrics().items()}
    for metric in ("hr@10", "mrr@10"):
        found[f"{metric}, competing"] = competing[metric].value
    return {**found, "hr@10, competing, low": competing["hr@10"].low, "hr@10, competing, high": competing["hr@10"].high}


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
    arguments.add_argument("--splits", type=int, default=10, help="of Cora-ML; Photo takes at most 3")
    asked = arguments.parse_args()
    table = Table()
    if "cora" in asked.part:
        graph = cora_ml(asked.data)
        for number in range(asked.splits):
            existence("Cora-ML", cora_ml_split(asked.data, number, graph), table, direction=False)
    if {"photo", "catalogue"} & set(asked.part):
        graph = photo(asked.data)
        for seed in range(min(3, asked.splits)):
            if "photo" in asked.part:
                split = random_split(graph, "Photo", seed, 0.05, 0.15)
                existence("Photo", split, table, direction=True)
            if "catalogue" in asked.part:
                catalogue("Photo catalogue", random_split(graph, "Photo", seed, 0.05, 0.20), table)
    publish(Finding("direction_dirlink", list(range(asked.splits)), table.rows(), claims(table)))


if __name__ == "__main__":
    main()
