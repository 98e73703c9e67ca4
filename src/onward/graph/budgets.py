"""How many neighbours a product may be heard by.

A budget says, for each product, hop and role, how many edges a sample keeps at most, how many products of a further
hop are added to them, and which neighbours are preferred. In and out degrees have budgets of their own.
"""

from dataclasses import dataclass

import numpy as np

from onward.errors import DataError
from onward.graph.product_graph import FloatArray, IntArray, ProductGraph


@dataclass(frozen=True)
class Budget:
    """What a sample may take; see the module's docstring.

    Attributes:
        out_fan: [hops, P] how many out-edges a product in the source role keeps at most.
        in_fan: [hops, P] the same for in-edges and the target role.
        out_walks: [hops, P] how many targets two steps away are added for a product in the source role.
        in_walks: [hops, P] the same for sources and the target role.
        out_weight: [E] preference among out-edges, in the graph's order; None prefers none.
        in_weight: [E] preference among in-edges, in the order of the reverse relation.
    """

    out_fan: IntArray
    in_fan: IntArray
    out_walks: IntArray
    in_walks: IntArray
    out_weight: FloatArray | None = None
    in_weight: FloatArray | None = None

    def __post_init__(self) -> None:
        """Refuse shapes that do not fit together.

        Raises:
            DataError: they do not.
        """
        expected = self.out_fan.shape
        for name in ("in_fan", "out_walks", "in_walks"):
            if (shape := getattr(self, name).shape) != expected:
                raise DataError(
                    f"budget: {name} has shape {shape}, expected {expected} (hops, products) as out_fan has"
                )


def uniform_budget(graph: ProductGraph, fan_out: tuple[int, ...]) -> Budget:
    """The same fan-out for every product, one number a hop, every neighbour equally likely."""
    fan = np.repeat(np.array(fan_out, dtype=np.int64)[:, None], graph.products, axis=1)
    return Budget(fan, fan, np.zeros_like(fan), np.zeros_like(fan))
