"""Which way an edge goes: boosted trees over the scores of both orders of a pair.

They are fitted on held-out one-way edges, each shown in its true order and reversed, weighted so that degrees alone do
not tell the two apart (see `matched_weights`): otherwise the trees would learn little but degrees.
"""

from dataclasses import dataclass

import numpy as np

from onward.boosting import Bags, bin_rows, grow
from onward.ranking.blend import BlendSettings, Features
from onward.ranking.chains import Floats
from onward.ranking.node_facts import NODE_FACTS


@dataclass(frozen=True)
class DirectionBlend:
    """Fitted trees; scores of a pair and of its reverse add up to zero."""

    trees: Bags
    threads: int

    @classmethod
    def fit(cls, features: Features, weight: Floats, settings: BlendSettings) -> "DirectionBlend":
        """Fit to one-way edges.

        Args:
            features: [r, f] of edges u -> v, as `pair_features` gives them, seen from a graph without them.
            weight: [r] of each edge and of its reverse.
            settings: `linear` and `both_ways` are not asked.
        """
        rows = np.concatenate([_compared(features), _compared(turned_round(features))])
        label = np.repeat([1.0, 0.0], len(features)).astype(np.float32)
        grown = []
        for bag in range(settings.bags):
            boosting = settings.boosting(bag)
            grown.append(grow(bin_rows(rows, label, boosting, weight=np.tile(weight, 2)), boosting))
        return cls(Bags(tuple(grown)), settings.threads)

    def predict(self, features: Features) -> Floats:
        """[r] how much more likely u -> v is than v -> u: above 0 for u -> v, and minus that for the reverse."""
        there, back = (
            self.trees.raw_score(_compared(ordered), self.threads) for ordered in (features, turned_round(features))
        )
        return there - back


def turned_round(features: Features) -> Features:
    """The features of v -> u from those of u -> v.

    >>> row = np.repeat([[1, 2, 3, 4]], [2, 2, len(NODE_FACTS), len(NODE_FACTS)], axis=1)  # two scores
    >>> turned_round(row)[0, [0, 2, 4, -1]].tolist()
    [2, 1, 4, 3]
    """
    scores = features.shape[1] // 2 - len(NODE_FACTS)
    there, back, of_source, of_target = np.split(features, np.cumsum([scores, scores, len(NODE_FACTS)]), axis=1)
    return np.concatenate([back, there, of_target, of_source], axis=1)


def _compared(features: Features) -> Features:
    """Features of the pair, and how much they exceed those of its reverse."""
    return np.concatenate([features, features - turned_round(features)], axis=1)
