"""Which pairs of two public graphs are edges, and which way: untrained scores, the encoder and the blend.

Cora-ML on the ten official splits of DirLinkBench (arXiv 2502.05724): Hits@100. Amazon Photo on random splits of the
same kind: Hits@100, the direction of one-way edges matched by degree, and, on splits of 75/5/20, ranking of the whole
catalogue. One configuration serves all data; validation edges pick each baseline's setting, the encoder's and the
blend's. Test edges are looked at once. Finished splits are kept (see `trials`), so that a stopped run goes on.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np
from rich.console import Console

from benchmarks.direction.datasets import cora_ml, cora_ml_split, data_folder, photo
from benchmarks.direction.digae import Digae
from benchmarks.direction.direction_blend import turned_round
from benchmarks.direction.direction_pairs import DirectionPairs, one_way
from benchmarks.harness.form import Cell, Finding, publish
from benchmarks.harness.trials import Kept, Trial, Trials, settings_key
from onward.metrics.customer_bootstrap import Floats
from onward.metrics.ranking import share_below
from onward.ranking.blend import PairRows, fit_scores
from onward.ranking.catalogue_ranker import Examples
from onward.ranking.directed_graph import DirectedGraph
from onward.ranking.link_folds import Fold
from onward.ranking.link_ranks import rank_links, rivals_of
from onward.ranking.link_scores import GRIDS, LinkScore
from onward.ranking.link_settings import LinkSettings, Scores, every_score, scores_for
from onward.ranking.link_split import FittingSplit, LinkSplit, more_absent, random_split
from onward.ranking.list_blend import ListBlend, fit_list_blend, fold_examples, pick_proposers
from onward.ranking.method import Method, score_pairs
from onward.ranking.node_facts import NODE_FACTS
from onward.ranking.pair_blend import Score, encoder_quality, fit_pair_blend, hits, score_of_column, split_by_label

SETTINGS = LinkSettings()
"""What the blends may choose from: the product's own."""
DIGAE = (Digae(0.5, 0.5), Digae(0.2, 0.2), Digae(0.8, 0.8))
"""The published model that is trained, as a baseline; it is not blended in, since training it on every fold is dear."""
SAMPLES = 500

Figures = dict[str, dict[str, float]]
"""By method and metric."""


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


def pick_encoder(split: LinkSplit) -> Trial:
    """The encoder's setting that validation edges prefer, asked once a data set: training is dear."""
    of = len(split.test_absent)
    found = [
        encoder_quality(each.fit(split.graph), split, SETTINGS.judged_absent, of) for each in encoders_of(split.graph)
    ]
    return {"validation Hits@100": found, "picked": int(np.argmax(found))}


def encoders_of(graph: DirectedGraph) -> Sequence[Kept]:
    """The encoders for a graph of this size; what they are fitted to is kept on disk."""
    return [Kept(each) for each in SETTINGS.encoders_for(graph)]


def existence(split: LinkSplit, encoder: LinkScore, *, direction: bool) -> Figures:
    """Edge or not: every baseline, the encoder and the blend on one split, and which way where asked."""
    scores, graph = scores_for(split.graph, encoder), split.graph
    single = every_score(scores)
    learnt = held_out_rows(single, SETTINGS.folds(graph, SETTINGS.absent))
    fitted = fit_pair_blend(split, scores, fit_scores(single, graph), learnt, SETTINGS, len(split.test_absent))
    test = PairRows.of(fitted.fitted, graph, split.test, split.test_absent)
    column = {name: number for number, name in enumerate(fitted.fitted)}
    methods: dict[str, Score] = {method: score_of_column(column[name]) for method, name in fitted.picks.items()}
    methods["blend"] = fitted.blend.predict
    figures = {method: judged(*split_by_label(score, test)) for method, score in methods.items()}
    if direction:
        matched = DirectionPairs.of(split.test, graph, split.known)
        forward = test.features[: len(split.test)][one_way(split.test, split.known)]
        for method, score in methods.items():
            figures[method] |= which_way(matched, score(forward), score(turned_round(forward)))
    return figures | {"DiGAE": digae(split)}


def held_out_rows(scores: Mapping[str, LinkScore], folds: Iterable[Fold]) -> PairRows:
    """Rows of all folds, each pair seen from its own fold's graph."""
    return PairRows.joined(
        [PairRows.of(fit_scores(scores, fold.graph), fold.graph, fold.held_out, fold.absent) for fold in folds]
    )


def digae(split: LinkSplit) -> dict[str, float]:
    """DiGAE with the setting that validation picks."""
    nodes, absent = split.graph.nodes, more_absent(split, SETTINGS.judged_absent)
    asked = (split.validation, absent, split.test, split.test_absent)
    found = []
    for setting in DIGAE:
        method = setting.fit(split.graph)
        found.append([score_pairs(method, pairs[:, 0], pairs[:, 1], nodes) for pairs in asked])
    best = max(found, key=lambda scores: hits(scores[0], scores[1], len(split.test_absent)))
    return judged(best[2], best[3])


def judged(edges: Floats, absent: Floats) -> dict[str, float]:
    """What is reported of test scores."""
    return {"Hits@100": hits(edges, absent, len(absent)), "AUC": float(share_below(edges, absent).mean())}


def which_way(matched: DirectionPairs, forward: Floats, reverse: Floats) -> dict[str, float]:
    """Direction AUC under every matching."""
    found = matched.auc(forward, reverse, SAMPLES, 0)
    return {f"direction AUC, {matching}": interval.value for matching, interval in found.items()}


def catalogue(split: LinkSplit, encoder: LinkScore) -> Figures:
    """Rank all nodes after every source: baselines, encoder and the blend as a ranker of short lists."""
    fitted, lists = fit_lists(split, scores_for(split.graph, encoder), SETTINGS)
    figures = {method: ranked(fitted[name], split) for method, name in lists.picks.items()}
    return figures | {"blend": ranked(lists.method, split)}


def fit_lists(split: FittingSplit, scores: Scores, settings: LinkSettings) -> tuple[Mapping[str, Method], ListBlend]:
    """Every score fitted to the split's graph, and the blend of lists learnt from rounds of its edges."""
    single = every_score(scores)
    fitted = fit_scores(single, split.graph)
    picks = pick_proposers(split, scores, fitted)
    parts = [
        fold_examples(fold, fit_scores(single, fold.graph), list(picks.values()), settings)
        for fold in settings.folds(split.graph, 1)
    ]
    return fitted, fit_list_blend(split, fitted, picks, Examples.joined(parts), settings)


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
    return f"{split}, {settings_key(GRIDS, NODE_FACTS, DIGAE, SETTINGS)}"


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
        return encoders_of(split.graph)[picked]

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
