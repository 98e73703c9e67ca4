"""A tiny directed graph and tiny sequences in a project folder, with settings that take seconds."""

from pathlib import Path

import numpy as np
import yaml

from onward.layout import Layout
from onward.params import Params, parse_params

ROOT = Path(__file__).resolve().parents[2]
NODES, ITEMS = 60, 30


def edge_list_project(folder: Path, attributes: bool = True) -> tuple[Layout, Params]:
    """Three groups of nodes, each leading to the next, and words that tell the group."""
    generator = np.random.default_rng(0)
    group = np.arange(NODES) % 3
    chance = np.where(group[None, :] == (group[:, None] + 1) % 3, 0.5, 0.01)
    np.fill_diagonal(chance, 0.0)
    edges = np.argwhere(generator.random((NODES, NODES)) < chance)
    (folder / "edges.txt").write_text("".join(f"{u} {v}\n" for u, v in edges))
    words = generator.random((NODES, 12)) < np.where(np.arange(12) % 3 == group[:, None], 0.6, 0.1)
    lines = [f"{node} {' '.join(f'w{word}' for word in np.flatnonzero(row))}\n" for node, row in enumerate(words)]
    (folder / "words.txt").write_text("".join(lines))
    asked = {"edges": "edges.txt", "attributes": "words.txt" if attributes else None, "validation": 0.1, "test": 0.2}
    return Layout(folder), params_with("edge_list", asked)


def sequences_project(folder: Path) -> tuple[Layout, Params]:
    """Customers who walk round a ring of items."""
    generator = np.random.default_rng(1)
    walks = [(generator.integers(0, ITEMS) + np.arange(generator.integers(4, 8))) % ITEMS for _ in range(120)]
    lines = [f"c{number} {' '.join(f'i{item}' for item in walk)}\n" for number, walk in enumerate(walks)]
    (folder / "walks.txt").write_text("".join(lines))
    asked = {"file": "walks.txt", "learners": 100, "per_proposer": 10}
    return Layout(folder), params_with("sequences", asked)


def params_with(source: str, asked: dict[str, object]) -> Params:
    """The project's own params with this source."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["run"].update({"source": source, "threads": 1})
    raw["sources"][source].update(asked)
    raw["evaluation"].update({"bootstrap_samples": 50, "queries": 80})
    return parse_params(yaml.safe_dump(raw))
