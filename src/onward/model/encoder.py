"""The dual-embedding encoder: every product as a source and as a target, each role fed by the other.

    s_u <- norm act(W_s0 s_u + W_s1 mean over v in out(u) of t_v)
    t_v <- norm act(W_t0 t_v + W_t1 mean over u in in(v) of s_u)

after BLADE (Virinchi and Saladi, WSDM 2023), with the self terms kept. The last layer has no activation, so that
embeddings may point anywhere on the sphere. Each relation reads its lift from them by a scale of its own.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import SimpleConv

from onward.model.embeddings import RELATIONS
from onward.model.product_inputs import ProductInputs

LAZY_ROWS = 50_000
"""Beyond so many free vectors a training step moves only those that its batch holds. Adam moves all in every step: the
same to within what seeds do, but at a million products that takes 0.8 s a step, and the rest 0.03 s."""


@dataclass(frozen=True)
class Reach:
    """How much of a sampled neighbourhood lies within each hop of its seeds, which are hop 0.

    The last layer has to embed the seeds only, the one before it what they hear, and so on: less work, and what is
    wanted of the seeds (each in the roles that were asked for) stays the same.

    Attributes:
        nodes: nodes found by the end of each hop, seeds first.
        leads_to: edges of that relation, likewise, the first hop's first; 0 for hop 0.
        led_from: the same of the reverse relation.
    """

    nodes: tuple[int, ...]
    leads_to: tuple[int, ...]
    led_from: tuple[int, ...]

    def cut(self, layers_after: int, leads_to: Tensor, led_from: Tensor) -> tuple[int, Tensor, Tensor]:
        """How many nodes a layer has to embed, and the edges along which they hear."""
        last = len(self.nodes) - 1
        hop = min(layers_after + 1, last)
        return self.nodes[min(layers_after, last)], leads_to[:, : self.leads_to[hop]], led_from[:, : self.led_from[hop]]


class ProductTower(nn.Module):
    """Attributes -> one vector a product, plus a free vector for products that have edges."""

    codes: Tensor
    numbers: Tensor
    free_rows: Tensor

    def __init__(self, inputs: ProductInputs, connected: Tensor, dimension: int, id_dropout: float) -> None:
        """Prepare the tower.

        Args:
            inputs: attributes of all P products.
            connected: [P] which products have edges; the others have no free vector, since nothing would train it.
            dimension: d.
            id_dropout: share of products that a training step shows without their free vector, which makes the
                attributes carry meaning of their own for products that have nothing else.
        """
        super().__init__()
        self.register_buffer("codes", torch.from_numpy(inputs.codes), persistent=False)
        self.register_buffer("numbers", torch.from_numpy(inputs.numbers), persistent=False)
        self.register_buffer("free_rows", torch.cumsum(connected, 0) * connected, persistent=False)
        tables = [nn.Embedding(size, dimension) for size in inputs.cardinalities]
        for table in tables:
            nn.init.normal_(table.weight, std=dimension**-0.5)
        self.tables = nn.ModuleList(tables)
        self.linear = nn.Linear(inputs.numbers.shape[1], dimension)
        rows = int(connected.sum()) + 1
        self.free = nn.Embedding(rows, dimension, padding_idx=0, sparse=rows > LAZY_ROWS)
        self.id_dropout = id_dropout
        # From zero: what attributes explain, free vectors need not; what they do not, free vectors learn.
        nn.init.zeros_(self.free.weight)

    def described(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """[n, d] by attributes alone: codes [n, F] and numbers [n, K] as in `ProductInputs`."""
        vectors: Tensor = self.linear(numbers)
        for column, table in enumerate(self.tables):
            vectors = vectors + table(codes[:, column])
        return vectors

    def forward(self, nodes: Tensor) -> Tensor:
        """[n, d] for the given products."""
        attributes = self.described(self.codes[nodes], self.numbers[nodes])
        # No rescaling of what is kept: inference shows free vectors as they are, like most training steps.
        kept = torch.rand(len(nodes), 1) >= self.id_dropout if self.training else 1.0
        vectors: Tensor = attributes + self.free(self.free_rows[nodes]) * kept
        return vectors


class DualLayer(nn.Module):
    """One exchange of messages between the two roles."""

    def __init__(self, dimension: int) -> None:
        """Both roles keep `dimension` numbers a product."""
        super().__init__()
        self.mean = SimpleConv(aggr="mean")
        self.source_self = nn.Linear(dimension, dimension)
        self.source_message = nn.Linear(dimension, dimension, bias=False)
        self.target_self = nn.Linear(dimension, dimension)
        self.target_message = nn.Linear(dimension, dimension, bias=False)

    def forward(
        self, source: Tensor, target: Tensor, leads_to: Tensor, led_from: Tensor, embedded: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """New (source, target), each [embedded, d], before activation and norm.

        Args:
            source: [n, d].
            target: [n, d].
            leads_to: [2, m] edges u -> v, along which targets are fed by sources.
            led_from: [2, k] reversed edges v -> u, along which sources are fed by targets.
            embedded: so many of the first nodes are embedded, and edges lead to them only; None embeds all n.
        """
        own_source, own_target = source[:embedded], target[:embedded]
        new_source = self.source_self(own_source) + self.source_message(self.mean((target, own_source), led_from))
        new_target = self.target_self(own_target) + self.target_message(self.mean((source, own_target), leads_to))
        return new_source, new_target


class DualEncoder(nn.Module):
    """Tower, then layers, then unit length; see the module's docstring."""

    def __init__(
        self,
        inputs: ProductInputs,
        connected: Tensor,
        dimension: int,
        layers: int,
        id_dropout: float = 0.1,
        temperature: float = 0.1,
    ) -> None:
        """See `ProductTower` for most arguments; `temperature` is what dot products are divided by before training."""
        super().__init__()
        self.tower = ProductTower(inputs, connected, dimension, id_dropout)
        self.as_source = nn.Linear(dimension, dimension)
        self.as_target = nn.Linear(dimension, dimension)
        self.layers = nn.ModuleList(DualLayer(dimension) for _ in range(layers))
        self.log_scale = nn.Parameter(torch.full((len(RELATIONS), dimension), -math.log(temperature)))

    def forward(
        self, nodes: Tensor, leads_to: Tensor, led_from: Tensor, reach: Reach | None = None
    ) -> tuple[Tensor, Tensor]:
        """Embed the given products: s [n, d], t [n, d] of unit length.

        Args:
            nodes: [n] products.
            leads_to: [2, m] edges u -> v by position in `nodes`.
            led_from: [2, k] reversed edges v -> u by position in `nodes`.
            reach: of a sampled neighbourhood; then only its seeds, which come first, are embedded.
        """
        return self.exchange(self.tower(nodes), leads_to, led_from, reach)

    def exchange(
        self, vectors: Tensor, leads_to: Tensor, led_from: Tensor, reach: Reach | None = None
    ) -> tuple[Tensor, Tensor]:
        """Like `forward`, from the tower's vectors [n, d]."""
        source = self.as_source(vectors)
        target = self.as_target(vectors)
        embedded = None
        forth, back = leads_to, led_from
        for number, layer in enumerate(self.layers, start=1):
            if number > 1:
                source, target = functional.leaky_relu(source), functional.leaky_relu(target)
            if reach is not None:
                embedded, forth, back = reach.cut(len(self.layers) - number, leads_to, led_from)
            source, target = layer(
                functional.normalize(source, dim=1), functional.normalize(target, dim=1), forth, back, embedded
            )
        return functional.normalize(source, dim=1), functional.normalize(target, dim=1)

    def log_lifts(self, relation: int, source: Tensor, target: Tensor) -> Tensor:
        """[n, m] of embedded sources [n, d] with embedded targets [m, d], in the relation of this number."""
        lifts: Tensor = (source * torch.exp(self.log_scale[relation])) @ target.T
        return lifts

    @torch.no_grad()
    def embed_new(self, codes: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Embed products that were not there when the encoder was trained, by their attributes alone.

        The catalogue's embeddings stay as they are: a product without edges sends no message.

        Args:
            codes: [n, F] as in `ProductInputs`.
            numbers: [n, K] as in `ProductInputs`.
        """
        nothing = torch.empty((2, 0), dtype=torch.int64)
        return self.exchange(self.tower.described(codes, numbers), nothing, nothing)
