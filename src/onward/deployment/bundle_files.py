"""A bundle as a folder of plain files, and the hash that names it."""

import hashlib
from pathlib import Path

from onward.artifacts import StoredFiles, write_files
from onward.deployment.bundle import Bundle
from onward.deployment.graph_lists import holds_graph_lists
from onward.errors import DataError


def write_bundle(folder: Path, bundle: Bundle) -> None:
    """Write every part; the same bundle gives the same bytes."""
    write_files(folder, bundle.to_files())


def read_bundle(folder: Path) -> Bundle:
    """Read what `write_bundle` wrote.

    Raises:
        ArtifactError: a file is missing or unreadable.
        DataError: the folder holds the lists of a graph, which are no bundle.
    """
    if holds_graph_lists(folder):
        raise DataError(f"{folder}: holds the lists of a graph, which score nothing; `onward recommend NODE` asks them")
    return Bundle.from_files(StoredFiles(folder))


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
