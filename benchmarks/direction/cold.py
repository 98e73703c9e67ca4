"""Products that nobody has bought yet: a tenth of the nodes of two public graphs lose their edges, and are asked for.

A question is an edge from a known node to a hidden one; the hidden one is ranked among all nodes, known ones too, with
the source's other answers left out. Hidden nodes then get some of their other edges back, 1, 2, 5, 10 and at last all:
the questions stay the same. What a method recovers is (cold - base) / (warm - base), where the base is popularity, and
warm is the same method once all the other edges are there.

Onward is the product's ranker of short lists (onward/ranking/list_blend.py), over scores that can speak of a node
without edges and scores that cannot; it learns from rounds in which another tenth of the nodes is hidden, with up to
five edges each, beside edges that are held out as always. It stands beside the same ranker taught without hidden nodes,
which is how the pipeline trains it, and beside every score by itself, DropoutNet's (2017) among them. Both are asked
for edges between known nodes too, which tells what new nodes on the lists cost the others. Settings, and the rival, are
picked on another tenth of the nodes. Intervals are over sources, a source with its questions in all seeds.

Trees learn from the rounds that hidden nodes have answers, and no score by itself is told. So each question is asked
once more with new nodes alone to choose from, where that is worth nothing: this ratio is the fair one, and its rival is
the score that validation picks for that.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from rich.console import Console

from benchmarks.direction.cold_scores import AlikePopular, AttributeTowers, DropoutNet, ReachedAlike
from benchmarks.direction.datasets import cora_ml, data_folder, photo
from benchmarks.direction.hidden_nodes import HiddenNodes
from benchmarks.harness.form import Cell, Finding, publish
from benchmarks.harness.trials import Trial, Trials, settings_key
from benchmarks.related.shelf import only
from onward.metrics.customer_bootstrap import CustomerBootstrap, Floats
from onward.metrics.intervals import Interval
from onward.ranking.blend import fit_scores
from onward.ranking.catalogue_ranker import Examples, RankerSettings
from onward.ranking.directed_graph import Bools, DirectedGraph, Ints
from onward.ranking.link_folds import Fold
from onward.ranking.link_ranks import rivals_of, target_ranks
from onward.ranking.link_scores import (
    LinkScore,
    NeighbourhoodAttributes,
    Paths,
    Popularity,
    PropagatedAttributes,
    PropagatedEdges,
    SmoothedEdges,
)
from onward.ranking.link_settings import LinkSettings, by_name, every_score
from onward.ranking.link_split import Edges, FittingSplit
from onward.ranking.list_blend import (
    HIT_RATE,
    ListBlend,
    fit_list_blend,
    fold_examples,
    question_of,
    validation_hit_rate,
)
from onward.ranking.method import Method

SETS: Mapping[str, Callable[[Path], Edges]] = {"Cora-ML": cora_ml, "Photo": photo}
SEEDS = (1, 2, 3)
HIDDEN, ROUNDS = 0.1, 3
ASKED_SHARE = 0.5
MOST_ASKED, MOST_LEARNT = 1000, 2000
"""Answers that are asked for at most: to judge and to pick by, and in each round to learn from."""
KNOWN_ANSWERS = 0.5
"""For every hidden answer that a round asks for, so many edges between known nodes: both kinds have to be ranked."""
WARM = 1000
"""Edges between known nodes that are asked for at most, to tell what hidden nodes cost them; a twentieth at most."""
REVEALED = (0, 1, 2, 5, 10)
ALL = 10**6
LEARNT = (0, 0, 0, 0, 0, 1, 2, 5)
"""Edges that the hidden nodes of a round have, each as likely."""
SAMPLES = 1000
TARGET = 1.1

OURS, TAUGHT_WARM = "Onward, taught with hidden nodes", "Onward, taught without"
BASE = "popularity"
RIVAL = "the rival, as validation picks"
RATIO, DIFFERENCE, RECOVERED = "to the rival's", "less the rival's", "recovered"
GRID: Mapping[str, tuple[LinkScore, ...]] = {
    BASE: (Popularity(),),
    "attributes": tuple(PropagatedAttributes(*hops) for hops in ((0, 0), (1, 0), (2, 0), (0, 1), (2, 2))),
    "attributes of neighbourhoods": (NeighbourhoodAttributes(1), NeighbourhoodAttributes(2)),
    "edges of the most alike targets": tuple(SmoothedEdges("target", count) for count in (5, 20, 80)),
    "edges of the most alike sources": (SmoothedEdges("source", 20),),
    "alike what is reached": (ReachedAlike(20), ReachedAlike(80)),
    "attribute towers": (AttributeTowers(),),
    "DropoutNet": (DropoutNet(), DropoutNet(hidden=0.8)),
    "popularity of the alike": (AlikePopular(),),
    "resource allocation": (Paths("out", "out", 1.0, 0.3),),
    "propagated edges": (PropagatedEdges(1), PropagatedEdges(2)),
}
_SMALL = RankerSettings(objective="lambdarank", iterations=150, leaves=8)
SETTINGS = LinkSettings(rankers=(_SMALL, replace(_SMALL, objective="binary")))
_KEY = settings_key(
    GRID, SETTINGS, HIDDEN, ROUNDS, ASKED_SHARE, MOST_ASKED, MOST_LEARNT, KNOWN_ANSWERS, WARM, REVEALED, LEARNT
)


@dataclass(frozen=True)
class World:
    """One graph and the nodes that are hidden in it.

    Attributes:
        everything: the whole graph.
        tested: hides the tenth that is asked about.
        picking: hides another tenth of what `tested` shows; settings are picked by it.
        groups: the nodes of each round.
        new: [N] whether a node is of the tenth that `tested` hides.
        picked_by: [N] whether it is of the tenth that `picking` hides.
        warm: [w, 2] edges between known nodes that are asked for as well; nobody sees them.
    """

    everything: DirectedGraph
    tested: HiddenNodes
    picking: HiddenNodes
    groups: Sequence[Ints]
    warm: Ints
    new: Bools
    picked_by: Bools

    @classmethod
    def of(cls, graph: Edges, seed: int) -> "World":
        """Deal the nodes."""
        edges, nodes, attributes = graph
        generator = np.random.default_rng([seed, 0xC01D])
        size = round(HIDDEN * nodes)
        tested, picking, *groups = generator.permutation(nodes)[: (2 + ROUNDS) * size].reshape(-1, size)
        first = HiddenNodes.of(edges, nodes, tested, ASKED_SHARE, MOST_ASKED, generator)
        shown = generator.permutation(first.shown)
        warm, seen = np.split(shown, [min(WARM, len(shown) // 20)])
        second = HiddenNodes.of(seen, nodes, picking, ASKED_SHARE, MOST_ASKED, generator)
        everything = DirectedGraph.from_edges(edges, nodes, attributes)
        new, picked_by = (np.isin(np.arange(nodes), each) for each in (tested, picking))
        return cls(everything, replace(first, shown=seen), second, groups, warm, new, picked_by)

    @property
    def split(self) -> FittingSplit:
        """What fitting may see: neither tenth has an edge in it."""
        return FittingSplit(self.everything.with_edges(self.picking.shown), self.picking.asked, self.picking.asked[:0])

    def rounds(self, seed: int, *, hiding: bool) -> Iterator[Fold]:
        """Graphs to learn from: with a group of nodes hidden in each, or with held-out edges alone."""
        edges = self.picking.shown
        nodes = self.everything.nodes
        for number, group in enumerate(self.groups):
            generator = np.random.default_rng([seed, number])
            asked = edges[:0]
            known = edges
            free = np.arange(len(known))
            if hiding:
                hidden = HiddenNodes.of(edges, nodes, group, ASKED_SHARE, MOST_LEARNT, generator)
                asked = hidden.asked
                known = hidden.edges(generator.choice(LEARNT, nodes))
                free = np.flatnonzero(~np.isin(known, group).any(axis=1))
            wanted = round(KNOWN_ANSWERS * len(asked)) if hiding else MOST_LEARNT
            out: Bools = np.zeros(len(known), dtype=np.bool_)
            out[generator.permutation(free)[: min(wanted, len(free) // 10)]] = True
            yield Fold(self.everything.with_edges(known[~out]), np.concatenate([asked, known[out]]), edges[:0])


def judge(name: str, seed: int, folder: Path) -> Trial:
    """Whether each question's answer is among the first ten, by edges revealed and method; and what was picked."""
    console = Console(stderr=True)
    world = World.of(SETS[name](folder), seed)
    split = world.split
    scores = by_name(GRID)
    single = every_score(scores)
    fitted = fit_scores(single, split.graph)
    # Nothing of the tested tenth is known: its nodes are rivals like any other without an edge.
    picking = {key: validation_hit_rate(method, split) for key, method in fitted.items()}
    picks = {method: max(grid, key=picking.__getitem__) for method, grid in scores.items()}
    rival = max(picks, key=lambda method: picking[picks[method]])
    shelf = {key: validation_hit_rate(only(method, world.picked_by), split) for key, method in fitted.items()}
    shelf_picks = {method: max(grid, key=shelf.__getitem__) for method, grid in scores.items()}
    shelf_rival = max(shelf_picks, key=lambda method: shelf[shelf_picks[method]])
    console.print(f"{name}, seed {seed}: rival {rival}: {picking[picks[rival]]:.4f}", highlight=False)
    lists: dict[str, ListBlend] = {}
    for title, hiding in ((OURS, True), (TAUGHT_WARM, False)):
        parts = [
            fold_examples(fold, fit_scores(single, fold.graph), list(picks.values()), SETTINGS)
            for fold in world.rounds(seed, hiding=hiding)
        ]
        lists[title] = fit_list_blend(split, fitted, picks, Examples.joined(parts), SETTINGS)
        console.print(f"{name}, seed {seed}: {title}: {max(lists[title].validation):.4f}", highlight=False)
    asked = world.tested.asked
    everybody = rivals_of(world.everything)
    hits: dict[str, dict[str, list[int]]] = {}
    for revealed in (*REVEALED, ALL):
        graph = world.everything.with_edges(world.tested.edges(revealed))
        now = fit_scores(single, graph)
        question = question_of(graph, now, list(picks.values()), SETTINGS.per_proposer)
        methods: dict[str, Method] = {method: now[key] for method, key in picks.items()}
        judged = lists if revealed in {0, ALL} else {OURS: lists[OURS]}
        methods |= {title: each.ranker.method(question) for title, each in judged.items()}
        if revealed == 0:
            warm = {title: _hits(methods[title], world.warm, everybody) for title in (*lists, rival)}
            chosen: dict[str, Method] = {method: now[key] for method, key in shelf_picks.items()}
            chosen |= {title: methods[title] for title in lists}
            on_shelf = {title: _hits(only(score, world.new), asked, everybody) for title, score in chosen.items()}
        hits[str(revealed)] = {method: _hits(score, asked, everybody) for method, score in methods.items()}
    told = {method: round(float(np.mean(each)), 4) for method, each in hits["0"].items()}
    console.print(f"{name}, seed {seed}: {told}", highlight=False)
    of_warm = {"source": world.warm[:, 0].tolist(), "hits": warm}
    of_shelf = {"rival": shelf_rival, "hits": on_shelf}
    return {"source": asked[:, 0].tolist(), "hits": hits, "rival": rival, "warm": of_warm, "shelf": of_shelf}


