"""One stage of one run as a transaction: all of it is on the remotes, or nothing is.

The order is what makes it safe to kill at any moment: outputs reach the DVC remote first, then one push of one commit
says that the stage is done. Before that push nothing is; after it everything is. Two machines that do the same stage at
once both come to that push, and git lets one of them through.
"""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from onward.errors import NOT_TO_BE_RETRIED, RequestError, RunError
from onward.layout import PARAMS_FILE, Layout
from onward.pipeline_file import LOCK_FILE, Lock, Pipeline, Stage, parse_lock
from onward.runs.protocol.git import GitError
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.names import require_stage
from onward.runs.protocol.staleness import changes, hash_bytes
from onward.runs.protocol.workspace import Say, Workspace, open_workspace, require_status
from onward.yaml_text import load_yaml

STAGE_TRAILER = "Onward-Stage"
RUN_TRAILER = "Onward-Run"
_ATTEMPT_TRAILER = "Onward-Attempt"
_ATTEMPTS = 20
_PUSH = 2
"""Status of DVC's two commands that take a stage when the second fails."""


def run_stage(locations: RunLocations, run: str, name: str, say: Say) -> bool:
    """Run a stage of a run and record it on the run's branch; do nothing if that has been done.

    Args:
        locations: of this machine.
        run: name of the run.
        name: of the stage.
        say: told in a line what happens.

    Returns:
        Whether this call recorded the stage.

    Raises:
        RunError: a stage before it has not been recorded, the stage failed, or a remote refused.
    """
    require_stage(name)
    with open_workspace(locations, run, say) as space:
        commit = space.synchronise(say)
        manifest = space.manifest(commit)
        done = done_stages(space, manifest.code_commit, commit)
        if name in done:
            say(f"{name} is already on branch {space.branch}, in commit {done[name][:12]}")
            return False
        pipeline = space.pipeline()
        pipeline.stage(name)
        left = [other for other in pipeline.upstream(name) if other not in done]
        if left:
            raise RunError(f"{name} needs {', '.join(left)} first: `onward run stage {run} {left[0]}`")
        _prepare(space, pipeline, name, forced=name in manifest.forced)
        force = ["--force"] if name in manifest.forced else []
        return _take(space, pipeline, [name], force, manifest.code_commit, say)


def run_stages(locations: RunLocations, run: str, names: Sequence[str], say: Say) -> None:
    """Run stages of a run, one after the other, with one start of DVC for all, and then record each on the branch.

    What was recorded before is left alone. Killed before the end, none of the rest is recorded; asked again, DVC finds
    in this machine's cache what had been finished.

    Args:
        locations: of this machine.
        run: name of the run.
        names: of the stages, in the pipeline's order.
        say: told in a line what happens.

    Raises:
        RunError: a stage before them has not been recorded, one of them failed or has to run by itself, or a remote
            refused.
    """
    for name in names:
        require_stage(name)
    with open_workspace(locations, run, say) as space:
        commit = space.synchronise(say)
        manifest = space.manifest(commit)
        pipeline = space.pipeline()
        done = done_stages(space, manifest.code_commit, commit)
        stages = {name: pipeline.stage(name) for name in names if name not in done}
        if not stages:
            return
        for name in stages:
            left = [other for other in pipeline.upstream(name) if other not in done and other not in stages]
            if left or name in manifest.forced:
                first = left[0] if left else name
                raise RunError(f"{name} cannot run together with others: `onward run stage {run} {first}` comes first")
        reads = _read_by(pipeline, space.locked_state(), list(stages.values()))
        missing = space.bring(reads)
        if missing:
            raise RunError(
                f"the stages need {', '.join(sorted(missing))}, which DVC remote {locations.dvc_remote} lacks"
            )
        space.forget(out for stage in stages.values() for out in stage.outs)
        _take(space, pipeline, list(stages), [], manifest.code_commit, say)


def done_stages(space: Workspace, code_commit: str, commit: str) -> dict[str, str]:
    """Commits of the stages that a run has recorded, by stage."""
    form = f"%H %(trailers:key={STAGE_TRAILER},valueonly,separator=%x20)"
    lines = space.git("log", "--reverse", f"--format={form}", f"{code_commit}..{commit}").splitlines()
    return {words[1]: words[0] for line in lines if len(words := line.split()) > 1}


def message(subject: str, run: str, stage: str | None = None) -> str:
    """Word a commit of a run, with the trailers by which it is found again."""
    trailers = f"{RUN_TRAILER}: {run}\n" + (f"{STAGE_TRAILER}: {stage}\n" if stage else "")
    # Two machines that record the same in the same second would make the same commit, and git would let both push it.
    return f"{subject}\n\n{trailers}{_ATTEMPT_TRAILER}: {secrets.token_hex(8)}\n"


