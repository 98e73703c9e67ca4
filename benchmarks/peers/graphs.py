"""Edges of Cora-ML and Amazon Photo: peers on the splits of benchmarks.direction.dirlink.

A list is what a node points to. Settings are picked by the validation edges of the first split, as Onward's encoder
is; how long a training is, by each split's own. Hits@100 is taken over the official splits of Cora-ML and over random
splits of Photo, and the full catalogue of Photo is ranked with every known target left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from benchmarks.direction.datasets import cora_ml, cora_ml_split, cora_ml_words, photo, photo_words
from benchmarks.peers.exams import NO_PAIRS, Ask, Exam, Measure, Queries
from benchmarks.peers.models.grids import PEERS as GRID
from benchmarks.peers.published import Control, Published, lead
from benchmarks.peers.sittings import Room, Sitting
from benchmarks.peers.standings import DOES_NOT_APPLY, NOT_RUN, ONWARD, Line, over_splits
from onward.ranking.link_ranks import rank_links, rivals_of
from onward.ranking.link_scores import ReversedEdges
from onward.ranking.link_settings import LinkSettings
from onward.ranking.link_split import LinkSplit, more_absent, random_split
from onward.ranking.method import Method, score_pairs
from onward.ranking.pair_blend import hits

PEERS = ("EASE", "BM25 (implicit)", "ALS (implicit)", "LightGCN (PyG)", "DirGNN (PyG)")
CONTROL = "reversed edge"
CORA_SPLITS, PHOTO_SPLITS = 10, 3
TRAINED_SPLITS = 3
"""Splits that peers are asked on which train by steps: they are dear."""
_VALIDATION, _TEST, _CATALOGUE_TEST = 0.05, 0.15, 0.20


@dataclass(frozen=True)
class Task:
    """What is asked of a graph.

    Attributes:
        data: as benchmarks.direction.dirlink names it, and what it is called here.
        metrics: that the test reports.
        splits: one after the other.
        words: [N, F] presence of each node's words.
        catalogue: rank every node, and not pairs.
    """

    data: str
    title: str
    metrics: tuple[str, ...]
    splits: Sequence[LinkSplit]
    words: sp.csr_matrix
    catalogue: bool

    def exam(self, split: LinkSplit) -> Exam:
        """What peers see of a split."""
        graph = split.graph
        lists = np.split(graph.adjacency.indices.astype(np.int64), graph.adjacency.indptr[1:-1])
        queries = Queries(lists, np.arange(graph.nodes))
        absent = NO_PAIRS if self.catalogue else more_absent(split, LinkSettings().judged_absent)
        measure: Measure = "pairs" if self.catalogue else "hits"
        ask = Ask(measure, queries, split.validation, rivals_of(graph), queries, absent)
        moments = {"validation": lists, "test": lists}
        return Exam(
            f"{self.title} {split.name.split()[-1]}", graph.nodes, moments, {"links": ask},
            is_graph=True, words=self.words, hits_of=len(split.test_absent),
        )  # fmt: skip

    def judge(self, split: LinkSplit, method: Method) -> np.ndarray:
        """The metrics of one split, by the code that judges Onward."""
        if self.catalogue:
            found = rank_links(method, split.test, rivals_of(split.known)).metrics()
            return np.array([found[metric].mean() for metric in self.metrics])
        edges, absent = (
            score_pairs(method, pairs[:, 0], pairs[:, 1], split.graph.nodes)
            for pairs in (split.test, split.test_absent)
        )
        return np.array([hits(edges, absent, len(absent))])

    def sit(self, room: Room, peer: str) -> list[Sitting] | None:
        """A peer in every split; None if any is missing."""
        found: list[Sitting] = []
        for split in self.splits[: TRAINED_SPLITS if GRID[peer].trained else None]:
            picked = [found[0].told["picked"]["links"]["setting"]] if found else None
            sat = room.sit(self.exam(split), peer, self._judge_of(split), 1, picked)
            if sat is None:
                return None
            found.append(sat)
        return found

    def _judge_of(self, split: LinkSplit) -> Callable[[str, np.ndarray], np.ndarray]:
        return lambda _ask, scores: self.judge(split, lambda nodes: scores[nodes].astype(np.float64))

    def control(self) -> Control:
        """Reversed edges, which have no setting, against what benchmarks.direction.dirlink recorded."""
        here = [self.judge(split, ReversedEdges().fit(split.graph))[0] for split in self.splits]
        recorded = Published.of("direction_dirlink").row(data=self.data, method=CONTROL, metric=self.metrics[0])
        return Control(self.title, CONTROL, float(recorded["mean"]), float(np.mean(here)))


def tasks(folder: Path) -> list[Task]:
    """Both questions about Photo, and the one about Cora-ML."""
    graph, words = cora_ml(folder), cora_ml_words(folder)[1]
    splits = [cora_ml_split(folder, number, graph) for number in range(CORA_SPLITS)]
    found = [Task("Cora-ML", "Cora-ML", ("Hits@100",), splits, words, catalogue=False)]
    graph, words = photo(folder), photo_words(folder)[1]
    for data, title, metrics, test in (
        ("Photo", "Amazon Photo", ("Hits@100",), _TEST),
        ("Photo catalogue", "Amazon Photo, whole catalogue", ("hr@10", "mrr@10"), _CATALOGUE_TEST),
    ):
        splits = [random_split(graph, "Photo", seed, _VALIDATION, test) for seed in range(PHOTO_SPLITS)]
        found.append(Task(data, title, metrics, splits, words, catalogue=len(metrics) > 1))
    return found


def lines(task: Task, room: Room) -> list[Line]:
    """Onward as it was recorded, and every peer."""
    recorded = Published.of("direction_dirlink")
    sittings = {peer: task.sit(room, peer) for peer in PEERS}
    found: list[Line] = []
    for number, metric in enumerate(task.metrics):
        onward = recorded.over_splits(data=task.data, method="blend", metric=metric)
        words = "trees over counts and encoder"
        found.append(Line(task.title, metric, ONWARD, onward, None, words, len(task.splits), recorded.note))
        for peer, sat in sittings.items():
            if sat is None:
                found.append(Line(task.title, metric, peer, None, note=NOT_RUN))
                continue
            value = over_splits([float(each.judged["links"][0][number]) for each in sat])
            note = sat[0].note if len(sat) == len(task.splits) else f"{sat[0].note}; the first {len(sat)} splits only"
            setting = sat[0].setting("links")
            found.append(Line(task.title, metric, peer, value, lead(onward, value), setting, len(sat), note))
        for peer, what in GRID.items():
            if what.why_not:
                found.append(Line(task.title, metric, peer, None, note=f"{DOES_NOT_APPLY}: {what.why_not}"))
    return found
