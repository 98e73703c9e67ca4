"""Which candidates a source's list may be made of: those that plain counts put forward, for every weight asked.

The learned lift is too dear for every pair of a catalogue. Shrunk lifts of a row are cheap, and at several weights on
popularity they hold most of what the learned lift would put on top; `python -m benchmarks.related` states the share.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from onward.ranking.directed_graph import Ints
from onward.ranking.evidence import Evidence

_SOURCES_AT_ONCE = 128
_TIMES = np.float32(2.0)


@dataclass(frozen=True)
class Candidates:
    """Rows of candidates, source by source, ascending: [n] each."""

    source: Ints
    candidate: Ints


def generate_candidates(evidence: Evidence, sources: Ints, each: int) -> Iterator[Candidates]:
    """Yield the candidates of sources, a block at a time.

    Args:
        evidence: as of the clock.
        sources: [m] products.
        each: how many candidates every relation adds at every weight.
    """
    candidates, popularity = evidence.candidates, evidence.popularity
    count = min(each, len(candidates))
    for start in range(0, len(sources), _SOURCES_AT_ONCE):
        block = sources[start : start + _SOURCES_AT_ONCE]
        listed = np.zeros((len(block), len(candidates)), dtype=np.bool_)
        own = candidates[None, :] == block[:, None]
        for relation, share in ((evidence.cooccurrence, popularity.cooccurrence), (evidence.after, popularity.after)):
            lift = relation.rows(block, candidates)
            lift[own] = 0.0
            chance = share[candidates].astype(np.float32)
            # The most related, what is twice chance and more by how much, and the most probable: as `order_score`.
            for score in (lift, np.where(lift > _TIMES, chance * (lift - _TIMES), lift - _TIMES), chance * lift):
                order = np.argpartition(score, len(candidates) - count, axis=1)
                np.put_along_axis(listed, order[:, len(candidates) - count :], values=True, axis=1)
        listed &= ~own
        row, column = np.nonzero(listed)
        yield Candidates(block[row], candidates[column])
