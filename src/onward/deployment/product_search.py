"""Find a product by what a person types."""

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt

from onward.errors import DataError


def find_products(words: str, names: Sequence[str], ids: Sequence[str], popularity: npt.ArrayLike) -> list[int]:
    """Positions of the products that match, the most popular first.

    In this order: the product id; names that hold all words (as words, else as parts of words, in any case); names
    that hold most of them; names that look alike, for typing errors.

    Raises:
        DataError: nothing comes near.

    >>> find_products("milk whole", ["Whole Milk", "Milk", "Bread"], ["1", "2", "3"], [5, 9, 1])
    [0]
    >>> find_products("whole milk", ["Melon Whole", "Fluid Milk", "Bread"], ["1", "2", "3"], [5, 9, 1])
    [1, 0]
    >>> find_products("bred", ["Whole Milk", "Milk", "Bread"], ["1", "2", "3"], [5, 9, 1])
    [2]
    """
    if words in ids:
        return [list(ids).index(words)]
    query = words.lower().split()
    lowered = [name.lower() for name in names]
    if not query:
        raise DataError('recommend: the name is empty; try `onward recommend "milk"`')
    whole = [place for place, name in enumerate(lowered) if set(query) <= set(name.replace(",", " ").split())]
    places = whole or [place for place, name in enumerate(lowered) if all(word in name for word in query)]
    if not places:
        # People say "whole milk" where the shop says "fluid milk": as many of the words as any name has.
        shared = [len(set(query) & set(name.replace(",", " ").split())) for name in lowered]
        most = max(shared, default=0)
        places = [place for place, count in enumerate(shared) if count == most > 0]
    if not places:
        close = set(get_close_matches(" ".join(query), sorted(set(lowered)), n=5, cutoff=0.6))
        places = [place for place, name in enumerate(lowered) if name in close]
    if not places:
        vocabulary = sorted({word for name in lowered for word in name.split()})
        close = set(get_close_matches(query[0], vocabulary, n=3, cutoff=0.75))
        places = [place for place, name in enumerate(lowered) if close & set(name.split())]
    if not places:
        raise DataError(
            f"recommend: no product of {len(names)} is named like {words!r}; try a part of its name, or its id"
        )
    counts = np.asarray(popularity, dtype=np.float64)
    return sorted(places, key=lambda place: (-counts[place], ids[place]))