def _hits(method: Method, questions: Ints, excluded: sp.csr_matrix) -> list[int]:
    return [int(hit) for hit in target_ranks(method, questions, excluded) <= HIT_RATE]


@dataclass(frozen=True)
class Found:
    """All seeds of one set."""

    trials: Sequence[Trial]

    @cached_property
    def bootstrap(self) -> CustomerBootstrap:
        """Over sources; each is the same source in every seed."""
        return CustomerBootstrap.of(np.concatenate([each["source"] for each in self.trials]), SAMPLES, 0)

    def hits(self, method: str, revealed: int = 0) -> Floats:
        """[q] of all seeds; the rival is each seed's own."""
        by_seed = [each["hits"][str(revealed)][each["rival"] if method == RIVAL else method] for each in self.trials]
        return np.concatenate(by_seed).astype(np.float64)

    def rate(self, method: str, revealed: int = 0) -> Interval:
        """HR@10."""
        hits = self.hits(method, revealed)
        return self.bootstrap.ratio(hits, np.ones(len(hits)))

    def warm(self, method: str) -> Interval:
        """HR@10 of edges between known nodes."""
        hits = [each["warm"]["hits"][each["rival"] if method == RIVAL else method] for each in self.trials]
        bootstrap = CustomerBootstrap.of(np.concatenate([each["warm"]["source"] for each in self.trials]), SAMPLES, 0)
        found = np.concatenate(hits).astype(np.float64)
        return bootstrap.ratio(found, np.ones(len(found)))

    def shelf(self, method: str) -> Floats:
        """[q] of all seeds, with new nodes alone to choose from; the rival is each seed's own."""
        shelves = [each["shelf"] for each in self.trials]
        by_seed = [each["hits"][each["rival"] if method == RIVAL else method] for each in shelves]
        return np.concatenate(by_seed).astype(np.float64)

    def over_shelf_rival(self, method: str) -> Interval:
        """HR over the rival's with new nodes alone to choose from, paired."""
        return self.bootstrap.ratio(self.shelf(method), self.shelf(RIVAL))

    def over_rival(self, method: str) -> tuple[Interval, Interval]:
        """HR over the rival's, and less the rival's, both paired."""
        ours, theirs = self.hits(method), self.hits(RIVAL)
        ones = np.ones(len(ours))
        return self.bootstrap.ratio(ours, theirs), self.bootstrap.ratio_difference(ours, ones, theirs, ones)

    def recovery(self, method: str) -> Interval:
        """(cold - base) / (warm - base)."""
        cold, warm, base = self.hits(method), self.hits(method, ALL), self.hits(BASE)
        return self.bootstrap.ratio(cold - base, warm - base)


