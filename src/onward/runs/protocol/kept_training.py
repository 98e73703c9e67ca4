"""A run that begins after training keeps the model in use: `run_from=fit_thresholds` finds new cuts for the same model.

DVC would train anew, because the run's clock is among the settings of training. So the run's branch carries the
training stage as the version in use recorded it, frozen (DVC's own word for a stage that is not run): its entry of
dvc.lock, its metrics, and `frozen: true` in dvc.yaml. Later stages read the model as they would any other.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from onward.errors import RunError
from onward.layout import PARAMS_FILE
from onward.pipeline_file import LOCK_FILE, PIPELINE_FILE, Lock, Pipeline, parse_lock
from onward.runs.protocol.git import Git
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.names import branch_of
from onward.runs.protocol.staleness import changes
from onward.runs.protocol.workspace import Say


@dataclass(frozen=True)
class KeptTraining:
    """What a run takes over from another one instead of training.

    Attributes:
        stages: the run that each kept stage was recorded by.
        files: what the run's first commit holds of it, by path.
    """

    stages: Mapping[str, str]
    files: Mapping[str, bytes]


NOTHING = KeptTraining({}, {})


def keep_training(
    git: Git,
    locations: RunLocations,
    pipeline: Pipeline,
    code: str,
    params: Mapping[str, Any],
    run_from: str | None,
    hash_file: Callable[[str], str | None],
    in_use: Callable[[], str | None],
    say: Say,
) -> KeptTraining:
    """Find what a new run may keep of the run that trained the version in use.

    Args:
        git: in the project.
        locations: of this machine.
        pipeline: dvc.yaml of the new run.
        code: the commit that it starts from.
        params: its params.yaml.
        run_from: the stage that it begins with.
        hash_file: MD5 of a source file at that commit.
        in_use: names the run that made the version in use; asked only where there is something to keep.
        say: told in a line why a model is kept, or is not.

    Returns:
        `NOTHING` where the run trains anew: nothing was asked to begin after training, no run made the version in use,
        it knows as much or more than the new run may, or code or settings of training have changed since.
    """
    trained = [name for name in _before(pipeline, run_from) if pipeline.stage(name).trains] if run_from else []
    run = in_use() if trained else None
    if not trained or run is None:
        return NOTHING
    try:
        tip = _fetch(git, locations, run)
        theirs = parse_lock(git.file(tip, LOCK_FILE))
        for name in trained:
            _require_same(pipeline, theirs, params, name, hash_file)
        text = (git.file(code, PIPELINE_FILE) or b"").decode()
        ours = parse_lock(git.file(code, LOCK_FILE))
        files: dict[str, bytes] = {}
        for name in trained:
            text = _freeze(text, name)
            ours = ours.with_entry_of(theirs, name)
            files |= {path: _file(git, tip, path) for path in pipeline.stage(name).kept_by_git}
    except RunError as error:
        say(f"{', '.join(trained)} will run: {error}")
        return NOTHING
    say(f"{', '.join(trained)} is kept as run {run} recorded it: it made the version in use")
    return KeptTraining(
        dict.fromkeys(trained, run), {**files, PIPELINE_FILE: text.encode(), LOCK_FILE: ours.text.encode()}
    )


def _before(pipeline: Pipeline, name: str) -> list[str]:
    """All stages that a stage needs, itself or through others."""
    needed = {name}
    for other in reversed(pipeline.order()):
        if other in needed:
            needed |= set(pipeline.upstream(other))
    return [other for other in pipeline.order() if other in needed and other != name]


def _fetch(git: Git, locations: RunLocations, run: str) -> str:
    branch = f"refs/heads/{branch_of(run)}"
    listed = git("ls-remote", locations.git_remote, branch)
    if not listed:
        raise RunError(f"run {run}, which made the version in use, is not on {locations.git_remote}")
    git("fetch", "-q", "--no-tags", "--no-write-fetch-head", locations.git_remote, branch)
    return listed.split()[0]


def _require_same(
    pipeline: Pipeline, lock: Lock, params: Mapping[str, Any], name: str, hash_file: Callable[[str], str | None]
) -> None:
    """Refuse a training that this run would not have done on the same data, or whose data this run may not know."""
    if name not in lock.entries:
        raise RunError(f"the version in use was made without {name}")
    then = lock.entries[name].get("params", {}).get(PARAMS_FILE, {}).get("run", {}).get("as_of")
    now = params["run"]["as_of"]
    if then is None or date.fromisoformat(then) >= date.fromisoformat(now):
        raise RunError(f"the version in use was trained as of {then}, which is not before {now}")
    as_then = {**params, "run": {**params["run"], "as_of": then}}
    # The data is another, since the clock is; what it was then does not matter.
    of_data = {f"{path} changed" for path in pipeline.stage(name).deps if pipeline.maker(path)}
    apart = [reason for reason in changes(pipeline, lock, as_then, hash_file, name) if reason not in of_data]
    if apart:
        raise RunError(f"since the version in use was trained, {', '.join(apart[:3])}")


def _freeze(text: str, name: str) -> str:
    frozen, times = re.subn(rf"(?m)^(  {re.escape(name)}:[ \t]*)$", r"\1\n    frozen: true", text, count=1)
    if not times:
        raise RunError(f"{PIPELINE_FILE} does not name {name} on a line of its own")
    return frozen


def _file(git: Git, commit: str, path: str) -> bytes:
    content = git.file(commit, path)
    if content is None:
        raise RunError(f"the run that made the version in use lacks {path}")
    return content
