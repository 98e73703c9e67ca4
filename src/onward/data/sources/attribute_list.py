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
    attributes_of: dict[str, list[str]] = {}
    for name, attributes in _json(path, text) if path.suffix == ".json" else _lines(text):
        if name in attributes_of:
            raise DataError(f"attributes: {path}: {name} has two entries; give each id one line")
        attributes_of[name] = attributes
    return attributes_of


def presence(attributes: Mapping[str, Sequence[str]], ids: Names) -> sp.csr_matrix:
    """[N, F] 1 where the node has the attribute; ids that nobody knows are left out."""
    node = numbers_of(ids, list(attributes))
    rows = np.repeat(node, [len(listed) for listed in attributes.values()])
    names = [name for listed in attributes.values() for name in listed]
    distinct = in_order(names)
    if len(distinct) and all(name.isascii() and name.isdigit() for name in distinct.tolist()):
        columns, width = np.array([int(name) for name in names]), int(distinct[-1]) + 1
        if width > _MOST_COLUMNS:
            raise DataError(f"attributes: column {width - 1} is above {_MOST_COLUMNS}; number from 0, or name them")
    else:
        columns, width = numbers_of(distinct, names), len(distinct)
    kept = rows >= 0
    shape = (len(ids), max(width, 1))
    matrix = sp.csr_matrix((np.ones(int(kept.sum()), np.float32), (rows[kept], columns[kept])), shape=shape)
    matrix.data[:] = 1.0
    return matrix


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
    if not isinstance(named, dict) or not all(isinstance(attributes, list) for attributes in named.values()):
        raise DataError(f'attributes: {path} is not of the form {{"id": [attribute, …]}}; export it again')
    for name, attributes in named.items():
        yield name, [str(attribute) for attribute in attributes]
