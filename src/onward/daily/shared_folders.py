"""What the daily monitor keeps, where machines share an object store and no folder.

Each command brings what it reads into a folder of its machine, works there as everywhere, and puts what it has written
into the store. A note in the folder says of each file which content of the store it is: what another machine has
changed is fetched again, what was written here is put, and a killed command leaves at most a file that the next one
puts.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from onward.artifacts import replacing
from onward.file_store import FileStore, is_partial, store_at
from onward.settings import ProjectSettings

_NOTE = ".shared.json"
Wanted = Callable[[str], bool]


@dataclass(frozen=True)
class SharedFolder:
    """A folder of this machine.

    Attributes:
        folder: where commands read and write.
        store: what machines share; None where they share the folder itself.
    """

    folder: Path
    store: FileStore | None

    @classmethod
    def of(cls, settings: ProjectSettings, name: str) -> "SharedFolder":
        """The decisions, looks or actions of a machine's settings."""
        folders = {"decisions": settings.decisions, "looks": settings.looks, "actions": settings.actions}
        if settings.watching is None:
            return cls(folders[name], None)
        return cls(folders[name], store_at(settings.kept_at(name)))

    def take(self, wanted: Wanted = lambda _: True) -> None:
        """Bring files of the store that are wanted into the folder; what went from the store goes from it.

        Raises:
            ServiceError: the store does not answer.
        """
        if self.store is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        known = self._known()
        listed = {name: mark for name, mark in self.store.listed().items() if wanted(name)}
        for name, mark in listed.items():
            path = self.folder / name
            if not path.is_file() or name not in known or known[name][0] != mark:
                self.store.fetch(name, path)
                known[name] = [mark, *_stamp(path)]
        for name in [name for name in known if wanted(name) and name not in listed]:
            (self.folder / name).unlink(missing_ok=True)
            del known[name]
        self._write(known)

    def give(self) -> None:
        """Put files that were written here into the store, a verdict after the table that it speaks of.

        Raises:
            ServiceError: the store does not answer.
        """
        if self.store is None or not self.folder.is_dir():
            return
        known = self._known()
        for name in sorted(self._here(), key=lambda name: (name.endswith(".json"), name)):
            stamp = _stamp(self.folder / name)
            if name not in known or known[name][1:] != stamp:
                known[name] = [self.store.put(name, self.folder / name), *stamp]
                self._write(known)

    @contextmanager
    def shared(self, wanted: Wanted = lambda _: True) -> Iterator[None]:
        """Take before a block, and give after it, whether or not it ended well."""
        self.take(wanted)
        try:
            yield
        finally:
            self.give()

    def _here(self) -> Iterator[str]:
        for path in self.folder.rglob("*"):
            if path.is_file() and path.name != _NOTE and not is_partial(path):
                yield path.relative_to(self.folder).as_posix()

    def _known(self) -> dict[str, list[str | int]]:
        try:
            known: dict[str, list[str | int]] = json.loads((self.folder / _NOTE).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            # Nothing is known then, so everything is fetched again.
            return {}
        return known

    def _write(self, known: dict[str, list[str | int]]) -> None:
        with replacing(self.folder / _NOTE) as partial:
            partial.write_text(json.dumps(known), encoding="utf-8")


def days_from(first: date) -> Wanted:
    """Want the decision log's files from a day on: of the batch and as served, and no revisions."""

    def wanted(name: str) -> bool:
        folder = name.removeprefix("served/").partition("/")[0]
        return folder.startswith("day=") and folder.removeprefix("day=") >= first.isoformat()

    return wanted


def nothing(_: str) -> bool:
    """Want nothing: a command that only writes."""
    return False


def _stamp(path: Path) -> list[str | int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
