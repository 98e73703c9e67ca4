"""Lists of the same sources at several weights, whose short lists are scored only once."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from onward.ranking.directed_graph import Ints
from onward.ranking.list_names import COLUMNS, GOES_WITH
from onward.ranking.ranking_model import RankingModel, ScoredPairs
from onward.ranking.related_lists import ListSettings, lists_of


@dataclass
class ScoredLists:
    """The scored short lists of the last sources that lists were made for, and the table of those lists.

    Attributes:
        model: the ranking that is served.
        settings: of the lists that are served.
        deepest: entries of a list that are evaluated.
        table: lists made by the last call of `goes_with`, columns COLUMNS.
    """

    model: RankingModel
    settings: ListSettings
    deepest: int = 50
    table: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(COLUMNS)))
    _sources: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    _scored: list[ScoredPairs] = field(default_factory=list)

    def order(self, sources: Ints, relation: str, weight: float) -> Ints:
        """[m, deepest] products of any type by `order_score`, -1 after the last.

        Args:
            sources: [m] distinct products, ascending.
            relation: "basket" or "later".
            weight: on popularity.
        """
        name = "together" if relation == "basket" else "after"
        return self.model.ordered(self._rows(sources), name, weight, self.deepest)

    def goes_with(self, sources: Ints) -> Ints:
        """[m, deepest] complements exactly as they are served, -1 after the last."""
        self.table = lists_of(self.model, sources, self._rows(sources), self.settings)
        listed = self.table[((self.table["list"] == GOES_WITH) & (self.table["rank"] <= self.deepest)).to_numpy(bool)]
        others = np.full((len(sources), self.deepest), -1, dtype=np.int64)
        source_row = np.searchsorted(sources, listed["product"].to_numpy(np.int64))
        others[source_row, listed["rank"].to_numpy(np.int64) - 1] = listed["other"].to_numpy(np.int64)
        return others

    def _rows(self, sources: Ints) -> list[ScoredPairs]:
        if not np.array_equal(sources, self._sources):
            self._scored = list(self.model.scored(sources, backwards=self.settings.directed))
            self._sources = sources
        return self._scored
