"""LightGCN (He et al. 2020, arXiv 2002.02126) by PyG: lists and items as the two sides of a graph."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch_geometric.nn.models import LightGCN

from benchmarks.peers.models.exam_paper import Floats, Lesson, Queries, Scorer, presence, with_own


@dataclass(frozen=True)
class LightGcn:
    """Embeddings propagated over the graph of lists and items.

    At the query the asker's layers are computed from its history; the layer before propagation is the one that was
    learnt for its list, where it has one.

    Attributes:
        factors: dimension.
        layers: of propagation.
        loss: `bpr`, PyG's own and the paper's, or `softmax` over the batch's other items by cosine.
        rate: of learning.
        temperature: of the softmax.
        penalty: of BPR on the embeddings of a batch.
        batch: pairs a step.
        steps_told: steps between two looks at validation.
        own: a node stands on its own list.
    """

    factors: int
    layers: int
    loss: str
    rate: float = 0.01
    temperature: float = 0.15
    penalty: float = 1e-4
    batch: int = 8192
    steps_told: int = 40
    own: bool = False

    def fit(self, lesson: Lesson, seed: int) -> Iterator[Scorer]:
        """Train until nobody asks for more."""
        torch.manual_seed(seed)
        rows = presence(with_own(lesson.lists, np.arange(len(lesson.lists)), own=self.own), lesson.items)
        lists, items = rows.shape
        adjacency, scale = _normalised(rows)
        model: Any = LightGCN(lists + items, self.factors, self.layers, normalize=False)
        if self.loss == "softmax":
            torch.nn.init.normal_(model.embedding.weight, std=0.1)
        optimiser = torch.optim.Adam(model.parameters(), lr=self.rate)
        pairs = torch.from_numpy(np.stack(rows.nonzero()).astype(np.int64))
        while True:
            for _ in range(self.steps_told):
                batch = pairs[:, torch.randint(pairs.shape[1], (min(self.batch, pairs.shape[1]),))]
                loss = self._loss(model, adjacency, batch, lists, items)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            yield self._scorer(model, adjacency, scale, lists)

    def _loss(self, model: Any, adjacency: torch.Tensor, batch: torch.Tensor, lists: int, items: int) -> torch.Tensor:
        embedding = model.get_embedding(adjacency)
        user, item = batch[0], batch[1] + lists
        if self.loss == "bpr":
            other = torch.randint(items, user.shape) + lists
            of_user = embedding[user]
            right, wrong = ((of_user * embedding[each]).sum(dim=1) for each in (item, other))
            nodes = torch.cat([user, item, other])
            found: torch.Tensor = model.recommendation_loss(right, wrong, nodes, lambda_reg=self.penalty)
            return found
        # A quarter of the batch: every pair competes with every other one's item.
        user, item = user[: len(user) // 4], item[: len(item) // 4]
        unit = [torch.nn.functional.normalize(embedding[each], dim=1) for each in (user, item)]
        return torch.nn.functional.cross_entropy(unit[0] @ unit[1].T / self.temperature, torch.arange(len(user)))

    def _scorer(self, model: Any, adjacency: torch.Tensor, scale: Floats, lists: int) -> Scorer:
        """Scores from layers as they are now; nothing in it changes with further training."""
        with torch.no_grad():
            layers = [model.embedding.weight.clone()]
            for _ in range(self.layers):
                layers.append(adjacency @ layers[-1])
        weights = model.alpha.numpy()
        numbers = [layer.numpy() for layer in layers]
        of_items = sum(weight * layer[lists:] for weight, layer in zip(weights, numbers, strict=True))
        if self.loss == "softmax":
            of_items = of_items / np.maximum(np.linalg.norm(of_items, axis=1, keepdims=True), 1e-12)
        own_layer = numbers[0][:lists]

        def scores(queries: Queries) -> Floats:
            rows = presence(with_own(queries.histories, queries.owners, own=self.own), len(scale))
            degree = np.maximum(np.asarray(rows.sum(axis=1)), 1.0)
            spread = sp.diags_array(degree.ravel() ** -0.5) @ rows @ sp.diags_array(scale)
            known = (queries.owners >= 0)[:, None]
            asker = weights[0] * np.where(known, own_layer[np.maximum(queries.owners, 0)], 0.0)
            for weight, layer in zip(weights[1:], numbers[:-1], strict=True):
                asker = asker + weight * (spread @ layer[lists:])
            return np.asarray(asker @ of_items.T, dtype=np.float32)

        return scores


def _normalised(rows: sp.csr_matrix) -> tuple[torch.Tensor, Floats]:
    """The symmetric adjacency D^-1/2 A D^-1/2 of both sides, and D^-1/2 of the items."""
    both = sp.csr_matrix(sp.block_array([[None, rows], [rows.T, None]]))
    scale = np.maximum(np.asarray(both.sum(axis=1)).ravel(), 1.0) ** -0.5
    scaled = sp.csr_matrix(sp.diags_array(scale) @ both @ sp.diags_array(scale), dtype=np.float32)
    offsets, columns = (torch.from_numpy(part.astype(np.int64)) for part in (scaled.indptr, scaled.indices))
    adjacency = torch.sparse_csr_tensor(offsets, columns, torch.from_numpy(scaled.data), size=scaled.shape)
    return adjacency, scale[rows.shape[0] :].astype(np.float32)
