"""How often the three questions are answered rightly: eight small simulated worlds, twenty seeds; real logs beside.

Direction, delay and doubt are each planted or absent; see `tools.testbeds.diagnosed_shops`. The sentences for Complete
Journey are those of the project's own run (`make run` first); with --data those for UCI Online Retail are made by the
same four stages in a folder that is thrown away.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.direction.shops import UCI
from benchmarks.harness.form import ROOT, Cell, Finding, publish
from onward.commands.diagnose import read_answers
from onward.diagnosis.answer import Answer
from onward.diagnosis.delay import diagnose_delay
from onward.diagnosis.direction import diagnose_direction
from onward.diagnosis.uncertainty import diagnose_uncertainty
from onward.layout import Layout
from onward.metrics.intervals import wilson
from tools.testbeds.diagnosed_shops import WORLDS, World, make_shop
from tools.testbeds.small_shop import environment, set_params

SEEDS = tuple(range(20))
QUESTIONS = ("direction", "delay", "doubt")
STAGES = ("ingest", "correct_label_delay", "train_gnn", "calibrate_uncertainty")
UCI_AS_OF = "2011-10-24"


def ask(world: World, seed: int) -> tuple[Answer, Answer, Answer]:
    """Simulate a shop and ask it, as the stages do."""
    shop = make_shop(world, seed)
    examples = (shop.score, shop.level.astype(np.float64), shop.calibrate_expected, shop.calibrate_customer)
    return (
        diagnose_direction(shop.purchases, shop.products, seed),
        diagnose_delay(shop.labels, shop.in_window, shop.expected),
        diagnose_uncertainty(*examples, seed),
    )


def ask_all(seeds: Sequence[int]) -> pd.DataFrame:
    """One row a world, seed and question: what is true, what is said, p-value and effect."""
    rows = []
    for seed in seeds:
        for world in WORLDS:
            for answer in ask(world, seed):
                truth = bool(getattr(world, answer.question))
                rows.append((world.name, seed, answer.question, truth, answer.yes, answer.p_value, answer.effect))
    return pd.DataFrame(rows, columns=["world", "seed", "question", "truth", "answer", "p_value", "effect"])


def tabulate(said: pd.DataFrame) -> list[dict[str, Cell]]:
    """One row a question and truth: how often "yes" is said, with its 95 % interval, and the usual effect."""
    rows: list[dict[str, Cell]] = []
    for question in QUESTIONS:
        for truth in (True, False):
            part = said[(said["question"] == question) & (said["truth"] == truth)]
            share = wilson(float(part["answer"].sum()), len(part))
            rows.append(
                {
                    "log": "simulated", "question": question, "truth": "planted" if truth else "absent",
                    "shops": len(part), "says yes": share.value, "low": share.low, "high": share.high,
                    "median effect": float(part["effect"].median()), "sentence": None,
                }
            )  # fmt: skip
    return rows


def sentences(log: str, answers: Sequence[Answer]) -> list[dict[str, Cell]]:
    """One row a question of a real log, whose truth nobody knows."""
    return [
        {
            "log": log, "question": answer.question, "truth": None, "shops": 1, "says yes": float(answer.yes),
            "low": answer.low, "high": answer.high, "median effect": answer.effect, "sentence": answer.sentence,
        }
        for answer in answers
    ]  # fmt: skip


def ask_uci(data: Path) -> list[Answer]:
    """Run the stages up to the calibration on UCI Online Retail, with the project's own params.

    Raises:
        subprocess.CalledProcessError: a stage failed; it has said why.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
        set_params(
            folder / "params.yaml",
            {
                "run": {"source": "online_retail", "as_of": UCI_AS_OF},
                "sources": {"online_retail": {"file": str(data / UCI)}},
            },
        )
        for stage in STAGES:
            command = [sys.executable, "-m", f"onward.stages.{stage}"]
            subprocess.run(command, cwd=folder, env=environment(ROOT), check=True)
        return read_answers(Layout(folder))


def main() -> None:
    """Ask every shop and publish how often the answer is right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of public data sets; adds UCI Online Retail")
    arguments = parser.parse_args()
    said = ask_all(arguments.seeds)
    right = said["answer"] == said["truth"]
    rows = tabulate(said) + sentences("Complete Journey", read_answers(Layout(ROOT)))
    if arguments.data is not None:
        rows += sentences("UCI Online Retail", ask_uci(arguments.data))
    claims = {"diagnosis_right": float(right.mean())}
    claims |= {f"{question}_right": float(right[said["question"] == question].mean()) for question in QUESTIONS}
    claims["diagnosis_right_low"] = _low(right.to_numpy(np.float64), said["seed"].to_numpy(np.int64))
    publish(Finding("diagnosis", arguments.seeds, rows, claims))


def _low(right: np.ndarray, seed: np.ndarray) -> float:
    """Lower end of the 95 % interval of the share right; the answers of a seed are drawn together."""
    by_seed = pd.Series(right).groupby(seed).mean().to_numpy()
    drawn = np.random.default_rng(0).choice(by_seed, (2000, len(by_seed))).mean(axis=1)
    return float(np.quantile(drawn, 0.025))


if __name__ == "__main__":
    main()
