"""Make everything that machines share of a backup again, in places that hold nothing else.

What is referred to comes first: files, then git, then databases. A restore that was killed is run again: what it has
put is put once more, and the registry, which says that all the rest is there, comes last.
"""

import json
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from onward.errors import RunError
from onward.file_store import FileStore, sha256_of
from onward.runs.backup.databases import is_empty, load
from onward.runs.backup.pieces import AIRFLOW, GIT, NOTE, REGISTRY, SCHEMA, Pieces
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.workspace import Say

_AT_ONCE = 8


def restore(
    locations: RunLocations, pieces: Pieces, source: Path, say: Say, *, without_airflow: bool = False
) -> Mapping[str, Any]:
    """Restore a backup, after every file of it was held against its hash and every place found empty.

    Args:
        locations: of this machine, which name where everything goes.
        pieces: the places.
        source: folder of the backup.
        say: told in a line what happens.
        without_airflow: leave its database out, though the backup holds it.

    Returns:
        What the backup's note holds.

    Raises:
        RunError: it is no whole backup, or a place holds something else.
        ServiceError: a store does not answer.
    """
    note = _checked(source)
    patience = locations.settings.remote_seconds
    if without_airflow:
        note["databases"] = [name for name in note["databases"] if name != AIRFLOW]
    unplaced = sorted({*note["databases"]} - pieces.databases.keys())
    if unplaced:
        raise RunError(
            f"restore: the backup holds a database {unplaced[0]}, and no address says where it goes; set "
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN, or leave it out with --without-airflow"
        )
    for name in note["databases"]:
        if not is_empty(name, pieces.databases[name], patience):
            raise RunError(f"restore: {name}: the database is not empty; drop it, make it anew, and run this again")
    there = {name: _only_ours(name, store, note["files"]) for name, store in pieces.stores.items()}
    _require_git_unchanged(locations, source / GIT)
    for name, store in pieces.stores.items():
        names = [each.removeprefix(f"{name}/") for each in note["files"] if each.startswith(f"{name}/")]
        _put_all(store, source / name, names)
        say(
            f"{name}: {len(names):,} files to {store.place}" + (f", {there[name]} of them again" if there[name] else "")
        )
    _push(locations, source / GIT)
    say(f"git: code and runs to {locations.git_remote}")
    for name in note["databases"]:
        load(name, pieces.databases[name], source / f"{name}.database", patience)
        say(f"database {name}")
    return note


def _checked(source: Path) -> dict[str, Any]:
    try:
        note: dict[str, Any] = json.loads((source / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(
            f"restore: {source} is no whole backup ({NOTE}: {error}); name a folder of `onward backup`"
        ) from None
    if note.get("schema") != SCHEMA:
        raise RunError(f"restore: {source} was written by another release (schema {note.get('schema')}); use that one")
    for name, digest in note["files"].items():
        path = source / name
        if not path.is_file() or sha256_of(path) != digest:
            raise RunError(f"restore: {path} is missing or damaged; take another copy of this backup")
    # The registry last: who finds its versions there finds all that they name.
    note["databases"] = sorted(note["databases"], key=lambda name: (name == REGISTRY, name))
    return note


def _only_ours(piece: str, store: FileStore, files: Mapping[str, str]) -> int:
    """How many of a backup's files a store holds already; it must hold nothing else."""
    names = list(store.listed())
    foreign = [name for name in names if f"{piece}/{name}" not in files]
    if foreign:
        raise RunError(
            f"restore: {store.place} holds {len(foreign)} files that are not of this backup, the first {foreign[0]}; "
            "move them away, or name an empty place"
        )
    return len(names)


def _put_all(store: FileStore, folder: Path, names: list[str]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(lambda name: store.put(name, folder / name), names):
            pass


def _require_git_unchanged(locations: RunLocations, bundle: Path) -> None:
    """The git remote holds no branch, or those of the backup as they are there."""
    remote = Path(locations.git_remote)
    if remote.is_absolute() and not remote.exists():
        return
    git = locations.git(bundle.parent)
    listed = git("ls-remote", "--heads", "--tags", "--refs", "--", locations.git_remote)
    of_backup = git("bundle", "list-heads", str(bundle.absolute())).splitlines()
    kept = {ref: commit for commit, _, ref in (line.partition(" ") for line in of_backup)}
    for line in listed.splitlines():
        commit, _, ref = line.partition("\t")
        if kept.get(ref) != commit:
            raise RunError(
                f"restore: {locations.git_remote} has {ref} at {commit[:12]}, which is not of this backup; restore "
                "into an empty repository (ONWARD_GIT_REMOTE)"
            )


def _push(locations: RunLocations, bundle: Path) -> None:
    remote = Path(locations.git_remote)
    if remote.is_absolute() and not remote.exists():
        remote.mkdir(parents=True)
        locations.git(remote)("init", "-q", "--bare", "--initial-branch=main")
    with tempfile.TemporaryDirectory(prefix="onward-restore-") as folder:
        mirror = Path(folder) / "mirror.git"
        locations.git(Path(folder))("clone", "-q", "--mirror", "--", str(bundle.absolute()), str(mirror))
        locations.git(mirror)(
            "push", "-q", "--", locations.git_remote, "refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"
        )