def rows_of(name: str, found: Found) -> list[dict[str, Cell]]:
    """A row a method: hit rates by edges revealed, what it gains on the rival, and what it recovers."""
    rows: list[dict[str, Cell]] = []
    for method in (OURS, TAUGHT_WARM, RIVAL, *GRID):
        cold = found.rate(method)
        row: dict[str, Cell] = {"data": name, "method": method, "questions": len(found.hits(method))}
        row |= {
            f"hr@10, {many} edges": found.rate(method, many).value if method != TAUGHT_WARM or many == 0 else None
            for many in REVEALED
        }
        row |= {"hr@10, all edges": found.rate(method, ALL).value, "hr@10 low": cold.low, "hr@10 high": cold.high}
        told = dict(zip((RATIO, DIFFERENCE), found.over_rival(method), strict=True)) | {
            RECOVERED: found.recovery(method)
        }
        for title, interval in told.items():
            values = (interval.value, interval.low, interval.high) if method != BASE else (None, None, None)
            row |= dict(zip((title, f"{title} low", f"{title} high"), values, strict=True))
        alone = found.over_shelf_rival(method)
        row |= {"hr@10, new nodes alone": float(found.shelf(method).mean()), f"alone {RATIO}": alone.value,
                f"alone {RATIO} low": alone.low, f"alone {RATIO} high": alone.high}  # fmt: skip
        row["hr@10 of known nodes"] = found.warm(method).value if method in {OURS, TAUGHT_WARM, RIVAL} else None
        rows.append(row)
    return rows


