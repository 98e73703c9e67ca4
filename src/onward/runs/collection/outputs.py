"""Outputs of runs in DVC's cache and remote: what only collected runs recorded, and nothing that anybody else did.

It is no sweep: an object that no collected run names is left alone, whoever put it there.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onward.errors import RunError
from onward.runs.protocol.checkout import configure
from onward.runs.protocol.locations import RunLocations

_DIRECTORY = ".dir"


@dataclass(frozen=True)
class Outputs:
    """The places where outputs lie by their hash.

    Attributes:
        stores: this machine's cache, then the remote; DVC's own objects.
    """

    stores: tuple[Any, ...]

    def whole(self, hashes: Iterable[str]) -> set[str]:
        """Hashes with those of all files in the folders among them; a folder whose list is nowhere stands alone."""
        all_of = set(hashes)
        for name in [name for name in all_of if name.endswith(_DIRECTORY)]:
            all_of |= self._listed(name)
        return all_of

    def present(self, hashes: Iterable[str]) -> list[tuple[Any, str]]:
        """Store and hash of what is there; lists of folders come last, since they say what belongs to them."""
        ordered = sorted(hashes, key=lambda name: (name.endswith(_DIRECTORY), name))
        return [(store, name) for store in self.stores for name in ordered if store.exists(name)]

    def _listed(self, name: str) -> set[str]:
        for store in self.stores:
            path = store.oid_to_path(name)
            try:
                content = store.fs.cat_file(path)
            except FileNotFoundError:
                continue
            return {entry["md5"] for entry in json.loads(content)}
        return set()


@contextmanager
def outputs_of(locations: RunLocations) -> Iterator[Outputs]:
    """Have the cache and the remote of all runs of this machine.

    Raises:
        RunError: the remote is none that objects can be deleted from.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    with tempfile.TemporaryDirectory(prefix="onward-gc-") as folder:
        configure(Path(folder), locations, locations.dvc_remote)
        try:
            with Repo(folder) as repository:
                yield Outputs((repository.cache.local, repository.cloud.get_remote_odb("outputs")))
        except DvcException as error:
            raise RunError(f"DVC remote {locations.dvc_remote}: {' '.join(str(error).split())}") from error
