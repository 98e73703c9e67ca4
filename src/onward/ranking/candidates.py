"""Which candidates a source's list may be made of: those that plain counts put forward, for every weight asked.

The learned lift is too dear for every pair of a catalogue. Shrunk lifts are cheap, and at several weights on popularity
they hold most of what the learned lift would put on top; `python -m benchmarks.related` states the share.

Nor is every pair looked at. What was never seen with the source has no more lift than its type's, and less the more
often it sells, so that one bound speaks for a block of alike products: a block that cannot beat what is held already is
passed over (as the block maxima of Ding and Suel 2011 do for words). What is found is the same as by looking at all.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from numba import njit

from onward.ranking.directed_graph import Ints
from onward.ranking.evidence import Evidence
from onward.ranking.purchase_log import distinct
from onward.ranking.relations import Relation

Floats = npt.NDArray[np.float64]

_TIMES = 2.0
_BLOCK = 64


@dataclass(frozen=True)
class Candidates:
    """Rows of candidates, source by source, ascending: [n] each."""

    source: Ints
    candidate: Ints


@dataclass(frozen=True)
class CandidateBlocks:
    """The candidates of one relation, in blocks of those with the same coarse codes that sell about as often.

    Attributes:
        relation: whose shrunk lifts put candidates forward.
        share: [C] P(v) of each candidate.
        member: [C] numbers of candidates, block by block.
        start: [B + 1] where each block begins.
        group_of: [C] place of each candidate's type in `of_group`.
        group: [B] that of each block's members.
        least: [B] how often its rarest member was there to be found.
        most: [B] share of its most popular member; blocks stand by it, the largest first.
        of_group: [G] a product of each type.
    """

    relation: Relation
    share: Floats
    member: Ints
    start: Ints
    group_of: Ints
    group: Ints
    least: Floats
    most: Floats
    of_group: Ints

    @classmethod
    def of(cls, relation: Relation, share: Floats, candidates: Ints) -> "CandidateBlocks":
        """Sort the candidates [C] into blocks.

        Args:
            relation: whose last level numbers the candidates.
            share: [P] of all products.
            candidates: [C] products, ascending.
        """
        right, shares = relation.counts[-1].right, share[candidates]
        coarse = np.stack([np.zeros(len(candidates), np.int64), *(codes[candidates] for codes in relation.codes[:-1])])
        _, first, group = np.unique(coarse, axis=1, return_index=True, return_inverse=True)
        member = np.lexsort((right[: len(candidates)], group))
        grouped = group[member]
        place = np.arange(len(member)) - np.searchsorted(grouped, grouped)
        start = np.flatnonzero(place % _BLOCK == 0)
        blocks = np.split(member, start[1:])
        most = np.maximum.reduceat(shares[member], start) if len(start) else np.zeros(0)
        order = np.argsort(-most, kind="stable")
        blocks = [blocks[block] for block in order]
        return cls(
            relation,
            shares,
            np.concatenate([np.zeros(0, np.int64), *blocks]).astype(np.int64),
            np.cumsum([0, *map(len, blocks)]),
            group.astype(np.int64),
            grouped[start][order].astype(np.int64),
            right[member[start]][order],
            most[order],
            candidates[first],
        )

    def best(self, sources: Ints, each: int) -> Ints:
        """[m, 3 each] numbers of the candidates that `order_score` puts first at three weights; ties go by number.

        These are the most related, what is twice chance by how much more, and the most probable; no source is its own.

        Args:
            sources: [m] products.
            each: fewer than there are candidates.
        """
        counts = self.relation.counts[-1]
        seen = (counts.observed.indptr, counts.observed.indices, counts.observed.data)
        blocks = (self.member, self.start, self.group, self.least, self.most)
        # A source that is no candidate has no counts of its own.
        own = self.relation.codes[-1][sources]
        there = np.where(own >= 0, counts.left[own], 0.0)
        found = np.full((len(sources), 3, each), -1, dtype=np.int64)
        strength = self.relation.strengths[-1]
        said = strength * self._types(sources)
        fixed = (strength, max(counts.trials, 1.0))
        _search(seen, blocks, (counts.right, self.share, self.group_of), (own, there), said, fixed, found)
        return found.reshape(len(sources), 3 * each)

    def _types(self, sources: Ints) -> Floats:
        """[m, G] what the types say of every type with each source's."""
        relation = self.relation
        above = replace(relation, codes=relation.codes[:-1], counts=relation.counts[:-1])
        return above.rows(sources, self.of_group)


