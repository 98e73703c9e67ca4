"""Start a run: one commit on a branch of its own, made without a working copy."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache

import yaml

from onward.errors import RunError
from onward.params import Params, parse_params
from onward.runs.asked import Asked
from onward.runs.git import Git, GitError
from onward.runs.manifest import FILE, Manifest, parse_manifest
from onward.runs.names import branch_of, run_name
from onward.runs.pipeline import hash_bytes, parse_lock, parse_pipeline, would_run
from onward.runs.places import Places
from onward.runs.settings import with_values
from onward.runs.transaction import message
from onward.runs.workspace import Say

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


def start(places: Places, asked: Asked, champion: Callable[[], int | None], say: Say) -> Started:
    """Make a run's branch from the code as committed, or find the one that the same request made before.

    Args:
        places: of this machine.
        asked: what the run is to be.
        champion: asks the registry for the version in use; called for new runs only.
        say: told in a line what happens.

    Raises:
        RunError: the project is no git repository, or the request names what it does not have.
        ParamsError: params.yaml would not be valid with the values asked for.
    """
    git = Git(places.project)
    try:
        code = git("rev-parse", "--verify", "--end-of-options", f"{places.code_ref}^{{commit}}")
    except GitError as error:
        raise RunError(f"{places.project}: no commit {places.code_ref!r} to start from ({error})") from None
    before = (git.file(code, "params.yaml") or b"").decode()
    otherwise = parse_params(before).run.as_of
    settings = asked.settings(otherwise)
    after = with_values(before, settings)
    _require_reachable(git, code, parse_params(after))
    pipeline = parse_pipeline(git.file(code, "dvc.yaml"))
    reasons = {name: reason for name, reason in _ALWAYS.items() if name in pipeline.stages}
    reasons |= dict.fromkeys(pipeline.from_stage(asked.run_from) if asked.run_from else [], "asked for")
    _say_uncommitted(git, places, say)
    if asked.dry_run:
        lock = parse_lock(git.file(code, "dvc.lock"))
        plan = would_run(pipeline, lock, yaml.safe_load(after), _hash_at(git, code), reasons)
        return Started(None, asked.clock(otherwise), new=False, plan=plan)
    identity = asked.identity
    run = run_name(asked.clock(otherwise), identity)
    known = _find(git, places, run)
    if known is None:
        manifest = Manifest(
            run, identity, asked.trigger or "by_hand", settings, asked.run_from, list(reasons), code, champion(),
            places.dvc_remote, datetime.now(UTC).isoformat(timespec="seconds"),
        )  # fmt: skip
        files = {"params.yaml": after.encode(), FILE: manifest.to_json()}
        commit = git.commit_files(code, files, message(f"Start run {run}", run))
        branch = f"refs/heads/{branch_of(run)}"
        try:
            git("push", "-q", f"--force-with-lease={branch}:", places.git_remote, f"{commit}:{branch}")
        except GitError as error:
            known = _find(git, places, run)
            if known is None:
                raise RunError(f"branch {branch_of(run)} cannot be pushed: {error}") from None
    if known is None:
        say(f"run {run} starts from commit {code[:12]}")
        return Started(run, asked.clock(otherwise), new=True)
    if known.asked != settings or known.run_from != asked.run_from:
        raise RunError(f"run {run} was started with other values ({known.asked}); give another run_id")
    say(f"run {run} was started at {known.started_at}: going on with it")
    return Started(run, asked.clock(otherwise), new=False)


def _find(git: Git, places: Places, run: str) -> Manifest | None:
    """Return the record of a run that exists on the remote."""
    branch = f"refs/heads/{branch_of(run)}"
    listed = git("ls-remote", places.git_remote, branch)
    if not listed:
        return None
    git("fetch", "-q", "--no-tags", "--no-write-fetch-head", places.git_remote, branch)
    return parse_manifest(git.file(listed.split()[0], FILE), run)


def _require_reachable(git: Git, code: str, params: Params) -> None:
    """Refuse a log in a folder that no workspace would have."""
    folder = params.sources.parquet.folder
    if params.run.source == "parquet" and not folder.is_absolute() and not git("ls-tree", code, "--", str(folder)):
        raise RunError(
            f"sources.parquet.folder = {folder}: a run works in a folder of its own; name it by its absolute path, "
            "or commit it"
        )


def _say_uncommitted(git: Git, places: Places, say: Say) -> None:
    changed = git("--no-optional-locks", "status", "--porcelain", "--untracked-files=no").splitlines()
    if changed and places.code_ref == "HEAD":
        say(f"{len(changed)} uncommitted changes in {places.project} are no part of the run")


def _hash_at(git: Git, commit: str) -> Callable[[str], str | None]:
    @cache
    def hash_file(path: str) -> str | None:
        content = git.file(commit, path)
        return None if content is None else hash_bytes(content)

    return hash_file
