"""The simulated shop itself: products, who complements whom, and customers' tastes.

Everything is drawn by array operations from seeded generators, so that a thousand products take milliseconds and a
million take seconds.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from onward.random_streams import SimulatorStream

FAVOURITES = 3
FAVOURITE_WEIGHTS = np.array([0.5, 0.3, 0.2])

_POPULARITY_EXPONENT = 0.8
_MAX_COMPLEMENTS = 50
_MAX_FOLLOW_UPS = 1.5  # expected purchases that one purchase leads to
_TWO_WAY_SHARE = 0.1
_ORDERS_PER_DAY = 0.1
_DAILY_DRIFT = 0.02


@dataclass(frozen=True)
class WeightedGroups:
    """Draws from many discrete distributions at once: items of a group, by weight."""

    items: np.ndarray  # sorted by group, [n]
    cumulative: np.ndarray  # running weight, [n + 1]
    starts: np.ndarray  # where each group begins, [groups + 1]

    @classmethod
    def of(cls, group: np.ndarray, weight: np.ndarray, groups: int) -> Self:
        """Item i belongs to group[i] and is drawn from it with probability proportional to weight[i]."""
        items = np.argsort(group, kind="stable")
        starts = np.r_[0, np.cumsum(np.bincount(group, minlength=groups))]
        return cls(items, np.r_[0.0, np.cumsum(weight[items])], starts)

    def mass(self, group: np.ndarray) -> np.ndarray:
        """Total weight of each group asked for; 0 when it is empty."""
        total: np.ndarray = self.cumulative[self.starts[group + 1]] - self.cumulative[self.starts[group]]
        return total

    def pick(self, group: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """One item of each group asked for; the groups must not be empty."""
        first, last = self.starts[group], self.starts[group + 1] - 1
        aim = self.cumulative[first] + uniform * self.mass(group)
        # Rounding may aim past either end of the group.
        place = np.clip(np.searchsorted(self.cumulative, aim, side="right") - 1, first, last)
        picked: np.ndarray = self.items[place]
        return picked


@dataclass(frozen=True)
class Edges:
    """The truth about complements: buying `source` leads to buying `target` with probability `strength`."""

    source: np.ndarray
    target: np.ndarray
    strength: np.ndarray
    products: int

    def look_up(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Strength of each pair, 0 where there is no edge; edges are sorted by source, then target."""
        edge_keys = self.source * self.products + self.target
        pair_keys = source * self.products + target
        place = np.minimum(np.searchsorted(edge_keys, pair_keys), len(edge_keys) - 1)
        return np.where(edge_keys[place] == pair_keys, self.strength[place], 0.0)


