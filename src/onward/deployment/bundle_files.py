"""A bundle as a folder of plain files, and the hash that names it."""

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from onward.artifacts import StoredFiles, write_files
from onward.deployment.graph_lists import holds_graph_lists
from onward.deployment.listed_scores import ScorePairs
from onward.deployment.typical_answer import Ints, TypicalScores
from onward.errors import DataError

if TYPE_CHECKING:
    from onward.deployment.bundle import Bundle


def write_bundle(folder: Path, bundle: "Bundle") -> None:
    """Write every part; the same bundle gives the same bytes."""
    write_files(folder, bundle.to_files())


def read_bundle(folder: Path) -> "Bundle":
    """Read what `write_bundle` wrote.

    Raises:
        ArtifactError: a file is missing or unreadable.
        DataError: the folder holds the lists of a graph, which are no bundle.
    """
    if holds_graph_lists(folder):
        raise DataError(f"{folder}: holds the lists of a graph, which score nothing; `onward recommend NODE` asks them")
    # Here, since whoever only looks at a folder should not wait for LightGBM and numba.
    from onward.deployment.bundle import Bundle

    return Bundle.from_files(StoredFiles(folder))


def worked_out_by(folder: Path) -> ScorePairs:
    """What scores pairs for a typical customer by the bundle of a folder, which is read when the first ones come."""
    whole = cache(lambda: read_bundle(folder))

    def work_out(source: Ints, target: Ints) -> TypicalScores:
        return whole().typical.scores(source, target)

    return work_out


def bundle_hash(folder: Path) -> str:
    """SHA-256 over the sorted relative names and the bytes of all files; no name or file can stand for another."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        if path.is_file():
            content = path.read_bytes()
            # Lengths first, or moving a byte from a name to its content would not show.
            name = path.relative_to(folder).as_posix().encode()
            digest.update(len(name).to_bytes(8, "big") + name + len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
