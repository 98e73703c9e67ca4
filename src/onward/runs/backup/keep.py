"""Make a backup: one folder that appears when all of it is there and every hash is right.

What refers to something is read before what it refers to: databases, then git, then files. Whatever the databases name
was written before them, so it is in the backup, whoever goes on working. Only `onward gc` takes things away, and never
what the version in use needs; what else is missing is named.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from onward.deployment.bundle_files import bundle_hash
from onward.deployment.registry import Registry, Version
from onward.errors import RunError
from onward.file_store import FileStore, sha256_of
from onward.pipeline_file import LOCK_FILE, PIPELINE_FILE, parse_lock, parse_pipeline
from onward.runs.backup.databases import dump
from onward.runs.backup.pieces import BUNDLES, GIT, NOTE, OUTPUTS, SCHEMA, Pieces
from onward.runs.protocol.git import GitError
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.workspace import Say

_AT_ONCE = 8
_DIRECTORY = ".dir"


@dataclass(frozen=True)
class Kept:
    """What a backup holds.

    Attributes:
        files: how many.
        size: their bytes.
        champion: the version in use when it began; None for none.
        absent: outputs that runs recorded and the DVC remote does not hold.
        lost: versions whose bundle is missing or changed, none of them the champion.
    """

    files: int
    size: int
    champion: int | None
    absent: int
    lost: tuple[int, ...]


def keep(locations: RunLocations, registry: Registry, pieces: Pieces, to: Path, now: datetime, say: Say) -> Kept:
    """Write a backup into a new folder.

    Args:
        locations: of this machine.
        registry: that the runs deploy to.
        pieces: what is kept.
        to: a folder that is not there yet.
        now: with time zone.
        say: told in a line what happens.

    Raises:
        RunError: the folder is there, a piece cannot be read, or what one names is not in another.
        ServiceError: a store does not answer.
    """
    if to.exists():
        raise RunError(f"backup: {to} is there already; name a new folder, such as one with the day in its name")
    partial_folder = to.with_name(f".{to.name}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    partial_folder.mkdir(parents=True, mode=0o700)
    patience = locations.settings.remote_seconds
    champion, versions = registry.champion(), registry.versions()
    for name, address in pieces.databases.items():
        say(f"database {name}")
        dump(name, address, partial_folder / f"{name}.database", patience)
    say("git: code and runs")
    recorded = _keep_git(locations, partial_folder / GIT)
    for name, store in pieces.stores.items():
        say(f"{name}: {_copy_all(store, partial_folder / name):,} files of {store.place}")
    _require_own_hashes(partial_folder / OUTPUTS)
    lost = tuple(version.number for version in versions if not _is_whole(partial_folder / BUNDLES, version))
    if champion is not None and champion.number in lost:
        raise RunError(
            f"backup: the bundle of version {champion.number}, which is in use, is missing or changed; "
            "`dvc repro --force deploy` in its run, then this again"
        )
    absent = _absent(recorded, partial_folder / OUTPUTS)
    files = {path.relative_to(partial_folder).as_posix(): path for path in _files(partial_folder)}
    note = {
        "schema": SCHEMA,
        "at": now.isoformat(timespec="seconds"),
        "champion": None if champion is None else champion.number,
        "databases": sorted(pieces.databases),
        "stores": sorted(pieces.stores),
        "absent_outputs": sorted(absent),
        "lost_versions": list(lost),
        "files": {name: sha256_of(path) for name, path in sorted(files.items())},
    }
    (partial_folder / NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in files.values())
    partial_folder.replace(to)
    return Kept(len(files), size, None if champion is None else champion.number, len(absent), lost)


def _is_whole(bundles: Path, version: Version) -> bool:
    folder = bundles / version.run / "artifacts" / "bundle"
    return folder.is_dir() and bundle_hash(folder) == version.bundle_sha256


def _keep_git(locations: RunLocations, path: Path) -> set[str]:
    """Write all branches and tags of the git remote into one file; return the hashes in their last dvc.lock."""
    with tempfile.TemporaryDirectory(prefix="onward-backup-") as folder:
        mirror = Path(folder) / "mirror.git"
        locations.git(Path(folder))("clone", "-q", "--mirror", "--", locations.git_remote, str(mirror))
        git = locations.git(mirror)
        branches = git("for-each-ref", "--format=%(refname)", "refs/heads").splitlines()
        try:
            git("rev-parse", "--verify", "HEAD^{commit}")
        except GitError:
            # It names a branch that is not there; a clone of the backup must check something out.
            git("symbolic-ref", "HEAD", *branches[:1])
        git("bundle", "create", "-q", str(path.absolute()), "HEAD", "--branches", "--tags")
        recorded = set[str]()
        for branch in branches:
            lock = parse_lock(git.file(branch, LOCK_FILE))
            if lock.entries:
                stages = parse_pipeline(git.file(branch, PIPELINE_FILE)).stages.values()
                # Metrics and plots are recorded too, and lie in git.
                in_git = {path for stage in stages for path in stage.kept_by_git}
                recorded |= {digest for path, digest in lock.all_outs().items() if path not in in_git}
    return recorded


def _copy_all(store: FileStore, folder: Path) -> int:
    names = [name for name in store.listed() if not _being_pushed(name)]
    folder.mkdir()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(lambda name: store.fetch(name, folder / name), names):
            pass
    return len(names)


def _being_pushed(name: str) -> bool:
    """Whether DVC is writing a file, or was killed while it did: it gives it its hash for a name in the end."""
    *folders, last = name.split("/")
    return folders[:2] == ["files", "md5"] and last.startswith(".") and last.endswith(".tmp")


def _require_own_hashes(outputs: Path) -> None:
    """DVC's objects are named by the hash of their content."""
    for path in _files(outputs):
        name = (path.parent.name + path.name).removesuffix(_DIRECTORY)
        if path.relative_to(outputs).parts[:2] == ("files", "md5") and _md5(path) != name:
            raise RunError(
                f"backup: {path.relative_to(outputs)} of the DVC remote is damaged; delete it, and push again"
            )


def _absent(recorded: Iterable[str], outputs: Path) -> set[str]:
    """Hashes that runs recorded and the outputs do not hold, those in folders' lists included."""
    objects = outputs / "files" / "md5"
    absent = set[str]()
    for name in recorded:
        path = objects / name[:2] / name[2:]
        if not path.is_file():
            absent.add(name)
        elif name.endswith(_DIRECTORY):
            listed = {entry["md5"] for entry in json.loads(path.read_text(encoding="utf-8"))}
            absent |= {each for each in listed if not (objects / each[:2] / each[2:]).is_file()}
    return absent


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        # DVC names objects so; it guards against damage and not against people.
        return hashlib.file_digest(stream, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
