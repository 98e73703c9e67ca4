"""A small network whose dropout stays on: the baseline that every spread source is measured against.

Each pass drops other units, and the disagreement of the passes stands in for doubt (Gal and Ghahramani, ICML 2016).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from benchmarks.doubt.thinned_networks import Standardised
from onward.uncertainty.sources import Scored
from onward.uncertainty.spread import disagreement_of_heads

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DropoutHead:
    """A trained network with the scale of its input.

    Attributes:
        network: values and missing flags [n, 2 f] → logit [n, 1].
        scale: of the columns.
        batch: rows a step.
    """

    network: nn.Sequential
    scale: Standardised
    batch: int

    @classmethod
    def train(
        cls,
        values: Matrix,
        label: Floats,
        weight: Floats,
        *,
        hidden: int = 64,
        dropout: float = 0.2,
        epochs: int = 3,
        batch: int = 4096,
        learning_rate: float = 2e-3,
        seed: int = 0,
    ) -> "DropoutHead":
        """Train on rows [n, f], missing values as NaN, by weighted cross-entropy with Adam.

        Args:
            values: [n, f].
            label: [n] in [0, 1].
            weight: [n].
            hidden: units of each of two layers.
            dropout: share of units dropped.
            epochs: passes over the rows.
            batch: rows a step.
            learning_rate: of Adam.
            seed: of initial weights, order and dropout.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers = (nn.Linear(2 * values.shape[1], hidden), nn.ReLU(), nn.Dropout(dropout))
            network = nn.Sequential(
                *layers, nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 1)
            )
            head = cls(network, Standardised.of(values), batch)
            head._learn(values, label, weight, epochs, learning_rate)
        return head

    def predict(self, values: Matrix, passes: int, seed: int = 0) -> Floats:
        """Probability of each row by each pass, [n, passes]; the same seed gives the same passes."""
        self.network.train()  # dropout stays on
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            parts = torch.split(self.scale.inputs(values), 65_536)
            columns = [torch.cat([torch.sigmoid(self.network(rows)) for rows in parts]) for _ in range(passes)]
        return torch.cat(columns, dim=1).numpy().astype(np.float64)

    def _learn(self, values: Matrix, label: Floats, weight: Floats, epochs: int, learning_rate: float) -> None:
        rows = self.scale.inputs(values)
        target, worth = (torch.from_numpy(each.astype(np.float32))[:, None] for each in (label, weight))
        with torch.no_grad():
            rate = float((target * worth).sum() / worth.sum())
            self.network[-1].bias.fill_(float(np.log(rate / (1.0 - rate))))  # type: ignore[operator]
        optimiser = torch.optim.Adam(self.network.parameters(), lr=learning_rate, weight_decay=1e-5)
        self.network.train()
        for _ in range(epochs):
            for part in torch.split(torch.randperm(len(rows)), self.batch):
                loss = nn.functional.binary_cross_entropy_with_logits(
                    self.network(rows[part]), target[part], worth[part]
                )
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()


@dataclass(frozen=True)
class DropoutPasses:
    """How much the passes of a network with dropout disagree; the network was trained with the other heads.

    Attributes:
        head: the network.
        passes: how often it is asked.
        seed: of the passes.
    """

    head: DropoutHead
    passes: int = 20
    seed: int = 0

    def fit(self, seen: Scored, expected_label: Floats) -> "DropoutPasses":  # noqa: ARG002 - the contract's
        """Return itself."""
        return self

    def uncertainty(self, rows: Scored) -> Floats:
        """Standard deviation of the passes' logits, [n]."""
        return disagreement_of_heads(self.head.predict(rows.values, self.passes, self.seed))
