"""Small networks that learn from thinned negatives, and the ways to say how unsure they are."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import logit
from torch import nn

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]

_BATCH, _BLOCK = 1024, 65_536
_PATIENCE = 3


@dataclass(frozen=True)
class Standardised:
    """Columns in standard deviations from their mean, beside flags of what is missing.

    Attributes:
        centre: [f] mean of each column where it is known.
        scale: [f] its standard deviation.
    """

    centre: Matrix
    scale: Matrix

    @classmethod
    def of(cls, columns: Matrix) -> Self:
        """Measure columns [n, f]; one that is never known has mean 0."""
        known = np.where(np.isnan(columns).all(axis=0), np.float32(0.0), columns)
        scale = np.maximum(np.nanstd(known, axis=0), 1e-6)
        return cls(np.nanmean(known, axis=0).astype(np.float32), scale.astype(np.float32))

    def inputs(self, columns: Matrix) -> torch.Tensor:
        """[n, 2 f] of columns [n, f]; nothing lies farther off than five standard deviations."""
        missing = np.isnan(columns)
        standard = np.clip((np.where(missing, self.centre, columns) - self.centre) / self.scale, -5.0, 5.0)
        return torch.from_numpy(np.concatenate([standard, missing], axis=1).astype(np.float32))


@dataclass(frozen=True)
class Examples:
    """Inputs [n, 2 f] and labels [n] of 0 and 1."""

    inputs: torch.Tensor
    label: Floats


@dataclass(frozen=True)
class Network:
    """A trained network.

    Attributes:
        body: inputs [n, 2 f] to hidden units [n, h].
        last: hidden units to log odds [n, 1].
        shift: what the log odds are off by because negatives were left out of its training.
    """

    body: nn.Sequential
    last: nn.Linear
    shift: float

    def log_odds(self, inputs: torch.Tensor) -> Floats:
        """[n] put back on all negatives."""
        self.body.eval()
        return self._said(inputs)

    def log_odds_of_passes(self, inputs: torch.Tensor, passes: int, seed: int) -> Floats:
        """[n, passes] with dropout left on (Gal and Ghahramani, ICML 2016)."""
        self.body.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return np.stack([self._said(inputs) for _ in range(passes)], axis=1)

    def laplace(self, learnt: torch.Tensor, inputs: torch.Tensor) -> Floats:
        """[n] standard deviation of the log odds under a Laplace posterior of the last layer.

        See Kristiadi, Hein and Hennig, ICML 2020; the prior of a weight is standard normal.

        Args:
            learnt: inputs that the posterior's curvature is summed over.
            inputs: [n, 2 f] what is asked.
        """
        self.body.eval()
        hidden = self._hidden(learnt)
        with torch.no_grad():
            rate = torch.sigmoid(self.last(hidden.float())[:, 0].double() + self.shift)
        curvature = (hidden * (rate * (1.0 - rate))[:, None]).T @ hidden
        factor = torch.linalg.cholesky(curvature + torch.eye(hidden.shape[1], dtype=torch.float64))
        spread = torch.linalg.solve_triangular(factor, self._hidden(inputs).T, upper=False).norm(dim=0)
        return np.asarray(spread.numpy(), np.float64)

    def _said(self, inputs: torch.Tensor) -> Floats:
        with torch.no_grad():
            said = torch.cat([self.last(self.body(part)) for part in torch.split(inputs, _BLOCK)])[:, 0]
        return np.asarray(said.numpy().astype(np.float64) + self.shift, np.float64)

    def _hidden(self, inputs: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([self.body(part) for part in torch.split(inputs, _BLOCK)]).double()


def train_network(
    examples: Examples,
    stop: Examples | None,
    *,
    negatives: int,
    epochs: int,
    seed: int,
    hidden: int = 64,
    dropout: float = 0.2,
) -> Network:
    """Train by cross-entropy with Adam.

    Args:
        examples: to learn from.
        stop: held-out ones; the epoch that serves them best is kept. None: learn on to the last epoch.
        negatives: how many are kept for each positive.
        epochs: passes over what is kept, at most.
        seed: of what is kept, of initial weights, order and dropout.
        hidden: units of each of two layers.
        dropout: share of units dropped.
    """
    positive, negative = np.flatnonzero(examples.label > 0.5), np.flatnonzero(examples.label <= 0.5)
    kept = np.random.default_rng(seed).choice(negative, min(len(negative), negatives * len(positive)), replace=False)
    rows = np.r_[positive, kept]
    inputs, label = examples.inputs[rows], torch.from_numpy(examples.label[rows].astype(np.float32))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = (nn.Linear(inputs.shape[1], hidden), nn.ReLU(), nn.Dropout(dropout))
        body = nn.Sequential(*layers, nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout))
        network = Network(body, nn.Linear(hidden, 1), float(np.log(len(kept) / len(negative))))
        nn.init.constant_(network.last.bias, float(logit(len(positive) / len(rows))))
        _learn(network, inputs, label, stop, epochs)
    return network


def _learn(network: Network, inputs: torch.Tensor, label: torch.Tensor, stop: Examples | None, epochs: int) -> None:
    whole = nn.ModuleList([network.body, network.last])
    optimiser = torch.optim.Adam(whole.parameters(), lr=1e-3)
    best, since, kept = np.inf, 0, dict[str, torch.Tensor]()
    for _ in range(epochs):
        network.body.train()
        for part in torch.split(torch.randperm(len(inputs)), _BATCH):
            said = network.last(network.body(inputs[part]))[:, 0]
            optimiser.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(said, label[part]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        if stop is None:
            continue
        odds = network.log_odds(stop.inputs)
        loss = float(np.mean(np.logaddexp(0.0, odds) - stop.label * odds))
        since = 0 if loss < best else since + 1
        if since == 0:
            best, kept = loss, {name: values.clone() for name, values in whole.state_dict().items()}
        elif since == _PATIENCE:
            break
    if kept:
        whole.load_state_dict(kept)
