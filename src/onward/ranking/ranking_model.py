"""The model that orders what a shop is shown: evidence, one learned lift a relation, and a weight on popularity.

What `evaluate` judges, `deploy` lists and the benchmarks measure comes from here, so that they agree.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from onward.ranking.candidates import CandidateSearch
from onward.ranking.directed_graph import Ints
from onward.ranking.evidence import Evidence, feature_names, pair_features
from onward.ranking.learned_lift import RELATIONS, LearnedLift
from onward.ranking.order_score import order_score
from onward.threads import map_in_order

Floats = npt.NDArray[np.float64]

_SOURCES_AT_ONCE = 128


@dataclass(frozen=True)
class ScoredPairs:
    """Pairs of short lists, source by source, and what each relation says of them: [n] each.

    Attributes:
        source: in the order of the request.
        candidate: ascending within a source.
        cooccurrence: f of one basket.
        after: f of v bought new after u.
        before: f of u bought new after v; None where it was not requested.
    """

    source: Ints
    candidate: Ints
    cooccurrence: Floats
    after: Floats
    before: Floats | None

    @property
    def direction(self) -> Floats:
        """[n] f_after(u, v) - f_after(v, u): above 0 where v tends to come second; 0 where it was not requested."""
        return np.zeros(len(self.source)) if self.before is None else self.after - self.before


@dataclass(frozen=True)
class RankingModel:
    """See the module's docstring.

    Attributes:
        evidence: as of the clock.
        lifts: fitted models, by relation.
        short_list: candidates that every relation adds at every weight.
        threads: what is made does not depend on it.
    """

    evidence: Evidence
    lifts: Mapping[str, LearnedLift]
    short_list: int
    threads: int

    @cached_property
    def search(self) -> CandidateSearch:
        """Of short lists."""
        return CandidateSearch.of(self.evidence)

    def scored(self, sources: Ints, *, backwards: bool) -> Iterator[ScoredPairs]:
        """The scored short lists of sources, a block at a time.

        Args:
            sources: [m] products.
            backwards: whether to ask for the other order too.
        """
        names = feature_names(self.evidence)
        search = self.search

        def score(block: Ints) -> ScoredPairs:
            pairs = search.around(block, self.short_list)
            u, v = pairs.source, pairs.candidate
            # Both relations read the same features, which take as long as the trees.
            rows = pair_features(self.evidence, u, v)
            cooccurrence, after = (self.lifts[name].score_rows(names, rows, threads=1) for name in RELATIONS)
            before = self.lifts["after"].score(self.evidence, v, u, threads=1) if backwards else None
            return ScoredPairs(u, v, cooccurrence, after, before)

        blocks = (sources[start : start + _SOURCES_AT_ONCE] for start in range(0, len(sources), _SOURCES_AT_ONCE))
        # Features take most of the time, so threads share out the sources and not the trees.
        return map_in_order(score, blocks, self.threads)

    def popularity(self, relation: str) -> Floats:
        """[P] P(v) of the relation, 0 for what is no candidate."""
        popularity = self.evidence.popularity
        return popularity.cooccurrence if relation == "together" else popularity.after

    def order(self, sources: Ints, relation: str, weight: float, count: int) -> Ints:
        """[m, count] candidates of any type, by `order_score`, best first; -1 where there are no more.

        Args:
            sources: [m] distinct products.
            relation: together or after.
            weight: 0 for the most related, 1 for the most probable.
            count: of each list.
        """
        return self.ordered(self.scored(sources, backwards=False), relation, weight, count)

    def ordered(self, scored: Iterable[ScoredPairs], relation: str, weight: float, count: int) -> Ints:
        """Like `order`, of short lists that are scored already."""
        share = self.popularity(relation)
        blocks = [np.empty((0, count), dtype=np.int64)]
        for rows in scored:
            lift = rows.cooccurrence if relation == "together" else rows.after
            score = order_score(lift, share[rows.candidate], weight)
            blocks.append(best_of_each(rows.source, rows.candidate, score, count))
        return np.concatenate(blocks)


def best_of_each(source: Ints, candidate: Ints, score: Floats, count: int) -> Ints:
    """[m, count] the best candidates of each source, in the order in which sources come; ties go by number.

    >>> best_of_each(np.array([7, 7, 7]), np.array([1, 2, 3]), np.array([0.5, 0.9, 0.9]), 2).tolist()
    [[2, 3]]
    """
    starts = np.r_[True, source[1:] != source[:-1]][: len(source)]
    group = np.cumsum(starts) - 1
    order = np.lexsort((candidate, -score, group))
    place = place_in_run(group[order])
    table = np.full((int(starts.sum()), count), -1, dtype=np.int64)
    kept = place < count
    table[group[order][kept], place[kept]] = candidate[order][kept]
    return table


def place_in_run(values: Ints) -> Ints:
    """[n] place, from 0, of each value among the equal ones next to it.

    >>> place_in_run(np.array([4, 4, 9, 4])).tolist()
    [0, 1, 0, 0]
    """
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]][: len(values)])
    length = np.diff(np.r_[starts, len(values)])
    return np.arange(len(values)) - np.repeat(starts, length)