def claims_of(name: str, found: Found) -> dict[str, float]:
    """The figures that are quoted."""
    key = name.lower().replace("-", "_")
    ratio, difference = found.over_rival(OURS)
    recovered, of_rival = found.recovery(OURS), found.recovery(RIVAL)
    alone, alone_warm = found.over_shelf_rival(OURS), found.over_shelf_rival(TAUGHT_WARM)
    return {
        f"{key}_cold_ratio": ratio.value, f"{key}_cold_ratio_low": ratio.low, f"{key}_cold_ratio_high": ratio.high,
        f"{key}_difference": difference.value, f"{key}_difference_low": difference.low,
        f"{key}_cold_hr10": found.rate(OURS).value, f"{key}_rival_hr10": found.rate(RIVAL).value,
        f"{key}_taught_warm_hr10": found.rate(TAUGHT_WARM).value,
        f"{key}_dropout_net_hr10": found.rate("DropoutNet").value,
        f"{key}_all_edges_hr10": found.rate(OURS, ALL).value,
        f"{key}_known_hr10": found.warm(OURS).value, f"{key}_taught_warm_known_hr10": found.warm(TAUGHT_WARM).value,
        f"{key}_recovery": recovered.value, f"{key}_recovery_low": recovered.low,
        f"{key}_rival_recovery": of_rival.value,
        f"{key}_alone_ratio": alone.value, f"{key}_alone_ratio_low": alone.low, f"{key}_alone_ratio_high": alone.high,
        f"{key}_alone_hr10": float(found.shelf(OURS).mean()),
        f"{key}_alone_rival_hr10": float(found.shelf(RIVAL).mean()),
        f"{key}_alone_taught_warm_ratio": alone_warm.value, f"{key}_alone_taught_warm_ratio_low": alone_warm.low,
    }  # fmt: skip


def main() -> None:
    """Run what is missing and publish."""
    arguments = argparse.ArgumentParser(description=__doc__)
    data_folder(arguments)
    arguments.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    arguments.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    arguments.add_argument("--fresh", action="store_true", help="forget finished trials")
    asked = arguments.parse_args()
    torch.set_num_threads(1)
    trials = Trials("direction_cold", fresh=asked.fresh)
    rows: list[dict[str, Cell]] = []
    claims: dict[str, float] = {}
    lows = []
    for name in asked.sets:
        found = Found(
            [
                trials.run(f"{name}, seed {seed}, {_KEY}", partial(judge, name, seed, Path(asked.data)))
                for seed in asked.seeds
            ]
        )
        rows += rows_of(name, found)
        claims |= claims_of(name, found)
        ratio = found.over_shelf_rival(OURS)
        lows.append((ratio.value >= TARGET and ratio.low > 1.0, ratio.low))
    claims |= {"cold_ratio_low": min(low for _, low in lows), "sets_met": float(sum(met for met, _ in lows))}
    publish(Finding("direction_cold", asked.seeds, rows, claims))


if __name__ == "__main__":
    main()
