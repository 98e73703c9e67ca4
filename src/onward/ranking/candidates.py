"""Which candidates a source's list may be made of: those that plain counts put forward, for every weight asked.

The learned lift is too dear for every pair of a catalogue. Shrunk lifts of a row are cheap, and at several weights on
popularity they hold most of what the learned lift would put on top; `python -m benchmarks.related` states the share.
"""

from dataclasses import dataclass

import numpy as np

from onward.ranking.directed_graph import Ints
from onward.ranking.evidence import Evidence

_TIMES = np.float32(2.0)


@dataclass(frozen=True)
class Candidates:
    """Rows of candidates, source by source, ascending: [n] each."""

    source: Ints
    candidate: Ints


def generate_candidates(evidence: Evidence, sources: Ints, each: int) -> Candidates:
    """The candidates of a block of sources: memory grows with sources times candidates.

    Args:
        evidence: as of the clock.
        sources: [m] products.
        each: how many candidates every relation adds at every weight.
    """
    candidates, popularity = evidence.candidates, evidence.popularity
    count = min(each, len(candidates))
    listed = np.zeros((len(sources), len(candidates)), dtype=np.bool_)
    own = candidates[None, :] == sources[:, None]
    for relation, share in ((evidence.cooccurrence, popularity.cooccurrence), (evidence.after, popularity.after)):
        lift = relation.rows(sources, candidates)
        lift[own] = 0.0
        chance = share[candidates].astype(np.float32)
        # The most related, what is twice chance and more by how much, and the most probable: as `order_score`.
        for score in (lift, np.where(lift > _TIMES, chance * (lift - _TIMES), lift - _TIMES), chance * lift):
            order = np.argpartition(score, len(candidates) - count, axis=1)
            np.put_along_axis(listed, order[:, len(candidates) - count :], values=True, axis=1)
    listed &= ~own
    row, column = np.nonzero(listed)
    return Candidates(sources[row], candidates[column])
