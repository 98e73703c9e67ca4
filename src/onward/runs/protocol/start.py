"""Start a run: one commit on a branch of its own, made without a working copy."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from onward.errors import RequestError, RunError
from onward.layout import PARAMS_FILE
from onward.params import LIES_IN, Params, decode_params, parse_params
from onward.pipeline_file import LOCK_FILE, PIPELINE_FILE, parse_lock, parse_pipeline
from onward.runs.protocol.git import Git, GitError
from onward.runs.protocol.kept_training import keep_training
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.manifest import FILE, Manifest, parse_manifest
from onward.runs.protocol.names import branch_of, run_name
from onward.runs.protocol.params_edit import with_values
from onward.runs.protocol.request import Asked
from onward.runs.protocol.staleness import hash_bytes, would_run
from onward.runs.protocol.transaction import message
from onward.runs.protocol.workspace import Say
from onward.yaml_text import load_yaml

# What it decides depends on the registry, which DVC does not see: a bundle that was made before may have to take over
# again, or be entered into a registry that never held it. The same bundle once more changes nothing.
_ALWAYS = {"deploy": "always, because DVC does not see the registry"}


@dataclass(frozen=True)
class Started:
    """What `start` did: the run's name and clock, and whether this call made it; a dry run only has a plan."""

    run: str | None
    as_of: date
    new: bool
    plan: dict[str, str] | None = None


def start(
    locations: RunLocations,
    request: Asked,
    champion: Callable[[], int | None],
    say: Say,
    trained_by: Callable[[], str | None] = lambda: None,
) -> Started:
    """Make a run's branch from the code as committed, or find the one that the same request made before.

    Args:
        locations: of this machine.
        request: what the run is to be.
        champion: asks the registry for the version in use; called for new runs only.
        say: told in a line what happens.
        trained_by: asks for the run that made the version in use; called where the run may keep its model.

    Raises:
        RunError: the project is no git repository, or the request names what it does not have.
        ParamsError: params.yaml would not be valid with the values asked for.
    """
    git = locations.git(locations.project)
    try:
        code = git("rev-parse", "--verify", "--end-of-options", f"{locations.settings.code_ref}^{{commit}}")
    except GitError as error:
        raise RunError(
            f"{locations.project}: no commit {locations.settings.code_ref!r} to start from ({error})"
        ) from None
    before = decode_params(git.file(code, PARAMS_FILE) or b"")
    otherwise = parse_params(before).run.as_of
    settings = request.settings(otherwise)
    after = with_values(before, settings)
    _require_reachable(git, code, parse_params(after))
    pipeline = parse_pipeline(git.file(code, PIPELINE_FILE))
    # A run would stumble over it in its first stage, on a branch that nobody could mend.
    lock = parse_lock(git.file(code, LOCK_FILE))
    reasons = {name: reason for name, reason in _ALWAYS.items() if name in pipeline.stages}
    reasons |= dict.fromkeys(pipeline.from_stage(request.run_from) if request.run_from else [], "asked for")
    _say_uncommitted(git, locations, say)
    kept = keep_training(
        git, locations, pipeline, code, load_yaml(after), request.run_from, _hash_at(git, code), trained_by, say
    )
    if request.dry_run:
        lock = parse_lock(kept.files[LOCK_FILE]) if kept.stages else lock
        pipeline = parse_pipeline(kept.files.get(PIPELINE_FILE) or git.file(code, PIPELINE_FILE))
        plan = would_run(pipeline, lock, load_yaml(after), _hash_at(git, code), reasons)
        return Started(None, request.clock(otherwise), new=False, plan=plan)
    identity = request.identity
    run = run_name(request.clock(otherwise), identity)
    earlier = _find(git, locations, run)
    if earlier is None:
        manifest = Manifest(
            run,
            identity,
            request.trigger or "by_hand",
            settings,
            request.run_from,
            list(reasons),
            code,
            champion(),
            locations.dvc_remote,
            datetime.now(UTC).isoformat(timespec="seconds"),
            kept=dict(kept.stages),
        )
        files = {**kept.files, PARAMS_FILE: after.encode(), FILE: manifest.to_json()}
        commit = git.commit_files(code, files, message(f"Start run {run}", run))
        branch = f"refs/heads/{branch_of(run)}"
        try:
            git("push", "-q", f"--force-with-lease={branch}:", locations.git_remote, f"{commit}:{branch}")
        except GitError as error:
            earlier = _find(git, locations, run)
            if earlier is None:
                raise RunError(f"branch {branch_of(run)} cannot be pushed: {error}") from None
    if earlier is None:
        say(f"run {run} starts from commit {code[:12]}")
        return Started(run, request.clock(otherwise), new=True)
    if earlier.asked != settings or earlier.run_from != request.run_from:
        raise RequestError(f"run {run} was started with other values ({earlier.asked}); give another run_id")
    say(f"run {run} was started at {earlier.started_at}: going on with it")
    return Started(run, request.clock(otherwise), new=False)


def _find(git: Git, locations: RunLocations, run: str) -> Manifest | None:
    """Return the record of a run that exists on the remote."""
    branch = f"refs/heads/{branch_of(run)}"
    listed = git("ls-remote", locations.git_remote, branch)
    if not listed:
        return None
    git("fetch", "-q", "--no-tags", "--no-write-fetch-head", locations.git_remote, branch)
    return parse_manifest(git.file(listed.split()[0], FILE), run)


def _require_reachable(git: Git, code: str, params: Params) -> None:
    """Refuse a log in a place that no workspace would have."""
    source = params.run.source
    if source not in LIES_IN:
        return
    place: Path = getattr(getattr(params.sources, source), LIES_IN[source])
    if not place.is_absolute() and not git("ls-tree", code, "--", str(place)):
        raise RequestError(
            f"sources.{source}.{LIES_IN[source]} = {place}: a run works in a folder of its own; name it by its "
            "absolute path, or commit it"
        )


def _say_uncommitted(git: Git, locations: RunLocations, say: Say) -> None:
    changed = git("--no-optional-locks", "status", "--porcelain", "--untracked-files=no").splitlines()
    if changed and locations.settings.code_ref == "HEAD":
        say(f"{len(changed)} uncommitted changes in {locations.project} are no part of the run")


def _hash_at(git: Git, commit: str) -> Callable[[str], str | None]:
    @cache
    def hash_file(path: str) -> str | None:
        content = git.file(commit, path)
        return None if content is None else hash_bytes(content)

    return hash_file
