"""Collect what old runs left: in the registry, in DVC's cache and remote, in git, and on this machine.

In an order that may be broken off anywhere: asked again, it goes on. A run's branch goes last of all, since it says
which outputs were the run's own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from onward.deployment.registry import CHALLENGER, Registry, Version
from onward.deployment.registry_strays import forget_strays
from onward.errors import RunError
from onward.pipeline_file import LOCK_FILE, parse_lock
from onward.runs.collection.candidates import (
    Wanted,
    going_on,
    in_lineage,
    runs_to_collect,
    versions_that_stay,
    versions_to_collect,
)
from onward.runs.collection.leftovers import delete, partial_paths
from onward.runs.collection.outputs import outputs_of
from onward.runs.history.records import RunRecord, read_records
from onward.runs.protocol.git import Git
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.workspace import Say

_SEEN = "refs/onward/gc/"
_BEING_WRITTEN = timedelta(days=1)


@dataclass(frozen=True)
class Collected:
    """What went, or would go: numbers of each kind, and the versions whose figures others may drop."""

    runs: tuple[str, ...]
    versions: tuple[int, ...]
    outputs: int
    bundles: int
    partial: int
    strays: int


def collect(locations: RunLocations, registry: Registry, wanted: Wanted, say: Say, *, dry_run: bool) -> Collected:
    """Collect runs and versions that nothing keeps, with all that only they hold.

    Args:
        locations: of this machine.
        registry: that the runs deploy to.
        wanted: what stays.
        say: told in a line what goes.
        dry_run: only say it.

    Raises:
        RunError: a run is going on, a remote does not answer or refuses.
    """
    records = read_records(locations)
    versions = registry.versions()
    busy = going_on(records, wanted.now)
    if busy and not dry_run:
        raise RunError(
            f"run {busy[0]} is going on, and may be using outputs of earlier ones; finish it with "
            f"`onward run finish {busy[0]}`, or try again a day after its start"
        )
    champion = registry.champion()
    challenger = registry.named(CHALLENGER)
    lineage = in_lineage(champion, versions, [challenger] if challenger else [])
    stays = versions_that_stay(versions, lineage, registry.registered_at(), wanted)
    # Whoever puts one of them in use later must find how it was made.
    made_by = {version.tags["run"] for version in versions if version.number in stays and "run" in version.tags}
    going = runs_to_collect(records, made_by, wanted)
    names = {record.name for record in going}
    staying = [record for record in records if record.name not in names]
    old = versions_to_collect(versions, stays, staying)
    word = "would go" if dry_run else "goes"
    for version in old:
        say(f"version {version.number} {word}, with its bundle {version.bundle_sha256[:12]}")
        if not dry_run:
            registry.forget(version)
    strays = forget_strays(registry, dry_run=dry_run)
    for stray in strays:
        say(f"MLflow's run {stray} {word}: no version holds it")
    outputs = _collect_outputs(locations, going, word, say, dry_run=dry_run) if going else 0
    for record in going:
        say(f"run {record.name} {word}: branch {record.branch}")
        if not dry_run:
            _delete_branch(locations, record)
    bundles = _fetched_bundles(locations, registry, versions, {version.number for version in old})
    partial = partial_paths(_folders(locations, registry), wanted.now - _BEING_WRITTEN)
    for path in [*bundles, *partial]:
        say(f"{path} {word}")
        if not dry_run:
            delete(path)
    numbers = tuple(version.number for version in old)
    return Collected(tuple(record.name for record in going), numbers, outputs, len(bundles), len(partial), len(strays))


def _collect_outputs(locations: RunLocations, going: list[RunRecord], word: str, say: Say, *, dry_run: bool) -> int:
    """Delete outputs that only these runs recorded; return how many objects that are."""
    git = locations.git(locations.project)
    mine = {digest for record in going for digest in _hashes(record.files.get(LOCK_FILE, ""))}
    theirs = set(_recorded_elsewhere(git, locations, going))
    with outputs_of(locations) as outputs:
        objects = outputs.present(outputs.whole(mine) - outputs.whole(theirs))
        say(f"{len(objects)} objects of the runs' outputs {word}, from {locations.dvc_remote} and this machine's cache")
        if not dry_run:
            for store, name in objects:
                store.delete(name)
    return len(objects)


def _recorded_elsewhere(git: Git, locations: RunLocations, going: list[RunRecord]) -> Iterator[str]:
    """Hashes in every dvc.lock in the history of every branch and tag, there and here, but of the runs that go."""
    refs = (f"+refs/heads/*:{_SEEN}heads/*", f"+refs/tags/*:{_SEEN}tags/*")
    git("fetch", "-q", "--no-tags", "--prune", "--no-write-fetch-head", locations.git_remote, *refs)
    try:
        listed = git("for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags", _SEEN).splitlines()
        leave = tuple(f"heads/{record.branch}" for record in going)
        begin = [ref for ref in listed if not ref.endswith(leave)]
        feed = "\n".join([*begin, "--", LOCK_FILE]).encode()
        commits = git("rev-list", "--full-history", "--stdin", feed=feed).split()
        texts = {content for commit in commits if (content := git.file(commit, LOCK_FILE)) is not None}
    finally:
        seen = git("for-each-ref", "--format=delete %(refname)", _SEEN)
        git("update-ref", "--stdin", feed=f"{seen}\n".encode())
    here = locations.project / LOCK_FILE
    if here.is_file():
        texts.add(here.read_bytes())
    for text in texts:
        yield from _hashes(text.decode("utf-8", "replace"))


def _hashes(text: str) -> set[str]:
    try:
        return set(parse_lock(text.encode()).all_outs().values())
    except (RunError, KeyError, TypeError, AttributeError):
        # A lock of another time that nobody can read protects nothing, since nobody could check it out either.
        return set()


def _delete_branch(locations: RunLocations, record: RunRecord) -> None:
    git = locations.git(locations.project)
    branch = f"refs/heads/{record.branch}"
    # Only as it was seen: a run that has moved on meanwhile stays.
    git("push", "-q", f"--force-with-lease={branch}:{record.commit}", locations.git_remote, f":{branch}")
    delete(locations.workspaces / record.name)
    delete(locations.workspaces / f"{record.name}.lock")


def _fetched_bundles(
    locations: RunLocations, registry: Registry, versions: Iterable[Version], gone: set[int]
) -> list[Path]:
    """Bundles of collected versions that this machine has fetched out of a bucket."""
    fetched = {registry.fetched, locations.cache / "bundles"}
    staying = {version.bundle_sha256 for version in versions if version.number not in gone}
    digests = {version.bundle_sha256 for version in versions if version.number in gone} - staying
    return [path for folder in sorted(fetched) for digest in sorted(digests) if (path := folder / digest).is_dir()]


def _folders(locations: RunLocations, registry: Registry) -> list[Path]:
    """Where Onward writes on this machine."""
    settings = locations.settings
    return [
        locations.project / "artifacts", locations.project / "reports", locations.workspaces, settings.decisions,
        settings.looks, settings.actions, settings.dashboards, settings.served, registry.root, registry.fetched,
    ]  # fmt: skip