@dataclass(frozen=True)
class CandidateSearch:
    """What both relations put forward.

    Attributes:
        candidates: [C] products that may be recommended, ascending.
        relations: their blocks by relation.
    """

    candidates: Ints
    relations: tuple[CandidateBlocks, ...]

    @classmethod
    def of(cls, evidence: Evidence) -> "CandidateSearch":
        """Prepare the search among the candidates of the evidence."""
        popularity = evidence.popularity
        both = ((evidence.cooccurrence, popularity.cooccurrence), (evidence.after, popularity.after))
        blocks = (CandidateBlocks.of(relation, share, evidence.candidates) for relation, share in both)
        return cls(evidence.candidates, tuple(blocks))

    def around(self, sources: Ints, each: int) -> Candidates:
        """The candidates of sources.

        Args:
            sources: [m] products.
            each: how many candidates every relation adds at every weight.
        """
        count = len(self.candidates)
        if each < count:
            found = np.concatenate([blocks.best(sources, each) for blocks in self.relations], axis=1)
        else:
            found = np.broadcast_to(np.arange(count), (len(sources), count))
        row, number = np.divmod(distinct((found + count * np.arange(len(sources))[:, None]).ravel()), max(count, 1))
        source, candidate = sources[row], self.candidates[number]
        return Candidates(source[source != candidate], candidate[source != candidate])


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _search(
    seen: tuple[Ints, Ints, npt.NDArray[np.float32]],
    blocks: tuple[Ints, Ints, Ints, Floats, Floats],
    of_candidates: tuple[Floats, Floats, Ints],
    of_sources: tuple[Ints, Floats],
    said: Floats,
    fixed: tuple[float, float],
    found: Ints,
) -> None:
    """Fill `found` [m, 3, each]; `said` [m, G] is what the types say of each source with each type, times strength."""
    offsets, columns, observed = seen
    member, start, group, least, most = blocks
    right, share, group_of = of_candidates
    own, there = of_sources
    strength, trials = fixed
    met_by = np.full(len(share), -1, np.int64)
    best = np.empty(found.shape[1:], np.float64)
    for row in range(len(own)):
        u = own[row]
        best[:] = -np.inf
        if u >= 0:
            met_by[u] = row
            for place in range(offsets[u], offsets[u + 1]):
                v = np.int64(columns[place])
                if v != u:
                    met_by[v] = row
                    lift = (observed[place] + said[row, group_of[v]]) / (there[row] * right[v] / trials + strength)
                    _offer(lift, share[v], v, best, found[row])
        for block in range(len(group)):
            of_type = said[row, group[block]]
            related, excess, probable = _scores(of_type / (there[row] * least[block] / trials + strength), most[block])
            if related < best[0, -1] and excess < best[1, -1] and probable < best[2, -1]:
                continue
            for v in member[start[block] : start[block + 1]]:
                if met_by[v] != row:
                    _offer(of_type / (there[row] * right[v] / trials + strength), share[v], v, best, found[row])


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _scores(lift: float, share: float) -> tuple[float, float, float]:
    """None falls where lift or share rises."""
    return lift, share * (lift - _TIMES) if lift > _TIMES else lift - _TIMES, share * lift


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _offer(lift: float, share: float, v: int, best: Floats, found: Ints) -> None:
    """Put v in its place of each of three lists, best first, if it has one."""
    scores = _scores(lift, share)
    for way in range(len(scores)):
        score, held, items = scores[way], best[way], found[way]
        place = len(held) - 1
        if score < held[place] or (score == held[place] and v > items[place]):
            continue
        while place > 0 and (score > held[place - 1] or (score == held[place - 1] and v < items[place - 1])):
            held[place] = held[place - 1]
            items[place] = items[place - 1]
            place -= 1
        held[place] = score
        items[place] = v
