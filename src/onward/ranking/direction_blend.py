"""Which way an edge goes: boosted trees over the scores of both orders of a pair.

They are fitted on held-out one-way edges, each shown in its true order and reversed, weighted so that degrees alone do
not tell the two apart (see `matched_weights` in evaluation/): otherwise the trees would learn little but degrees.
"""

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from onward.ranking.blend import BlendSettings, Features, booster_parameters, turned_round
from onward.ranking.chains import Floats


@dataclass(frozen=True)
class DirectionBlend:
    """Fitted trees; scores of a pair and of its reverse add up to zero."""

    trees: tuple[lgb.Booster, ...]
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
            seeded = booster_parameters(settings, settings.seed + bag)
            data = lgb.Dataset(rows, label=label, weight=np.tile(weight, 2), params=seeded)
            grown.append(lgb.train(seeded, data, num_boost_round=settings.iterations))
        return cls(tuple(grown), settings.threads)

    def predict(self, features: Features) -> Floats:
        """[r] how much more likely u -> v is than v -> u: above 0 for u -> v, and minus that for the reverse."""
        there, back = (self._raw(_compared(each)) for each in (features, turned_round(features)))
        return there - back

    def _raw(self, rows: Features) -> Floats:
        raw = [tree.predict(rows, raw_score=True, num_threads=self.threads) for tree in self.trees]
        return np.asarray(np.mean(raw, axis=0), dtype=np.float64)


def _compared(features: Features) -> Features:
    """Features of the pair, and how much they exceed those of its reverse."""
    return np.concatenate([features, features - turned_round(features)], axis=1)
