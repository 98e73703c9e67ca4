"""Sit one exam: pick a setting by validation, learn the test's lesson with it, and write scores of the test's queries.

Usage, by the Python of .venv-peers:
    python -m benchmarks.peers.models FOLDER PEER [--seeds N] [--settings JSON] [--minutes M]
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.peers.models.exam_paper import Ask, Lesson, Paper, Scorer, quality, read_paper, write_scores
from benchmarks.peers.models.grids import PEERS, Peer, Setting

PATIENCE = 3
"""Looks at validation without a gain on any question, after which a training ends."""
_PACKAGES = ("torch", "torch-geometric", "pm-implicit", "RecTools")

Fit = Callable[[Lesson, int], Iterator[Scorer]]


@dataclass(frozen=True)
class Best:
    """What validation likes best for one question.

    Attributes:
        quality: by the question's measure.
        number: of the setting.
        look: how many looks at validation the training was long, from 1.
        scorer: as it was then.
    """

    quality: float
    number: int
    look: int
    scorer: Scorer


@dataclass
class Tuning:
    """All settings tried on validation, by one seed."""

    best: dict[str, Best]
    tried: list[dict[str, Any]]


def fit_of(peer: Peer, setting: Setting) -> Fit:
    """The method with a setting."""
    method = getattr(import_module(f"benchmarks.peers.models.{peer.module}"), peer.kind)(**setting)
    fit: Fit = method.fit
    return fit


def tune(paper: Paper, peer: Peer, settings: Sequence[Setting], seed: int, seconds: float) -> Tuning:
    """Try every setting; a training ends when no question gains from more of it, or when its time is up."""
    found = Tuning({}, [])
    for number, setting in enumerate(settings):
        # Of the processor and not of the clock: a busy machine must not make a peer worse.
        started, stale, look = time.process_time(), 0, 0
        own: dict[str, tuple[float, int]] = {}
        capped = False
        for look, scorer in enumerate(fit_of(peer, setting)(paper.lessons["validation"], seed), start=1):
            better = False
            for ask in paper.asks:
                value = quality(ask, scorer)
                if value > own.get(ask.name, (-1.0, 0))[0]:
                    own[ask.name], better = (value, look), True
                    if ask.name not in found.best or value > found.best[ask.name].quality:
                        found.best[ask.name] = Best(value, number, look, scorer)
            stale = 0 if better else stale + 1
            capped = time.process_time() - started > seconds
            if stale >= PATIENCE or capped:
                break
        spent = time.process_time() - started
        found.tried.append({
            "setting": setting, "validation": {name: value for name, (value, _) in own.items()},
            "best look": {name: at for name, (_, at) in own.items()}, "looks": look, "seconds": round(spent, 1),
            "stopped by its time": bool(peer.trained and capped and stale < PATIENCE),
        })  # fmt: skip
        print(json.dumps(found.tried[-1]), flush=True)
    return found


def sit(
    paper: Paper, peer: Peer, settings: Sequence[Setting], tuning: Tuning, seeds: int, write: Callable[..., None]
) -> None:
    """Learn the test's lesson with what was picked, and write the scores of every question and seed."""
    for seed in range(seeds):
        if not paper.refit and seed == 0:
            for ask in paper.asks:
                write(ask, seed, tuning.best[ask.name].scorer)
            continue
        for number in sorted({best.number for best in tuning.best.values()}):
            last = {ask.name: best.look for ask in paper.asks if (best := tuning.best[ask.name]).number == number}
            training = fit_of(peer, settings[number])(paper.lessons["test"], seed)
            for look, scorer in enumerate(islice(training, max(last.values())), start=1):
                for ask in paper.asks:
                    if last.get(ask.name) == look:
                        write(ask, seed, scorer)


def main() -> None:
    """Tune, learn, write."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("peer", choices=tuple(PEERS))
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--settings", help="settings to try, as JSON, in place of the grid")
    arguments.add_argument("--minutes", type=float, default=5.0, help="of one core, longest training")
    asked = arguments.parse_args()
    paper, peer = read_paper(asked.folder), PEERS[asked.peer]
    grid = peer.graph if paper.lessons["test"].is_graph else peer.lists
    settings: Sequence[Mapping[str, Any]] = json.loads(asked.settings) if asked.settings else grid
    if peer.trained:
        import torch

        torch.set_num_threads(1)
    tuning = tune(paper, peer, settings, 0, 60.0 * asked.minutes)

    def write(ask: Ask, seed: int, scorer: Scorer) -> None:
        items = paper.lessons["test"].items
        write_scores(scorer, ask.test, items, asked.folder / f"scores {ask.name} {seed}.npy")

    sit(paper, peer, settings, tuning, asked.seeds, write)
    told = {
        "tried": tuning.tried,
        "picked": {
            name: {"setting": settings[best.number], "look": best.look, "validation": best.quality}
            for name, best in tuning.best.items()
        },
        "versions": {name: version(name) for name in _PACKAGES},
    }
    (asked.folder / "told.json").write_text(json.dumps(told, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
