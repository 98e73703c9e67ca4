"""One model for the way of an edge, degrees matched: five splits of Photo, and of UCI's pairs that have an order.

Held-out one-way edges are told from their reverse, weighted so that in-degree, or both degrees, say nothing
(direction_pairs.py). One blend answers both: trees over the scores of the pair and what edges say of its nodes, learnt
from pairs that are weighted for both alike, of the size that does best for the mean of both on validation edges.
Test edges are looked at once. Weights leave fewer pairs than there are: as many of weight one would say as much
("effective pairs"). Intervals are over a split's sources; beside a mean over splits stand the means of their ends.

Usage:
    python -m benchmarks.direction.matched --data DIR
"""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.direction.datasets import data_folder, photo
from benchmarks.direction.shops import SHOPS
from benchmarks.direction.which_way import COLUMNS, DIRECTION_KEY, MATCHED, SETTINGS, Study, ordered_pairs
from benchmarks.harness.form import Cell, Finding, publish
from benchmarks.harness.trials import Trial, Trials
from onward.ranking.link_split import LinkSplit, random_split

SPLITS = 5
BLEND = "one blend"


def split_of(data: str, folder: Path, number: int) -> LinkSplit:
    """A random split: 5 and 15 % of Photo's edges to pick by and to test, 10 and 20 % of UCI's few."""
    if data == "photo":
        return random_split(photo(folder), "Photo", number, 0.05, 0.15)
    shop = SHOPS["uci"](folder)
    return random_split((ordered_pairs(shop), shop.log.products, shop.vectors), "UCI", number, 0.10, 0.20)


def judge_split(data: str, folder: Path, number: int) -> Trial:
    """Draw a split and judge it."""
    return judge(data, split_of(data, folder, number))


def judge(data: str, split: LinkSplit) -> Trial:
    """Every score alone, and the one blend, on one split."""
    study = Study.of(data, split)
    weights = alike(study.weights)
    blends = {
        (number, columns): study.blend(weights, settings, columns)
        for number, settings in enumerate(SETTINGS)
        for columns in COLUMNS
    }
    best = max(blends, key=lambda each: np.mean([blends[each].validation[matching].value for matching in MATCHED]))
    Console(stderr=True).print(f"{data}: validation picks {best}", highlight=False)
    found = {BLEND: blends[best].test} | study.alone()
    effective = {matching: effective_pairs(study.test.weights[matching]) for matching in MATCHED}
    return {"picked": list(best), "effective": effective, "found": {
        name: {matching: by[matching].to_dict() for matching in MATCHED} for name, by in found.items()
    }}  # fmt: skip


def alike(weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """[n] weights in which both matchings count for as much."""
    both: np.ndarray = np.sum([weights[matching] / weights[matching].mean() for matching in MATCHED], axis=0)
    return both


def effective_pairs(weight: np.ndarray) -> float:
    """How many pairs of weight one would say as much (Kish 1965).

    >>> effective_pairs(np.array([1.0, 1.0, 0.0]))
    2.0
    """
    return float(weight.sum() ** 2 / (weight**2).sum())


def rows_of(data: str, trials: Sequence[Trial]) -> list[dict[str, Cell]]:
    """Every method's mean over the splits, best first, the mean ends of their intervals, and how far splits differ."""
    rows: list[dict[str, Cell]] = []
    for name in trials[0]["found"]:
        row: dict[str, Cell] = {"data": data, "method": name, "splits": len(trials)}
        for matching in MATCHED:
            values = {
                end: [trial["found"][name][matching][end] for trial in trials] for end in ("value", "low", "high")
            }
            row[matching] = float(np.mean(values["value"]))
            row |= {f"{matching} {end}": float(np.mean(values[end])) for end in ("low", "high")}
            row[f"{matching} sd"] = float(np.std(values["value"], ddof=1)) if len(trials) > 1 else None
            row[f"{matching} effective pairs"] = float(np.mean([trial["effective"][matching] for trial in trials]))
        rows.append(row)
    return sorted(rows, key=lambda row: -float(str(row[MATCHED[0]])))


def claims_of(data: str, rows: Sequence[Mapping[str, Cell]]) -> dict[str, float]:
    """The blend's figures, and the best of what needs no learning."""
    found: dict[str, float] = {}
    others = [row for row in rows if row["method"] != BLEND]
    blend = next(row for row in rows if row["method"] == BLEND)
    for matching in MATCHED:
        name = f"{data}_{matching.replace(' ', '_')}"
        found[name] = float(str(blend[matching]))
        found[f"{name}_low"] = float(str(blend[f"{matching} low"]))
        found[f"{name}_best_alone"] = max(float(str(row[matching])) for row in others)
        found[f"{name}_effective_pairs"] = float(str(blend[f"{matching} effective pairs"]))
    return found


def main() -> None:
    """Run the splits that are missing and publish."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data_folder(arguments)
    arguments.add_argument("--splits", type=int, default=SPLITS)
    arguments.add_argument("--fresh", action="store_true", help="forget what was finished before")
    asked = arguments.parse_args()
    trials = Trials("direction_matched", fresh=asked.fresh)
    rows: list[dict[str, Cell]] = []
    claims: dict[str, float] = {}
    for data in ("uci", "photo"):
        done = [
            trials.run(f"{data} {number} {DIRECTION_KEY}", partial(judge_split, data, asked.data, number))
            for number in range(asked.splits)
        ]
        mine = rows_of(data, done)
        rows += mine
        claims |= claims_of(data, mine)
    publish(Finding("direction_matched", list(range(asked.splits)), rows, claims))


if __name__ == "__main__":
    main()
