"""Walk as_of through history: train, let the gate decide, log what the version in use decides, look, act on paper.

Every step is a command that may be repeated, and a week that is through is one small file: a replay that was killed
goes on where it was and ends the same. It has a registry, a decision log and looks of its own, so that nothing of it
touches what is deployed.

What a week learns depends on its own past alone, so weeks are trained ahead of their turn, some at once. From the gate
on each depends on the version in use, so there they take turns.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from onward.artifacts import read_json, write_json
from onward.deployment.registry_settings import RegistrySettings
from onward.errors import RunError
from onward.monitoring.alerts import STARTS
from onward.pipeline_file import PIPELINE_FILE, parse_pipeline
from onward.settings import as_environment

Say = Callable[[str], None]

_GATE = "deploy"  # the first stage whose result depends on the registry, so on the weeks before


@dataclass(frozen=True)
class Replay:
    """A replay of a project's past.

    Attributes:
        project: a checkout of the code, with its params.yaml.
        folder: of everything that the replay leaves, one a replay.
        first: clock of the first training.
        last: no week ends after it.
        every: days between two trainings.
        at_once: weeks in training at the same time.
        threads: of each training.
        last_training: later weeks go on with the version in use, since a training needs outcomes to be judged by.
    """

    project: Path
    folder: Path
    first: date
    last: date
    every: int
    at_once: int
    threads: int
    last_training: date

    def weeks(self) -> list[date]:
        """Return the first day of each week; all weeks are whole.

        Raises:
            RunError: there is none.
        """
        count = (self.last - self.first).days // self.every
        if count < 1:
            raise RunError(f"replay: no {self.every} days lie between {self.first} and {self.last}; name a later --to")
        return [self.first + timedelta(days=self.every * number) for number in range(count)]

    def environment(self) -> dict[str, str]:
        """Return the settings that keep the replay apart, for its commands and for who wants to see it."""
        registry = RegistrySettings.in_folder(self.folder / "mlruns")
        return as_environment(
            registry=registry.database_address,
            registry_artifacts=registry.artifacts,
            # Blank: what is played over is nothing that other machines should see.
            watching="",
            decisions=self.folder / "decisions",
            looks=self.folder / "looks",
            actions=self.folder / "actions",
            dashboards=self.folder / "workspace",
            served=self.folder / "served",
            pages=self.folder / "pages",
        )

    def note(self, week: date) -> Path:
        """Return the file that says that a week is through, and how it ended."""
        return self.folder / "weeks" / f"as_of={week}.json"

    def require_same_question(self) -> None:
        """Refuse to mix weeks of two questions in one folder.

        Raises:
            RunError: the folder holds another replay.
        """
        path = self.folder / "replay.json"
        days = {"first": self.first, "last_training": self.last_training}
        question = {
            "every": self.every,
            "threads": self.threads,
            **{name: day.isoformat() for name, day in days.items()},
        }
        if path.is_file() and read_json(path) != question:
            raise RunError(
                f"{self.folder}: holds a replay of {read_json(path)}, not of {question}; name another --folder"
            )
        write_json(path, question)


def replay(plan: Replay, say: Say) -> Iterator[tuple[date, dict[str, Any]]]:
    """Yield each week and how it ended, the weeks that were through before at once.

    Args:
        plan: see `Replay`.
        say: told each step as it begins.

    Raises:
        RunError: a step failed; the replay goes on there when it is asked for again.
    """
    weeks = plan.weeks()
    plan.require_same_question()
    stages = parse_pipeline((plan.project / PIPELINE_FILE).read_bytes()).order()
    gate = stages.index(_GATE) if _GATE in stages else len(stages)
    pool = ThreadPoolExecutor(plan.at_once)
    try:
        left = [week for week in weeks if not plan.note(week).is_file()]
        trained = {week: pool.submit(_train, plan, week, stages[:gate], say) for week in left}
        for week in weeks:
            if week in trained:
                _deploy(plan, week, trained[week].result(), stages[gate:], say)
                write_json(plan.note(week), _watch(plan, week, trained[week].result(), say))
            yield week, read_json(plan.note(week))
    finally:
        pool.shutdown(cancel_futures=True)


def _train(plan: Replay, week: date, stages: list[str], say: Say) -> str | None:
    """Take a week's run up to the gate and return its name; None where the week has none."""
    if week > plan.last_training:
        return None
    question = {
        "as_of": week.isoformat(),
        "run_id": f"replay in {plan.folder.name} {week}",
        "trigger": "replay",
        "threads": plan.threads,
    }
    run = str(_last_line(_command(plan, "run", "start", stdin=json.dumps(question)))["run"])
    say(f"{week} {stages[0]} to {stages[-1]}")
    _command(plan, "run", "stage", run, *stages)
    return run


def _deploy(plan: Replay, week: date, run: str | None, stages: list[str], say: Say) -> None:
    """Take a trained week's run through the gate to its end."""
    if run is None:
        return
    say(f"{week} {stages[0]} to {stages[-1]}")
    # Apart, since a stage that reads the registry runs alone.
    for stage in stages:
        _command(plan, "run", "stage", run, stage)
    say(f"{week} finish")
    _command(plan, "run", "finish", "--no-pages", run)


def _watch(plan: Replay, week: date, run: str | None, say: Say) -> dict[str, Any]:
    """Decide for a week with the version in use, look at it at the end and do on paper what that asks for."""
    end = week + timedelta(days=plan.every)
    say(f"{week} score")
    scored = _last_line(_command(plan, "score", f"--day={week}", f"--to={end - timedelta(days=1)}"))
    say(f"{week} look")
    # A look that cannot be computed is a result of the replay too: it is written, with its reason, and told.
    looked = _run(plan, "monitor", f"--as-of={end}")
    if looked.returncode != 0:
        failed = looked.stderr.strip().splitlines() or ["no reason given"]
        return {"run": run, "version": scored["version"], "verdict": "failed", "reason": failed[-1], "action": None}
    verdict = _last_line(looked)
    decided = _last_line(_command(plan, "act", stdin=json.dumps(verdict)))
    if decided["action"] in STARTS:
        # On paper: as if a run had carried it out at once.
        _command(plan, "act", "--started-by=nobody, in a replay", stdin=json.dumps(decided))
    return {
        "run": run,
        "version": scored["version"],
        "verdict": verdict["verdict"],
        "reason": verdict["reason"],
        "action": decided["action"],
    }


def _command(plan: Replay, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    done = _run(plan, *words, stdin=stdin)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise RunError(f"replay: `onward {' '.join(words)}` ended with {done.returncode}: {lines[-1]}")
    return done


def _run(plan: Replay, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    own = as_environment(project=plan.project) | plan.environment()
    # A process each: a stage's memory is given back, and a kill of one leaves nothing half-done. Threads of weeks that
    # share the cores must sleep, not spin, while they wait for each other.
    return subprocess.run(
        [sys.executable, "-m", "onward.cli", *words],
        cwd=plan.project,
        input=stdin,
        text=True,
        check=False,
        capture_output=True,
        env={**os.environ, **own, "OMP_WAIT_POLICY": "passive"},
    )


def _last_line(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
