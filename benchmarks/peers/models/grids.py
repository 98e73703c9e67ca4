"""Which peers there are, and every setting that validation may pick: plain data, so that the examiner reads it too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Setting = Mapping[str, Any]


@dataclass(frozen=True)
class Peer:
    """A method with its grids.

    Attributes:
        module: of benchmarks.peers.models.
        kind: class in it.
        lists: settings for lists of shopping, the first being the one to try where time is short.
        graph: settings for graphs; empty where the method does not apply.
        trained: by steps, so that validation says when to stop, and with another result for every seed.
        why_not: why a method does not apply to a graph.
    """

    module: str
    kind: str
    lists: Sequence[Setting]
    graph: Sequence[Setting]
    trained: bool
    why_not: str = ""


_OWN = (False, True)

PEERS: Mapping[str, Peer] = {
    "EASE": Peer(
        "counted", "Ease",
        [{"penalty": penalty} for penalty in (30.0, 300.0, 3000.0)],
        [{"penalty": penalty, "own": own} for own in _OWN for penalty in (3.0, 10.0, 30.0, 100.0, 300.0)],
        trained=False,
    ),
    "BM25 (implicit)": Peer(
        "counted", "Bm25",
        [{"k1": k1, "b": b} for k1 in (1.2, 100.0) for b in (0.0, 0.25, 0.5, 0.8)],
        [{"k1": k1, "b": b, "own": own} for own in _OWN for k1 in (1.2, 100.0) for b in (0.25, 0.8)],
        trained=False,
    ),
    "ALS (implicit)": Peer(
        "counted", "Als",
        [
            {"factors": factors, "regularization": regularization, "alpha": alpha}
            for factors in (64, 256)
            for regularization, alpha in ((1.0, 10.0), (10.0, 40.0))
        ],
        [
            {"factors": factors, "regularization": regularization, "alpha": alpha, "own": own}
            for own in _OWN
            for factors in (64, 256)
            for regularization, alpha in ((0.1, 1.0), (10.0, 40.0))
        ],
        trained=False,
    ),
    "LightGCN (PyG)": Peer(
        "light_gcn", "LightGcn",
        [
            {"factors": 64, "layers": 2, "loss": "softmax"},
            {"factors": 64, "layers": 2, "loss": "bpr"},
        ],
        [
            {"factors": 64, "layers": 2, "loss": "softmax", "own": True},
            {"factors": 64, "layers": 2, "loss": "bpr", "own": True},
            {"factors": 128, "layers": 3, "loss": "softmax", "own": True},
            {"factors": 64, "layers": 2, "loss": "softmax"},
        ],
        trained=True,
    ),
    "DirGNN (PyG)": Peer(
        "dir_gnn", "DirGnn",
        [
            {"conv": "sage", "decoder": "dual", "layers": 1, "embedding": True, "absent": 5, "steps_told": 15},
        ],
        [
            {"conv": "gcn", "decoder": "mlp"},
            {"conv": "sage", "decoder": "dual"},
            {"conv": "gcn", "decoder": "dual", "embedding": True},
            {"conv": "gcn", "decoder": "mlp", "held": 0.0},
        ],
        trained=True,
    ),
    "SASRec (RecTools)": Peer(
        "sequence_models", "SequenceModel",
        [
            {"kind": "sasrec", "loss": "softmax", "blocks": 1},
            {"kind": "sasrec", "loss": "gBCE", "blocks": 1},
        ],
        [], trained=True, why_not="a graph has no sequences",
    ),
    "BERT4Rec (RecTools)": Peer(
        "sequence_models", "SequenceModel",
        [
            {"kind": "bert4rec", "loss": "softmax", "blocks": 1},
        ],
        [], trained=True, why_not="a graph has no sequences",
    ),
}  # fmt: skip
