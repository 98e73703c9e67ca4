"""How a training step moves the encoder: Adam, its rate rising and falling once (Smith and Topin, arXiv 1708.07120).

The free vectors of a large catalogue are moved by an Adam of their own, which leaves alone those that the batch does
not hold (https://docs.pytorch.org/docs/stable/generated/torch.optim.SparseAdam.html).
"""

from typing import Any

import torch
from torch import Tensor

from onward.model.encoder import DualEncoder


class OneCycle:
    """Optimizers and their rates, stepped as one."""

    def __init__(self, encoder: DualEncoder, rate: float, steps: int) -> None:
        """Prepare so many steps, the highest rate of which is `rate`."""
        free = encoder.tower.free
        others = [each for each in encoder.parameters() if not (free.sparse and each is free.weight)]
        self._encoder = encoder
        self._optimizers: list[torch.optim.Optimizer] = [torch.optim.Adam(others, lr=rate)]
        if free.sparse:
            self._optimizers.append(torch.optim.SparseAdam([free.weight], lr=rate))
        self._rates = [torch.optim.lr_scheduler.OneCycleLR(each, rate, total_steps=steps) for each in self._optimizers]

    def step(self, loss: Tensor) -> None:
        """Move the encoder once, against the loss's gradient."""
        self._encoder.zero_grad()
        torch.autograd.backward(loss)
        for optimizer, rate in zip(self._optimizers, self._rates, strict=True):
            optimizer.step()
            rate.step()

    def state(self) -> tuple[dict[str, Any], ...]:
        """Moments and rates, for `resume`."""
        return tuple(each.state_dict() for pair in zip(self._optimizers, self._rates, strict=True) for each in pair)

    def resume(self, state: tuple[dict[str, Any], ...]) -> None:
        """Go on as the loop would have that told its state."""
        for optimizer, moments in zip(self._optimizers, state[::2], strict=True):
            optimizer.load_state_dict(moments)
        for rate, place in zip(self._rates, state[1::2], strict=True):
            rate.load_state_dict(place)
