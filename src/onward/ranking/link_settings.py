"""What the blend of a plain graph may choose from: one configuration for all graphs, and which scores it reads."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from onward.ranking.blend import BlendSettings
from onward.ranking.catalogue_ranker import RankerSettings
from onward.ranking.directed_graph import DirectedGraph
from onward.ranking.link_folds import Fold, cross_fit
from onward.ranking.link_scores import GRIDS, LinkScore, NeighbourhoodAttributes, PropagatedAttributes, SmoothedEdges
from onward.ranking.whole_graph import WholeGraphEncoder

ENCODER = "encoder"

ENCODERS = (
    (35.0, WholeGraphEncoder()),
    (12.75, WholeGraphEncoder(learning_rate=0.01, hidden=0.15, heads=3, coordinates=512)),
)
"""Nodes a training step, and the encoder: a larger graph takes more steps."""

BLENDS = (
    BlendSettings(linear=True, both_ways=True),
    BlendSettings(linear=False, both_ways=False),
    BlendSettings(linear=False, both_ways=True, iterations=400, leaves=24, min_rows_in_leaf=60),
    BlendSettings(linear=False, both_ways=False, iterations=700, leaves=31, min_rows_in_leaf=100, feature_share=0.3),
)
RANKERS = (RankerSettings(objective="binary"), RankerSettings(objective="lambdarank"))

_OF_ATTRIBUTES = (PropagatedAttributes, NeighbourhoodAttributes, SmoothedEdges)

Scores = Mapping[str, Mapping[str, LinkScore]]
"""Every setting of every method, by the method and then by a name of the setting's own."""


@dataclass(frozen=True)
class LinkSettings:
    """How a graph's blend is fitted; validation edges choose among what is a tuple.

    Attributes:
        encoders: see `ENCODERS`.
        blends: of pair scores, for "is there an edge".
        rankers: of short lists, for "what is listed".
        held_out: share of the edges that a round takes out to learn from.
        learnt_edges: as many rounds as give the blend this many edges, and at least `least_rounds`.
        absent: non-edges that are learnt from for every held-out edge.
        judged_absent: non-edges that a validation edge has to beat.
        per_proposer: candidates that each method proposes for a short list.
        threads: of LightGBM and torch.
    """

    encoders: tuple[tuple[float, WholeGraphEncoder], ...] = ENCODERS
    blends: tuple[BlendSettings, ...] = BLENDS
    rankers: tuple[RankerSettings, ...] = RANKERS
    held_out: float = 0.15
    learnt_edges: int = 3900
    least_rounds: int = 2
    absent: int = 10
    judged_absent: int = 10
    per_proposer: int = 100
    threads: int = 1

    def with_threads(self, threads: int) -> "LinkSettings":
        """The same on so many threads."""
        return replace(
            self,
            encoders=tuple((share, replace(encoder, threads=threads)) for share, encoder in self.encoders),
            blends=tuple(replace(blend, threads=threads) for blend in self.blends),
            rankers=tuple(replace(ranker, threads=threads) for ranker in self.rankers),
            threads=threads,
        )

    def encoders_for(self, graph: DirectedGraph) -> Sequence[WholeGraphEncoder]:
        """The encoders with as many steps as a graph of this size takes; none without attributes."""
        if graph.attributes is None:
            return ()
        return [replace(encoder, steps=max(1, round(graph.nodes / share))) for share, encoder in self.encoders]

    def folds(self, graph: DirectedGraph, absent: int) -> Iterator[Fold]:
        """Rounds of held-out edges to learn from."""
        rounds = max(self.least_rounds, math.ceil(self.learnt_edges / (self.held_out * len(graph.edges))))
        return cross_fit(graph, rounds, self.held_out, absent, seed=7)


def scores_for(graph: DirectedGraph, encoder: LinkScore | None) -> Scores:
    """What can be asked of a graph: all of `GRIDS`, but for attributes where it has none, and an encoder if given."""
    grids: dict[str, Sequence[LinkScore]] = {
        method: grid
        for method, grid in GRIDS.items()
        if graph.attributes is not None or not isinstance(grid[0], _OF_ATTRIBUTES)
    }
    if encoder is not None:
        grids[ENCODER] = (encoder,)
    return by_name(grids)


def by_name(grids: Mapping[str, Sequence[LinkScore]]) -> Scores:
    """Every setting of every method under a name of its own."""
    return {
        method: {f"{method} {number}": score for number, score in enumerate(grid)} for method, grid in grids.items()
    }


def every_score(scores: Scores) -> dict[str, LinkScore]:
    """All settings of all methods, by their own names."""
    return {name: score for grid in scores.values() for name, score in grid.items()}
