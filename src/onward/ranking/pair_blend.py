"""Is there an edge from u to v: a blend of every score of a pair, fitted on held-out edges and picked by validation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from onward.metrics.ranking import hits_at
from onward.ranking.blend import Blend, Features, PairRows, pair_features
from onward.ranking.chains import Floats
from onward.ranking.directed_graph import DirectedGraph, Ints
from onward.ranking.link_settings import LinkSettings, Scores
from onward.ranking.link_split import FittingSplit, more_absent
from onward.ranking.method import Method, score_pairs

HITS = 100

_BLOCK_ROWS = 50_000

Score = Callable[[Features], Floats]
"""Values of pairs from their features."""


@dataclass(frozen=True)
class PairBlend:
    """The fitted blend of a graph.

    Attributes:
        graph: the edges that its scores know.
        fitted: every score, by the name of its setting; their order is that of the features.
        blend: the trees.
        picks: by method, the setting that validation edges prefer.
        validation: Hits@100 of each blend setting on the validation edges, before these taught it.
    """

    graph: DirectedGraph
    fitted: Mapping[str, Method]
    blend: Blend
    picks: Mapping[str, str]
    validation: tuple[float, ...]

    def score(self, pairs: Ints) -> Floats:
        """[r] log-odds of [r, 2] pairs, up to a constant."""
        features = pair_features(self.fitted, self.graph, pairs)
        parts = [features[start : start + _BLOCK_ROWS] for start in range(0, len(features), _BLOCK_ROWS)]
        return np.concatenate([np.zeros(0), *(self.blend.predict(part) for part in parts)])


def hits(positive: Floats, negative: Floats, of: int) -> float:
    """Hits@K among `of` non-edges, in percent; where they are more or fewer, at the same share of false alarms."""
    return 100.0 * hits_at(positive, negative, max(1, round(judged_k(of) * len(negative) / of)))


def judged_k(of: int) -> int:
    """K of Hits@K among so many non-edges: 100, as is usual, or a tenth of them where they are fewer than 200.

    >>> judged_k(1234), judged_k(150), judged_k(4)
    (100, 15, 1)
    """
    return HITS if of >= 2 * HITS else max(1, of // 10)


def fit_pair_blend(
    split: FittingSplit, scores: Scores, fitted: Mapping[str, Method], learnt: PairRows, settings: LinkSettings, of: int
) -> PairBlend:
    """Pick each method's setting and the blend's by validation edges; these then teach the blend too.

    Args:
        split: what may be seen.
        scores: what is blended.
        fitted: all of it, fitted to the split's graph.
        learnt: rows of held-out edges, each seen from a graph without it.
        settings: what there is to pick from.
        of: non-edges among which Hits@100 will be asked.
    """
    column = {name: number for number, name in enumerate(fitted)}
    validation = PairRows.of(fitted, split.graph, split.validation, more_absent(split, settings.judged_absent))

    def quality(score: Score) -> float:
        return hits(*split_by_label(score, validation), of)

    picks = {
        method: max(grid, key=lambda name: quality(score_of_column(column[name]))) for method, grid in scores.items()
    }
    validation_hits = [quality(Blend.fit(learnt, blend_settings).predict) for blend_settings in settings.blends]
    best = settings.blends[int(np.argmax(validation_hits))]
    blend = Blend.fit(PairRows.joined([learnt, validation]), best)
    return PairBlend(split.graph, fitted, blend, picks, tuple(validation_hits))


def encoder_quality(method: Method, split: FittingSplit, judged_absent: int, of: int) -> float:
    """Hits@100 of the validation edges by one method alone."""
    pairs = (split.validation, more_absent(split, judged_absent))
    edges, absent = (score_pairs(method, part[:, 0], part[:, 1], split.graph.nodes) for part in pairs)
    return hits(edges, absent, of)


def split_by_label(score: Score, rows: PairRows) -> tuple[Floats, Floats]:
    """Scores of the edges and of the others."""
    values = score(rows.features)
    return values[rows.label], values[~rows.label]


def score_of_column(column: int) -> Score:
    """The score that is a column of the features."""
    return lambda rows: rows[:, column].astype(np.float64)