def _prepare(space: Workspace, pipeline: Pipeline, name: str, *, forced: bool) -> None:
    """Have in the folder what the stage reads, and what it wrote before where that will still do."""
    stage = pipeline.stage(name)
    lock = space.locked_state()
    reads = _read_by(pipeline, lock, [stage])
    before = {path: lock.outs(name)[path] for path in stage.outs if path in lock.outs(name)}
    params = load_yaml((space.root / PARAMS_FILE).read_bytes()) if stage.params else {}
    stale = forced or changes(pipeline, lock, params, lambda path: _hash_file(space, path), name)
    missing = space.bring(reads | ({} if stale else before)) & set(reads)
    if missing:
        raise RunError(
            f"{name} needs {', '.join(sorted(missing))}, which DVC remote {space.locations.dvc_remote} lacks"
        )
    space.forget(stage.outs)


def _read_by(pipeline: Pipeline, lock: Lock, stages: Sequence[Stage]) -> dict[str, str]:
    """Outputs of other stages that these read, and the hashes recorded of them."""
    own = {out for stage in stages for out in stage.outs}
    outputs = {out for stage in stages for dep in stage.deps if (out := pipeline.output(dep))}
    return {out: digest for out in sorted(outputs - own - _kept_by_git(pipeline)) if (digest := lock.hash_of(out))}


def _take(
    space: Workspace, pipeline: Pipeline, names: Sequence[str], force: Sequence[str], code_commit: str, say: Say
) -> bool:
    """Run stages with one start of DVC, send their outputs, record each; whether this call recorded the last."""
    failure = Layout(space.root).stage_failure
    failure.unlink(missing_ok=True)
    status = space.dvc(["repro", "--single-item", *force, *names], ["push", *names])
    if status not in {0, _PUSH}:
        _require_no_failure(failure)
    what = f"sending the outputs of {', '.join(names)}" if status == _PUSH else f"stage {' or '.join(names)}"
    require_status(status, what)
    lock = space.locked_state()
    recorded = False
    for name in names:
        # What came of other files than the recorded ones has been sent, but no commit names it.
        _require_own_inputs(space, lock, pipeline, name)
    for name in names:
        space.remember({path: lock.outs(name)[path] for path in pipeline.stage(name).outs})
        recorded = _record(space, lock, pipeline, name, code_commit, say)
    return recorded


def _require_no_failure(path: Path) -> None:
    """Say why a stage failed, in its own words; a stage that ended in another way has left none.

    Raises:
        RequestError: a retry of the stage would fail as well.
        RunError: it may succeed.
    """
    if path.is_file():
        said = json.loads(path.read_bytes())
        error = RequestError if said["status"] == NOT_TO_BE_RETRIED else RunError
        raise error(f"stage {said['stage']}: {said['error']}")


def _require_own_inputs(space: Workspace, lock: Lock, pipeline: Pipeline, name: str) -> None:
    """Refuse a result that came from other files than the run's earlier stages recorded, unless it is a kept one."""
    if pipeline.stage(name).frozen:
        return
    for path, digest in lock.deps(name).items():
        recorded = lock.hash_of(path)
        if pipeline.maker(path) and recorded is not None and recorded != digest:
            space.forget([path])
            raise RunError(f"{name} read another {path} than {pipeline.maker(path)} recorded; run it again")


def _record(space: Workspace, lock: Lock, pipeline: Pipeline, name: str, code_commit: str, say: Say) -> bool:
    """Put one commit on the branch, on top of whatever others have put there meanwhile."""
    commit = space.tip()
    kept = pipeline.stage(name).kept_by_git
    for _ in range(_ATTEMPTS):
        theirs = parse_lock(space.git.file(commit, LOCK_FILE))
        merged = theirs.with_entry_of(lock, name)
        files = {path: (space.root / path).read_bytes() for path in kept} | {LOCK_FILE: merged.text.encode()}
        word = "Keep" if merged.text == theirs.text else "Run"
        made = space.git.commit_files(commit, files, message(f"{word} {name}", space.run, name))
        try:
            space.push(made)
        except GitError as error:
            before, commit = commit, space.fetch()
            if commit == before:
                raise RunError(f"branch {space.branch} cannot be pushed: {error}") from None
            if name in done_stages(space, code_commit, commit):
                _compare(parse_lock(space.git.file(commit, LOCK_FILE)), lock, name, say)
                return False
            continue
        say(f"{word.lower()} {name}: commit {made[:12]} on branch {space.branch}")
        return True
    raise RunError(f"branch {space.branch} moved {_ATTEMPTS} times while {name} was recorded; run it again")


def _compare(theirs: Lock, ours: Lock, name: str, say: Say) -> None:
    apart = [path for path, digest in ours.outs(name).items() if theirs.outs(name).get(path) != digest]
    if apart:
        say(f"WARNING: another machine recorded {name} first, with other bytes in {', '.join(apart)}; theirs stand")
    else:
        say(f"another machine recorded {name} first, with the same outputs")


def _kept_by_git(pipeline: Pipeline) -> set[str]:
    return {path for stage in pipeline.stages.values() for path in stage.kept_by_git}


def _hash_file(space: Workspace, path: str) -> str | None:
    file = space.root / path
    return hash_bytes(file.read_bytes()) if file.is_file() else None
