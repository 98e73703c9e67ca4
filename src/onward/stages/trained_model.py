"""Reads back what train_gnn and calibrate_uncertainty wrote; shared by the stages that score."""

from dataclasses import dataclass
from pathlib import Path

from onward.artifacts import (
    read_arrays,
    read_json,
    read_table,
    read_text,
    write_arrays,
    write_json,
    write_table,
    write_text,
)
from onward.graph.product_graph import ProductGraph
from onward.model.embeddings import Embeddings
from onward.model.scorer import PairScorer
from onward.uncertainty.calibration import IsotonicCalibrator
from onward.uncertainty.doubt import Doubt
from onward.uncertainty.group_repair import GroupRepair
from onward.uncertainty.levels import UncertaintyLevels
from onward.uncertainty.spread_choice import spread_from_dict, spread_to_dict


@dataclass(frozen=True)
class TrainedModel:
    """All that `scorer_frame` and `PairScorer.predict` need."""

    graph: ProductGraph
    embeddings: Embeddings
    scorer: PairScorer


def read_trained_model(folder: Path) -> TrainedModel:
    """Read the model folder.

    Raises:
        ArtifactError: a file is missing or unreadable.
    """
    embeddings = Embeddings.from_arrays(read_arrays(folder / "embeddings.npz"))
    edges, nodes = read_table(folder / "edges.parquet"), read_table(folder / "nodes.parquet")
    manifest = read_json(folder / "scorer.json")
    heads = [read_text(folder / "heads" / f"head_{i}.txt") for i in range(manifest["heads"])]
    return TrainedModel(
        graph=ProductGraph.from_tables(embeddings.products, edges, nodes),
        embeddings=embeddings,
        scorer=PairScorer.from_manifest(manifest, heads),
    )


def write_trained_model(folder: Path, model: TrainedModel) -> None:
    """Write what `read_trained_model` reads."""
    write_table(folder / "edges.parquet", model.graph.edge_table())
    write_table(folder / "nodes.parquet", model.graph.node_table())
    write_arrays(folder / "embeddings.npz", model.embeddings.to_arrays())
    write_json(folder / "scorer.json", model.scorer.to_manifest())
    for number, text in enumerate(model.scorer.heads):
        write_text(folder / "heads" / f"head_{number}.txt", text)


def write_doubt(folder: Path, doubt: Doubt) -> None:
    """Write what was fitted on customers that no head saw."""
    write_json(folder / "repair.json", doubt.repair.to_dict())
    write_json(folder / "calibrator.json", doubt.calibrator.to_dict())
    write_json(folder / "spread.json", spread_to_dict(doubt.spread))
    write_json(folder / "levels.json", doubt.levels.to_dict())


def read_doubt(folder: Path) -> Doubt:
    """Read what `write_doubt` wrote.

    Raises:
        ArtifactError: a file is missing or unreadable.
    """
    return Doubt(
        repair=GroupRepair.from_dict(read_json(folder / "repair.json")),
        calibrator=IsotonicCalibrator.from_dict(read_json(folder / "calibrator.json")),
        spread=spread_from_dict(read_json(folder / "spread.json")),
        levels=UncertaintyLevels.from_dict(read_json(folder / "levels.json")),
    )
