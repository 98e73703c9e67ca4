"""What the branches of all runs hold, read from git's objects: nothing is checked out, and one git reads all files."""

import json
import logging
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from onward.errors import RunError
from onward.layout import PARAMS_FILE
from onward.pipeline_file import LOCK_FILE, PIPELINE_FILE, Pipeline, parse_lock, parse_pipeline
from onward.runs.protocol.git import Git
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.manifest import FILE, Manifest, parse_manifest
from onward.runs.protocol.names import BRANCHES, branch_of
from onward.runs.protocol.transaction import RUN_TRAILER, STAGE_TRAILER
from onward.yaml_text import load_yaml

_FETCHED = "refs/onward/"
_log = logging.getLogger(__name__)
_OWN = "refs/heads/"
_FILES = (FILE, PARAMS_FILE, LOCK_FILE, PIPELINE_FILE)


@dataclass(frozen=True)
class RunRecord:
    """One run as its branch tells it.

    Attributes:
        manifest: what it was asked, and how it ended.
        commit: of the branch's tip.
        stages: those it has recorded, in that order.
        pipeline: all stages of its dvc.yaml, in the order of the file.
        files: texts of params.yaml, dvc.lock and the metrics of recorded stages, by path.
    """

    manifest: Manifest
    commit: str
    stages: tuple[str, ...]
    pipeline: tuple[str, ...]
    files: Mapping[str, str]

    @property
    def name(self) -> str:
        """The run's name."""
        return self.manifest.name

    @property
    def state(self) -> str:
        """How far it is, in words."""
        if self.manifest.finished is not None:
            return "finished"
        if not self.stages:
            return "started"
        return f"{self.stages[-1]} ({len(self.stages)} of {len(self.pipeline)})"

    @property
    def version(self) -> int | None:
        """Number of the version it registered, once it is finished."""
        return (self.manifest.finished or {}).get("version")

    @property
    def branch(self) -> str:
        """Its branch."""
        return branch_of(self.name)

    def params(self) -> dict[str, Any]:
        """Its params.yaml."""
        return dict(_yaml(self.files[PARAMS_FILE]))

    def outs(self) -> dict[str, str]:
        """DVC's hashes of what its recorded stages wrote, by path, in the pipeline's order."""
        lock = parse_lock(self.files[LOCK_FILE].encode() if self.stages else None)
        recorded = [name for name in self.pipeline if name in self.stages]
        return {path: md5 for name in recorded for path, md5 in lock.outs(name).items()}

    def metrics(self, name: str) -> dict[str, Any]:
        """One of its metrics files; empty as long as its stage has not been recorded."""
        text = self.files.get(f"metrics/{name}.json")
        return {} if text is None else dict(json.loads(text))

    @property
    def auc(self) -> float | None:
        """AUC of its backtest, if it has come to that."""
        figure = self.metrics("evaluation").get("auc")
        return None if figure is None else float(figure["value"])


def read_records(locations: RunLocations) -> list[RunRecord]:
    """Read every run on the git remote, the latest start first.

    Raises:
        RunError: the remote does not answer.
    """
    git = locations.git(locations.project)
    tips = _tips(git, locations)
    recorded = _recorded_stages(git, tips)
    texts = _read(locations.project, [f"{commit}:{path}" for commit in tips.values() for path in _FILES])
    pipelines = _pipelines(tips, texts)
    tips = {name: commit for name, commit in tips.items() if name in pipelines}
    kept_files = [
        f"{commit}:{path}"
        for name, commit in tips.items()
        for stage in recorded[name]
        if stage in pipelines[name].stages
        # A branch begins with the files of the run before it: only those of recorded stages are its own.
        for path in pipelines[name].stage(stage).kept_by_git
        if path.endswith(".json")
    ]
    texts |= _read(locations.project, kept_files)
    texts_of: dict[str, dict[str, str]] = {commit: {} for commit in tips.values()}
    for key, text in texts.items():
        commit, _, path = key.partition(":")
        texts_of.setdefault(commit, {})[path] = text
    records = []
    for name, commit in tips.items():
        files = {path: text for path, text in texts_of[commit].items() if path != FILE}
        try:
            manifest = parse_manifest(texts_of[commit].get(FILE, "").encode(), name)
            record = RunRecord(manifest, commit, recorded[name], tuple(pipelines[name].order()), files)
            _require_whole(record, name)
        except (RunError, yaml.YAMLError, KeyError, ValueError, TypeError, AttributeError) as error:
            _skip(name, error)
            continue
        records.append(record)
    return sorted(records, key=lambda record: (record.manifest.started_at, record.name), reverse=True)


