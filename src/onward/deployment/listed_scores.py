"""What is said of every pair among the first of a list, worked out once when the bundle is made.

Trees that meet every reference context are the dearest part of an answer. Nearly all answers are about pairs on lists,
so these are looked up. Any other pair is worked out when it comes, by the same function.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.deployment.served_lists import ServedLists
from onward.deployment.typical_answer import MEANS, Bools, Floats, Ints, TypicalScores
from onward.ranking.list_names import BEFORE
from onward.threads import map_in_order
from onward.thresholds.policy import Policy
from onward.uncertainty.levels import UncertaintyLevels

ScorePairs = Callable[[Ints, Ints], TypicalScores]
FILE = "listed_scores.parquet"

# So many pairs in all their contexts stay in the processor's cache; ten times as many take half as long again, each.
_PAIRS_AT_ONCE = 256
# Of each list: as many as an answer holds unless it is asked for more, which costs 50 µs a pair then.
_FIRST = 10


@dataclass(frozen=True)
class ListedScores:
    """The means of the first pairs of all lists; level and decision follow from them.

    Attributes:
        products: P of the catalogue.
        pair: [n] source · P + target, ascending.
        means: of `MEANS`, each [n].
        like_shown: [n] see TypicalScores.
        levels: classes of uncertainty.
        policy: from score and level to a decision.
    """

    products: int
    pair: Ints = field(repr=False)
    means: tuple[Floats, ...] = field(repr=False)
    like_shown: Bools = field(repr=False)
    levels: UncertaintyLevels
    policy: Policy

    @classmethod
    def of(
        cls, lists: ServedLists, levels: UncertaintyLevels, policy: Policy, score: ScorePairs, threads: int = 1
    ) -> Self:
        """Work out the first pairs of all lists.

        Args:
            lists: what is served.
            levels: classes of uncertainty.
            policy: from score and level to a decision.
            score: of pairs of inside numbers.
            threads: what is worked out does not depend on it.
        """
        products = len(lists.stands_for)
        first = lists.table[(lists.table["rank"] <= _FIRST).to_numpy(bool)]
        owner, other = (first[name].to_numpy(np.int64) for name in ("product", "other"))
        backwards = (first["list"] == BEFORE).to_numpy(bool)
        pair = np.unique(np.where(backwards, other, owner) * products + np.where(backwards, owner, other))
        blocks = (pair[start : start + _PAIRS_AT_ONCE] for start in range(0, len(pair), _PAIRS_AT_ONCE))
        answers = list(map_in_order(lambda block: score(block // products, block % products), blocks, threads))
        empty = np.zeros(0)
        means = tuple(np.concatenate([empty, *(getattr(answer, name) for answer in answers)]) for name in MEANS)
        like_shown = np.concatenate([empty.astype(np.bool_), *(answer.like_shown for answer in answers)])
        return cls(products, pair, means, like_shown, levels, policy)

    def answer(self, source: Ints, target: Ints, score: ScorePairs) -> TypicalScores:
        """What is said of n pairs of inside numbers.

        Args:
            source: [n] what was bought.
            target: [n] what would be shown.
            score: works out the pairs that stand on no list; not called where there are none.
        """
        wanted = source * self.products + target
        place = np.minimum(np.searchsorted(self.pair, wanted), max(len(self.pair) - 1, 0))
        listed = self.pair[place] == wanted if len(self.pair) else np.zeros(len(wanted), np.bool_)
        if not len(wanted) or not listed.any():
            return score(source, target)
        means = tuple(column[place] for column in self.means)
        like_shown = self.like_shown[place]
        if not listed.all():
            others = ~listed
            worked_out = score(source[others], target[others])
            for name, column in zip(MEANS, means, strict=True):
                column[others] = getattr(worked_out, name)
            like_shown[others] = worked_out.like_shown
        return TypicalScores.of(means, like_shown, self.levels, self.policy)

    def to_files(self) -> dict[str, Any]:
        """The means as a table, by name of file."""
        columns: dict[str, npt.NDArray[Any]] = {
            "source": (self.pair // self.products).astype(np.int32),
            "target": (self.pair % self.products).astype(np.int32),
            **dict(zip(MEANS, self.means, strict=True)),
            "like_shown": self.like_shown,
        }
        return {FILE: pd.DataFrame(columns)}

    @classmethod
    def from_files(cls, files: Mapping[str, Any], products: int) -> Self:
        """Rebuild what `to_files` gave; bundles from before these were kept have none."""
        levels, policy = UncertaintyLevels.from_dict(files["levels.json"]), Policy.from_dict(files["policy.json"])
        if FILE not in files:
            return cls.none(products, levels, policy)
        table = files[FILE]
        pair = table["source"].to_numpy(np.int64) * products + table["target"].to_numpy(np.int64)
        means = tuple(table[name].to_numpy(np.float64) for name in MEANS)
        return cls(products, pair, means, table["like_shown"].to_numpy(np.bool_), levels, policy)

    @classmethod
    def none(cls, products: int, levels: UncertaintyLevels, policy: Policy) -> Self:
        """Of a bundle that works every pair out."""
        empty = np.zeros(0)
        return cls(products, empty.astype(np.int64), (empty,) * len(MEANS), empty.astype(np.bool_), levels, policy)
