"""Find a product by what a person types."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import numpy as np
import numpy.typing as npt

from onward.errors import DataError

_BUCKETS = 64
_BETWEEN = re.compile(r"[\s,;:/()·]+")


@dataclass(frozen=True)
class ProductNames:
    """Names to be searched, prepared once for many questions.

    Attributes:
        names: [P] by inside number.
        ids: [P] outside ids.
        popularity: [P] customers, or anything that orders alike.
    """

    names: Sequence[str]
    ids: Sequence[str]
    popularity: npt.ArrayLike

    def find(self, words: str) -> list[int]:
        """Positions of the products that match, the most popular first.

        In this order: the product id; names that hold all words (as words, else as parts of words, in any case, be it
        one or many); names that hold most of them; names that look alike, for typing errors.

        Raises:
            DataError: nothing comes near.
        """
        if words in self._places:
            return [self._places[words]]
        query = _words(words)
        if not query:
            raise DataError('recommend: the name is empty; try `onward recommend "milk"`')
        kept = (
            self._with_all(query)
            or [number for number, name in enumerate(self._distinct) if all(word in name for word in query)]
            # People say "whole milk" where the shop says "fluid milk": as many of the words as any name has.
            or self._with_most(query)
            or self._alike(query)
        )
        if not kept:
            raise DataError(
                f"recommend: no product of {len(self.names)} is named like {words!r}; try a part of its name, or its id"
            )
        counts = np.asarray(self.popularity, dtype=np.float64)
        places = [place for number in kept for place in self._named[number]]
        return sorted(places, key=lambda place: (-counts[place], self.ids[place]))

    def prepare(self) -> None:
        """Do what the first question would wait for."""
        len(self._places)
        len(self._holding)
        len(self._letters)

    def _with_all(self, query: Sequence[str]) -> list[int]:
        return sorted(set.intersection(*(self._holding.get(word, set()) for word in query)))

    def _with_most(self, query: Sequence[str]) -> list[int]:
        shared = np.zeros(len(self._distinct), dtype=np.int64)
        for word in set(query):
            shared[list(self._holding.get(word, ()))] += 1
        most = int(shared.max(initial=0))
        return np.flatnonzero(shared == most).tolist() if most else []

    def _alike(self, query: Sequence[str]) -> list[int]:
        close = set(_close(" ".join(query), self._distinct, self._letters, 5, 0.6))
        if close:
            return [number for number, name in enumerate(self._distinct) if name in close]
        vocabulary = sorted(self._holding)
        close = set(_close(query[0], vocabulary, _letters(vocabulary), 3, 0.75))
        return sorted(set().union(*(self._holding[word] for word in close)))

    @cached_property
    def _places(self) -> dict[str, int]:
        # Of equal ids the first counts.
        return {identity: place for place, identity in reversed(list(enumerate(self.ids)))}

    @cached_property
    def _numbers(self) -> dict[str, list[int]]:
        """Places of every name in small letters."""
        places: dict[str, list[int]] = {}
        for place, name in enumerate(self.names):
            places.setdefault(name.lower(), []).append(place)
        return places

    @cached_property
    def _distinct(self) -> list[str]:
        return list(self._numbers)

    @cached_property
    def _named(self) -> list[list[int]]:
        return list(self._numbers.values())

    @cached_property
    def _holding(self) -> dict[str, set[int]]:
        """Distinct names that hold a word."""
        holding: dict[str, set[int]] = {}
        for number, name in enumerate(self._distinct):
            for word in _words(name):
                holding.setdefault(word, set()).add(number)
        return holding

    @cached_property
    def _letters(self) -> npt.NDArray[np.uint16]:
        return _letters(self._distinct)


def find_products(words: str, names: Sequence[str], ids: Sequence[str], popularity: npt.ArrayLike) -> list[int]:
    """Positions of the products that match, the most popular first; see `ProductNames.find`.

    Raises:
        DataError: nothing comes near.

    >>> find_products("milk whole", ["Whole Milk", "Milk", "Bread"], ["1", "2", "3"], [5, 9, 1])
    [0]
    >>> find_products("whole milk", ["Melon Whole", "Fluid Milk", "Bread"], ["1", "2", "3"], [5, 9, 1])
    [1, 0]
    >>> find_products("pasta sauce", ["Pasta Sauce: Value", "Pasta/Sauce", "Sauce"], ["1", "2", "3"], [5, 9, 1])
    [1, 0]
    >>> find_products("egg", ["Egg Colouring", "Eggs - Large"], ["1", "2"], [5, 9])
    [1, 0]
    >>> find_products("bred", ["Whole Milk", "Milk", "Bread"], ["1", "2", "3"], [5, 9, 1])
    [2]
    """
    return ProductNames(names, ids, popularity).find(words)


def _words(text: str) -> list[str]:
    """Words in small letters, without what stands between them; one egg is found among eggs."""
    found = _BETWEEN.split(text.lower())
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in found if word]


def _close(word: str, among: Sequence[str], letters: npt.NDArray[np.uint16], most: int, cutoff: float) -> Iterable[str]:
    """`difflib.get_close_matches`, of those alone whose letters allow it: the others cost it most of its time."""
    if not len(among):
        return []
    common = np.minimum(letters, _letters([word])[0]).sum(axis=1, dtype=np.int64)
    lengths = np.array([len(name) for name in among]) + len(word)
    possible = np.flatnonzero(2.0 * common >= cutoff * lengths - 1e-9)
    return get_close_matches(word, [among[number] for number in possible.tolist()], n=most, cutoff=cutoff)


def _letters(names: Sequence[str]) -> npt.NDArray[np.uint16]:
    """[n, 64] how often each letter stands in a name; letters of one column only raise what names have in common."""
    counts = np.zeros((len(names), _BUCKETS), dtype=np.uint16)
    for number, name in enumerate(names):
        codes = np.frombuffer(name.encode("utf-32-le", "replace"), dtype=np.uint32) % _BUCKETS
        np.add.at(counts[number], codes, 1)
    return counts
