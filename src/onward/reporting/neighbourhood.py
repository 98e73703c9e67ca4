"""Which products show best what the directed graph knows, and what comes before and after them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

# Of S customers one way and R the other, (S - R) / sqrt(S + R) is about standard normal when the order is a coin's.
_ONE_WAY = 2.0


@dataclass(frozen=True)
class Neighbour:
    """A product that comes before or after another one.

    Attributes:
        name: of the product.
        so: customers who newly bought in this order.
        reversed: at most so many newly bought in the other order.
    """

    name: str
    so: int
    reversed: int


@dataclass(frozen=True)
class Neighbourhood:
    """A product, what leads to it and what it leads to, the surest first."""

    name: str
    before: tuple[Neighbour, ...]
    after: tuple[Neighbour, ...]


def one_way_neighbourhoods(
    edges: pd.DataFrame, names: Sequence[str], count: int = 3, most: int = 4
) -> tuple[Neighbourhood, ...]:
    """Pick the products with the surest one-way neighbours on both sides; no name comes twice.

    The graph knows no pair behind which there are fewer customers than its least support. Where the other order is
    missing, one customer less than that is assumed.

    Args:
        edges: of the product graph; columns source, target, support and reverse_support.
        names: of all products.
        count: how many products at most.
        most: how many neighbours at most on either side.

    >>> edges = pd.DataFrame({"source": [0, 1, 1], "target": [1, 2, 3], "support": [9, 20, 3], "reverse_support": 0})
    >>> found, = one_way_neighbourhoods(edges, ["phone", "case", "strap", "cup"])
    >>> found.name, found.after
    ('case', (Neighbour(name='strap', so=20, reversed=2),))
    """
    so, back = (edges[name].to_numpy(np.float64) for name in ("support", "reverse_support"))
    back = np.maximum(back, so.min(initial=np.inf) - 1.0)
    sure = edges.assign(back=back.astype(np.int64), z=(so - back) / np.sqrt(so + back)).query("z >= @_ONE_WAY")
    sure = sure.sort_values(["z", "source", "target"], ascending=[False, True, True], kind="stable")
    sides = {end: sure.groupby(end, sort=False).head(most) for end in ("target", "source")}
    # A sum would let one side stand in for the other: the weaker side decides.
    weights = [side.groupby(end)["z"].sum() for end, side in sides.items()]
    both = pd.concat(weights, axis=1, join="inner").min(axis=1)
    neighbourhoods: list[Neighbourhood] = []
    named: set[str] = set()
    for product in both.sort_values(ascending=False, kind="stable").index:
        before, after = (
            _neighbours(side[side[end] == product], other, names)
            for (end, side), other in zip(sides.items(), ("source", "target"), strict=True)
        )
        members = [names[product], *(neighbour.name for neighbour in (*before, *after))]
        if len(set(members)) == len(members) and not named & set(members):
            named |= set(members)
            neighbourhoods.append(Neighbourhood(names[product], before, after))
        if len(neighbourhoods) == count:
            break
    return tuple(neighbourhoods)


def _neighbours(edges: pd.DataFrame, end: str, names: Sequence[str]) -> tuple[Neighbour, ...]:
    columns = (edges[name].tolist() for name in (end, "support", "back"))
    return tuple(Neighbour(names[other], int(so), back) for other, so, back in zip(*columns, strict=True))
