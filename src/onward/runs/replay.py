"""Walk as_of through history: train, let the gate decide, log what the version in use decides, look, act on paper.

Every step is a command that may be repeated, and a week that is through is one small file: a replay that was killed
goes on where it was and ends the same. It has a registry, a decision log and looks of its own, so that nothing of it
touches what is deployed.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from onward.artifacts import read_json, read_text, write_json
from onward.errors import RunError
from onward.runs.pipeline import parse_pipeline

Say = Callable[[str], None]


@dataclass(frozen=True)
class Replay:
    """A replay of a project's past.

    Attributes:
        project: a checkout of the code, with its params.yaml.
        folder: of everything that the replay leaves, one a replay.
        first: clock of the first training.
        last: no week ends after it.
        every: days between two trainings.
    """

    project: Path
    folder: Path
    first: date
    last: date
    every: int

    def weeks(self) -> list[date]:
        """Return the clocks of the trainings, each with a whole week of decisions after it.

        Raises:
            RunError: there is none.
        """
        count = (self.last - self.first).days // self.every
        if count < 1:
            raise RunError(f"replay: no {self.every} days lie between {self.first} and {self.last}; name a later --to")
        return [self.first + timedelta(days=self.every * number) for number in range(count)]

    def environment(self) -> dict[str, str]:
        """Return the settings that keep the replay apart, for its commands and for who wants to see it."""
        return {
            "ONWARD_REGISTRY": f"sqlite:///{self.folder / 'mlruns' / 'mlflow.db'}",
            "ONWARD_REGISTRY_ARTIFACTS": str(self.folder / "mlruns" / "artifacts"),
            "ONWARD_DECISIONS": str(self.folder / "decisions"),
            "ONWARD_LOOKS": str(self.folder / "looks"),
            "ONWARD_ACTIONS": str(self.folder / "actions"),
            "ONWARD_DASHBOARDS": str(self.folder / "workspace"),
        }

    def note(self, week: date) -> Path:
        """Return the file that says that a week is through, and how it ended."""
        return self.folder / "weeks" / f"as_of={week}.json"

    def require_same_question(self) -> None:
        """Refuse to mix weeks of two questions in one folder.

        Raises:
            RunError: the folder holds another replay.
        """
        asked, path = {"first": self.first.isoformat(), "every": self.every}, self.folder / "replay.json"
        if path.is_file() and read_json(path) != asked:
            raise RunError(f"{self.folder}: holds a replay of {read_json(path)}, not of {asked}; name another --folder")
        write_json(path, asked)


def replay(asked: Replay, say: Say) -> Iterator[tuple[date, dict[str, Any]]]:
    """Yield each week and how it ended, the weeks that were through before at once.

    Args:
        asked: see `Replay`.
        say: told each step as it begins.

    Raises:
        RunError: a step failed; the replay goes on there when it is asked for again.
    """
    weeks = asked.weeks()
    asked.require_same_question()
    stages = parse_pipeline(read_text(asked.project / "dvc.yaml").encode()).order()
    for week in weeks:
        note = asked.note(week)
        if not note.is_file():
            write_json(note, _walk(asked, week, stages, say))
        yield week, read_json(note)


def _walk(asked: Replay, week: date, stages: list[str], say: Say) -> dict[str, Any]:
    end = week + timedelta(days=asked.every)
    question = {"as_of": week.isoformat(), "run_id": f"replay in {asked.folder.name} {week}", "trigger": "replay"}
    say("start")
    run = _last_line(_command(asked, "run", "start", stdin=json.dumps(question)))["run"]
    for stage in stages:
        say(stage)
        _command(asked, "run", "stage", run, stage)
    say("finish")
    _command(asked, "run", "finish", run)
    say("score")
    scored = _last_line(_command(asked, "score", f"--day={week}", f"--to={end - timedelta(days=1)}"))
    say("look")
    # A look that cannot be computed is a result of the replay too: it is written, with its reason, and told.
    looked = _run(asked, "monitor", f"--as-of={end}")
    if looked.returncode != 0:
        failed = looked.stderr.strip().splitlines() or ["no reason given"]
        return {"run": run, "version": scored["version"], "verdict": "failed", "reason": failed[-1], "action": None}
    verdict = _last_line(looked)
    decided = _last_line(_command(asked, "act", stdin=json.dumps(verdict)))
    return {
        "run": run, "version": scored["version"], "verdict": verdict["verdict"], "reason": verdict["reason"],
        "action": decided["action"],
    }  # fmt: skip


def _command(asked: Replay, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    done = _run(asked, *words, stdin=stdin)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise RunError(f"replay: `onward {' '.join(words)}` ended with {done.returncode}: {lines[-1]}")
    return done


def _run(asked: Replay, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    # A process each: a stage's memory is given back, and a kill of one leaves nothing half-done.
    return subprocess.run(
        [sys.executable, "-m", "onward.cli", *words], cwd=asked.project, input=stdin, text=True, check=False,
        capture_output=True, env={**os.environ, **asked.environment()},
    )  # fmt: skip


def _last_line(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
