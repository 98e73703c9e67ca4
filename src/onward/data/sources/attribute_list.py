"""What is known of nodes or items besides their edges: which attributes each has.

Text with one line a node, `id attribute attribute …`; or JSON, `{"id": ["attribute", …]}`. Attributes that are all
whole numbers are columns of a matrix, so that a published feature matrix keeps its shape; others are numbered.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from onward.data.sources.ids import Names, in_order, numbers_of
from onward.errors import DataError

_MOST_COLUMNS = 1_000_000


def read_attributes(path: Path) -> dict[str, list[str]]:
    """Attributes by id, as text.

    Raises:
        DataError: the file is missing, is neither form, or says an id twice.
    """
    if not path.is_file():
        raise DataError(f"attributes: no file {path}; give one, or null where nothing is known")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"attributes: {path} is not UTF-8 text ({type(error).__name__}); export it again") from error
    found: dict[str, list[str]] = {}
    for name, attributes in _json(path, text) if path.suffix == ".json" else _lines(text):
        if name in found:
            raise DataError(f"attributes: {path}: {name} has two entries; give each id one line")
        found[name] = attributes
    return found


def presence(attributes: Mapping[str, Sequence[str]], ids: Names) -> sp.csr_matrix:
    """[N, F] 1 where the node has the attribute; ids that nobody knows are left out."""
    node = numbers_of(ids, list(attributes))
    rows = np.repeat(node, [len(each) for each in attributes.values()])
    names = [name for each in attributes.values() for name in each]
    known = in_order(names)
    if len(known) and all(name.isascii() and name.isdigit() for name in known.tolist()):
        columns, width = np.array([int(name) for name in names]), int(known[-1]) + 1
        if width > _MOST_COLUMNS:
            raise DataError(f"attributes: column {width - 1} is above {_MOST_COLUMNS}; number from 0, or name them")
    else:
        columns, width = numbers_of(known, names), len(known)
    kept = rows >= 0
    shape = (len(ids), max(width, 1))
    found = sp.csr_matrix((np.ones(int(kept.sum()), np.float32), (rows[kept], columns[kept])), shape=shape)
    found.data[:] = 1.0
    return found


def _lines(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            name, *attributes = line.replace(",", " ").split()
            yield name, attributes


def _json(path: Path, text: str) -> Iterator[tuple[str, list[str]]]:
    try:
        named = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"attributes: {path} is not JSON ({error}); export it again") from error
    if not isinstance(named, dict) or not all(isinstance(each, list) for each in named.values()):
        raise DataError(f'attributes: {path} is not of the form {{"id": [attribute, …]}}; export it again')
    for name, attributes in named.items():
        yield name, [str(each) for each in attributes]