def _pipelines(tips: Mapping[str, str], texts: Mapping[str, str]) -> dict[str, Pipeline]:
    """The dvc.yaml of each branch that has one."""
    pipelines = {}
    for name, commit in tips.items():
        try:
            pipelines[name] = _pipeline(texts.get(f"{commit}:{PIPELINE_FILE}", ""))
        except RunError as error:
            _skip(name, error)
    return pipelines


def _require_whole(record: RunRecord, name: str) -> None:
    """Refuse a branch whose files a question about runs could not read.

    Raises:
        RunError: it is another run's, or a file is missing or cut off.
    """
    if record.name != name:
        raise RunError(f"its {FILE} is that of run {record.name}")
    if PARAMS_FILE not in record.files or "run" not in record.params():
        raise RunError(f"it has no {PARAMS_FILE}")
    # Read once here, so that no question stumbles over it.
    record.outs()
    float(record.auc or 0.0)


def _skip(name: str, error: Exception) -> None:
    reason = " ".join(str(error).split())
    _log.warning("branch %s: skipped, it holds no run that can be read (%s)", branch_of(name), reason)


def _tips(git: Git, locations: RunLocations) -> dict[str, str]:
    """Commits of all run branches, by run; another repository's come into refs of their own, not into branches."""
    prefix = _OWN
    if not _same(locations.git_remote, locations.project):
        prefix = _FETCHED
        refs = f"+{_OWN}{BRANCHES}*:{_FETCHED}{BRANCHES}*"
        git("fetch", "-q", "--no-tags", "--prune", "--no-write-fetch-head", locations.git_remote, refs)
    listed = git("for-each-ref", "--format=%(refname) %(objectname)", prefix + BRANCHES).splitlines()
    return {ref.removeprefix(prefix + BRANCHES): commit for ref, commit in (line.split() for line in listed)}


def _same(remote: str, project: Path) -> bool:
    return Path(remote).resolve() == project.resolve()


def _recorded_stages(git: Git, tips: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    recorded: dict[str, dict[str, None]] = {name: {} for name in tips}
    if tips:
        trailers = (f"%(trailers:key={key},valueonly,separator=%x20)" for key in (RUN_TRAILER, STAGE_TRAILER))
        form = "%x00".join(trailers)
        feed = "\n".join(tips.values()).encode()
        # Only a run's own commits bear its trailer, so one walk over all branches serves.
        options = ("--reverse", "--topo-order", f"--grep=^{STAGE_TRAILER}: ", f"--format={form}")
        for line in git("log", "--stdin", *options, feed=feed).splitlines():
            run, _, stage = line.partition("\0")
            if run in recorded and stage:
                recorded[run][stage] = None
    return {name: tuple(stages) for name, stages in recorded.items()}


@cache
def _pipeline(text: str) -> Pipeline:
    # Hardly any run changes the pipeline: its file is parsed once for all that share it.
    return parse_pipeline(text.encode())


def _read(project: Path, names: list[str]) -> dict[str, str]:
    """Texts of git's objects by name; objects that do not exist are left out (git-cat-file(1), "BATCH OUTPUT")."""
    if not names:
        return {}
    done = subprocess.run(
        ["git", "cat-file", "--batch"], cwd=project, input="\n".join(names).encode(), capture_output=True, check=False
    )
    if done.returncode != 0:
        raise RunError(f"git cat-file in {project}: {done.stderr.decode('utf-8', 'replace').strip()}")
    texts = {}
    rest = done.stdout
    for name in names:
        head, _, rest = rest.partition(b"\n")
        if head.endswith(b" missing"):
            continue
        size = int(head.split()[2])
        texts[name] = rest[:size].decode("utf-8", "replace")
        rest = rest[size + 1 :]
    return texts


@cache
def _yaml(text: str) -> Any:
    return load_yaml(text) or {}
