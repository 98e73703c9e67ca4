"""Branches of runs that no stage was run for: made at once by `git fast-import` from the project's own files."""

import json
import subprocess
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import yaml

from onward.runs.protocol.names import run_name

ROOT = Path(__file__).resolve().parents[2]
STAGES = tuple(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])


@dataclass(frozen=True)
class Made:
    """A run to be made: how many stages it has recorded, what it reached, and how it ended."""

    number: int
    stages: int = len(STAGES)
    auc: float = 0.7
    target: float = 0.08
    version: int | None = None
    promoted: bool = False

    @property
    def as_of(self) -> str:
        return (date(2017, 5, 1) + timedelta(weeks=self.number)).isoformat()

    @property
    def name(self) -> str:
        return run_name(date.fromisoformat(self.as_of), f"run {self.number}")


def make_repository(folder: Path, runs: list[Made]) -> Path:
    """A bare repository with one code commit and a branch for every run."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
    base = {name: (ROOT / name).read_text() for name in ("dvc.yaml", "params.yaml")}
    # As in a repository whose last `dvc repro` was recorded: what a young run shows must not come from there.
    base["metrics/evaluation.json"] = json.dumps({"auc": {"value": 0.999, "low": 0.99, "high": 1.0}})
    stream = [_commit("refs/heads/main", "Code", base, None)]
    for run in runs:
        stream.extend(_run(run))
    feed = "".join(stream).encode()
    subprocess.run(["git", "-C", str(folder), "fast-import", "--quiet"], input=feed, check=True)
    return folder


def _run(run: Made) -> list[str]:
    ref, params = f"refs/heads/runs/{run.name}", yaml.safe_load((ROOT / "params.yaml").read_text())
    params["run"]["as_of"], params["thresholds"]["precision_target"] = run.as_of, run.target
    manifest = {
        "name": run.name, "run_id": f"manual__{run.number}", "trigger": "manual", "run_from": None, "forced": [],
        "asked": {"run": {"as_of": run.as_of}}, "code_commit": "c" * 40, "parent_champion": None,
        "dvc_remote": "/srv/dvc", "started_at": f"2026-01-01T00:00:{run.number:02d}+00:00", "finished": None,
    }  # fmt: skip
    trailer = f"Onward-Run: {run.name}\n"
    started = {"params.yaml": yaml.safe_dump(params), "run.json": json.dumps(manifest)}
    commits = [_commit(ref, f"Start run {run.name}\n\n{trailer}", started, "refs/heads/main")]
    lock: dict = {"schema": "2.0", "stages": {}}
    for stage in STAGES[: run.stages]:
        out = "artifacts/serving" if stage == "ingest" else f"artifacts/{stage}"
        entry = {"cmd": stage, "outs": [{"path": out, "hash": "md5", "md5": f"{run.number:02d}{stage}.dir"}]}
        lock["stages"][stage] = entry
        files = {"dvc.lock": yaml.safe_dump(lock)}
        if stage == "evaluate":
            files["metrics/evaluation.json"] = json.dumps(
                {"auc": {"value": run.auc, "low": 0.1, "high": 0.9}, "ece": 0.01}
            )
        if stage == "correct_label_delay":
            files["metrics/delay.json"] = json.dumps({"z": {"auc": 0.6}, "estimator": "soft_label"})
        commits.append(_commit(ref, f"Run {stage}\n\n{trailer}Onward-Stage: {stage}\n", files, None))
    if run.version is not None:
        ended = {"at": "2026-01-02", "version": run.version, "champion": run.version, "promoted": run.promoted,
                 "reasons": ["passed: AUC 0.7 [fine]"]}  # fmt: skip
        files = {"run.json": json.dumps({**manifest, "finished": ended})}
        commits.append(_commit(ref, f"Finish run\n\n{trailer}Onward-Finished: {run.name}\n", files, None))
    return commits


def _commit(ref: str, message: str, files: dict[str, str], parent: str | None) -> str:
    lines = [f"commit {ref}\ncommitter Onward <onward@localhost> 1500000000 +0000\n", _data(message)]
    if parent:
        lines.append(f"from {parent}\n")
    lines.extend(f"M 100644 inline {path}\n{_data(content)}" for path, content in files.items())
    return "".join(lines) + "\n"


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"