@dataclass(frozen=True)
class World:
    """A shop whose rules are known."""

    category: np.ndarray  # of each product, [P]
    department: np.ndarray  # of each category, [G]
    price: np.ndarray  # [P]
    popularity: np.ndarray  # share of sales before tastes, [P]
    by_category: WeightedGroups  # category → products
    edges: Edges
    followers: WeightedGroups  # source → edges
    leaders: WeightedGroups  # target → edges
    favourites: np.ndarray  # favourite categories of each customer, [C, FAVOURITES]
    rate: np.ndarray  # orders a day of each customer, [C]
    fashion: np.ndarray  # running share of categories, one row a day, each row lifted by the day, [days, G]

    def fashionable(self, day: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A product drawn by the popularity of that day, [n]."""
        place = np.searchsorted(self.fashion.ravel(), day + rng.random(len(day)))
        category = np.minimum(place, self.fashion.size - 1) % self.fashion.shape[1]
        return self.by_category.pick(category, rng.random(len(day)))

    def affinity(self, customer: np.ndarray, product: np.ndarray) -> np.ndarray:
        """How much the customer favours the product's category, from 0 to 1, [n]."""
        liked = self.favourites[customer] == self.category[product][:, None]
        weight: np.ndarray = liked @ FAVOURITE_WEIGHTS
        return weight


def random_walk(steps: int, width: int, rng: np.random.Generator, scale: float = _DAILY_DRIFT) -> np.ndarray:
    """Slow drift from 0, one row a day, [steps, width]."""
    walk: np.ndarray = np.cumsum(rng.normal(0.0, scale, (steps, width)), axis=0)
    return walk


def build_world(products: int, customers: int, days: int, seed: int) -> World:
    """Draw a shop; the same arguments give the same shop."""
    rng = np.random.default_rng([seed, SimulatorStream.WORLD])
    categories = int(np.clip(np.sqrt(products), 4, 1000))
    category = _categories_of(products, categories, rng)
    popularity = rng.permutation(np.arange(1, products + 1) ** -_POPULARITY_EXPONENT)
    popularity /= popularity.sum()
    by_category = WeightedGroups.of(category, popularity, categories)
    edges = _complements(category, WeightedGroups.of(category, popularity**0.7, categories), categories, rng)
    category_price = rng.lognormal(2.0, 0.6, categories)

    mass = by_category.mass(np.arange(categories))
    shares = mass * np.exp(random_walk(days, categories, rng))
    fashion = np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)
    fashion[:, -1] = 1.0
    taste = np.searchsorted(np.cumsum(mass), rng.random((customers, FAVOURITES)))
    return World(
        category=category,
        department=rng.integers(0, max(categories // 5, 2), categories),
        price=np.maximum(np.round(category_price[category] * rng.lognormal(0.0, 0.4, products), 2), 0.1),
        popularity=popularity,
        by_category=by_category,
        edges=edges,
        followers=WeightedGroups.of(edges.source, edges.strength, products),
        leaders=WeightedGroups.of(edges.target, edges.strength, products),
        favourites=np.minimum(taste, categories - 1),
        rate=rng.gamma(1.5, _ORDERS_PER_DAY / 1.5, customers),
        fashion=fashion + np.arange(days)[:, None],
    )


def _categories_of(products: int, categories: int, rng: np.random.Generator) -> np.ndarray:
    """Few large categories and many small ones, none of them empty, [P]."""
    sizes = np.arange(1, categories + 1) ** -0.5
    drawn = rng.choice(categories, products - categories, p=sizes / sizes.sum())
    return rng.permutation(np.r_[np.arange(categories), drawn])


def _complements(category: np.ndarray, targets: WeightedGroups, categories: int, rng: np.random.Generator) -> Edges:
    """Directed complements: categories follow categories, popular targets have more sources, most ways are one-way."""
    products = len(category)
    degree = np.minimum(1 + (2.5 * rng.pareto(1.6, products)).astype(np.int64), _MAX_COMPLEMENTS)
    source = np.repeat(np.arange(products), degree)
    # Three categories follow each category; the fourth choice is the category itself: accessories.
    following = np.c_[rng.integers(0, categories, (categories, 3)), np.arange(categories)]
    choice = rng.choice(4, len(source), p=[0.45, 0.25, 0.15, 0.15])
    target = targets.pick(following[category[source], choice], rng.random(len(source)))
    keys = np.unique((source * products + target)[source != target])
    source, target = keys // products, keys % products
    opposite = np.isin(target * products + source, keys, assume_unique=True)
    kept = ~opposite | (source < target)
    source, target = source[kept], target[kept]
    both = rng.random(len(source)) < _TWO_WAY_SHARE
    source, target = np.r_[source, target[both]], np.r_[target, source[both]]
    order = np.lexsort((target, source))
    source, target = source[order], target[order]
    strength = 0.02 + 0.58 * rng.beta(1.4, 3.6, len(source))
    total = np.bincount(source, strength, products)
    strength *= np.minimum(1.0, _MAX_FOLLOW_UPS / np.maximum(total, 1e-9))[source]
    return Edges(source, target, strength, products)
