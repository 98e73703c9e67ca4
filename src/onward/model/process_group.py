"""The processes that train one model together, by torch.distributed; one that trains alone is a group of one.

Each process takes an equal part of every batch. Its rivals are the targets of the whole batch, gathered from all, and
gradients are averaged, so that a group learns what one process would from the same batch (van den Oord et al. 2018,
arXiv 1807.03748, on why rivals matter; https://docs.pytorch.org/docs/stable/notes/ddp.html).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_gather
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class ProcessGroup:
    """This process's place among those that train together.

    Attributes:
        rank: 0 .. size - 1; 0 reports and keeps.
        size: how many processes there are.
    """

    rank: int = 0
    size: int = 1

    def part(self, batch: int) -> slice:
        """Which examples of a batch are this process's.

        >>> ProcessGroup(1, 4).part(12)
        slice(3, 6, None)
        """
        own = batch // self.size
        return slice(self.rank * own, (self.rank + 1) * own)

    def averaging(self, model: nn.Module) -> nn.Module:
        """The model, with gradients averaged over all processes as they are computed."""
        return DistributedDataParallel(model, broadcast_buffers=False) if self.size > 1 else model

    def gather(self, rows: Tensor) -> Tensor:
        """[size n, d] the rows [n, d] of all processes, by rank; gradients find their way back."""
        if self.size == 1:
            return rows
        return torch.cat(all_gather(rows))  # type: ignore[no-untyped-call]  # torch's own, without types

    def mean(self, value: float) -> float:
        """The mean of every process's value."""
        return float(sum(self.collect(value)) / self.size)

    def collect(self, value: Any) -> list[Any]:
        """Every process's value, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values


ALONE = ProcessGroup()


@contextmanager
def joined() -> Iterator[ProcessGroup]:
    """Join the group that torchrun describes in the environment; it ends with the block."""
    distributed.init_process_group("gloo")
    try:
        yield ProcessGroup(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
