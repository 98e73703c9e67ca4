"""Products like one, by what the encoder has learnt of both: an answer for every product, whatever was counted of it.

Lists rest on counts and hold a few products of each; this looks through the whole catalogue, and so can be asked within
a category or any other filter. It gives likeness and no chance: what somebody buys next is the lists' to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from onward.model.embeddings import Embeddings
from onward.serving.index import EmbeddingIndex

Bools = npt.NDArray[np.bool_]

ALIKE, NEXT = "alike", "next"
"""Leads to the same others as the product; is bought after it."""


@dataclass(frozen=True)
class SimilarProducts:
    """The indexes over a bundle's embeddings; each is made when it is asked first.

    Attributes:
        embeddings: of all P products.
    """

    embeddings: Embeddings

    def of(self, product: int, count: int, relation: str = ALIKE, allowed: Bools | None = None) -> Mapping[int, float]:
        """Up to `count` products and their likeness, best first, without the product itself.

        Args:
            product: inside number.
            count: at most.
            relation: ALIKE or NEXT.
            allowed: [P] which products may be named; None allows all.

        Returns:
            On the scale of log lifts, see `Embeddings`.
        """
        alike = relation == ALIKE
        index = self._of_sources if alike else self._of_targets
        query = self.embeddings.as_read("together" if alike else "after", product)
        # One more, as the product is among those it is like.
        numbers, scores = index.top(query, count + 1, allowed)
        others = [(number, score) for number, score in zip(numbers.tolist(), scores.tolist(), strict=True)]
        return dict([pair for pair in others if pair[0] != product][:count])

    @cached_property
    def _of_sources(self) -> EmbeddingIndex:
        return EmbeddingIndex.of(self.embeddings.source)

    @cached_property
    def _of_targets(self) -> EmbeddingIndex:
        return EmbeddingIndex.of(self.embeddings.target)
