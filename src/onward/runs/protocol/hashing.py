"""Hash what lies on disk as DVC does, from its bytes and from nothing that anybody remembered."""

import hashlib
import json
from pathlib import Path


def hash_output(path: Path) -> str | None:
    """Return the name that DVC 3 gives to an output: MD5 of a file, or of a folder's sorted list of files.

    Source: `dvc_data.hashfile.tree.Tree` (a folder's hash ends in ".dir").

    Returns:
        None if there is nothing at `path`.
    """
    if path.is_file():
        return _hash_file(path)
    if not path.is_dir():
        return None
    files = sorted((file.relative_to(path).parts, file) for file in path.rglob("*") if file.is_file())
    listed = [{"md5": _hash_file(file), "relpath": "/".join(parts)} for parts, file in files]
    return f"{hashlib.md5(json.dumps(listed, sort_keys=True).encode(), usedforsecurity=False).hexdigest()}.dir"


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
