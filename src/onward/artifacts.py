"""The one place where Onward's files are read and written; `onward.layout` names them.

Writers are atomic: they write beside the target and rename, so that a killed process leaves either
the old file or the new one, never half of one. They are also deterministic: the same values give the
same bytes, because DVC identifies an output by its hash.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from onward.errors import ArtifactError

# Whoever reads JSON alone does not wait for the libraries of tables: the functions that need them import them.
if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

PARTIAL = ".partial"
"""Ending of what is being written; what a killed process leaves of it nobody reads."""
_LARGE = 2**30
_ROW_GROUP = 2**20
CHUNK = 122_880
"""Rows of a table that come at once: as many as DuckDB hands over."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside another, which it takes the place of when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process id keeps two writers apart; DVC refuses the same stage twice, people do not.
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def scratch_directory(root: Path) -> Iterator[Path]:
    """Yield an empty directory below another, which goes when the block ends, however it ends."""
    path = root / f".scratch.{os.getpid()}{PARTIAL}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def replacing_directory(path: Path) -> Iterator[Path]:
    """Yield an empty directory that takes the place of `path` when the block ends well."""
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(path, ignore_errors=True)
        partial.replace(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_table(path: Path, table: "pd.DataFrame | pa.Table") -> None:
    """Write a table as Parquet, without the index; the same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table, preserve_index=False)
    # pandas stores library versions in the schema's metadata, which would tie the hash to them.
    arrow = arrow.replace_schema_metadata(None)
    with replacing(path) as partial:
        pq.write_table(arrow, partial, compression="zstd")


def write_batches(path: Path, batches: "pa.RecordBatchReader") -> None:
    """Write a table as its rows come; the same rows give the same bytes, however many come at once.

    The bytes are those that `write_table` writes of a table in chunks of `CHUNK` rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = batches.schema.remove_metadata()
    held = schema.empty_table()
    with replacing(path) as partial, pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        for chunk in _even(batches, schema):
            held = pa.concat_tables([held, chunk])
            while held.num_rows > _ROW_GROUP:
                writer.write_table(held.slice(0, _ROW_GROUP))
                held = held.slice(_ROW_GROUP)
        writer.write_table(held)


def _even(batches: "pa.RecordBatchReader", schema: "pa.Schema") -> "Iterator[pa.Table]":
    """The rows in chunks of `CHUNK`, for the pages of a file end where chunks do."""
    import pyarrow as pa

    waiting = schema.empty_table()
    for batch in batches:
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch]).replace_schema_metadata(None)])
        while waiting.num_rows >= CHUNK:
            yield waiting.slice(0, CHUNK).combine_chunks()
            waiting = waiting.slice(CHUNK)
    yield waiting.combine_chunks()


def read_table(path: Path, columns: list[str] | None = None) -> "pd.DataFrame":
    """Read a Parquet table.

    Raises:
        ArtifactError: the file is missing or is not Parquet.
    """
    table: pd.DataFrame = read_arrow(path, columns).to_pandas()
    return table


def read_arrow(path: Path, columns: list[str] | None = None) -> "pa.Table":
    """Read a Parquet table as Arrow; see `read_table`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _require(path)
    try:
        return pq.read_table(path, columns=columns)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise ArtifactError(f"{path}: not readable as Parquet ({reason}); delete it and run `dvc repro`") from error


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON with sorted keys; NaN and infinity are refused because JSON has neither."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False, default=_plain)
    write_text(path, text + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ArtifactError: the file is missing or is not a JSON object.
    """
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: not JSON ({error}); delete it and run `dvc repro`") from error
    if not isinstance(value, dict):
        raise ArtifactError(f"{path}: expected a JSON object; delete it and run `dvc repro`")
    return value


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV, without the index."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def read_text(path: Path) -> str:
    """Read UTF-8 text.

    Raises:
        ArtifactError: the file is missing.
    """
    _require(path)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ArtifactError(
            f"{path}: not UTF-8 at byte {error.start}; restore it, or delete it and make it anew"
        ) from None


def write_arrays(path: Path, arrays: "Mapping[str, np.ndarray]") -> None:
    """Write named arrays as .npz with fixed time stamps; object arrays are refused."""
    import numpy as np

    with replacing(path) as partial, ZipFile(partial, "w", ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            array = np.asarray(arrays[name], order="C")
            # ZipInfo's default date is 1980-01-01: np.savez would store today's and change the hash. Headers for more
            # than 4 GB are for what needs them: patches of Python write them differently (CPython's issue 103861).
            with archive.open(ZipInfo(f"{name}.npy"), "w", force_zip64=array.nbytes > _LARGE) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


def read_arrays(path: Path) -> "dict[str, np.ndarray]":
    """Read the arrays that `write_arrays` wrote, never unpickling anything.

    Raises:
        ArtifactError: the file is missing.
    """
    import numpy as np

    _require(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (BadZipFile, ValueError, OSError, EOFError) as error:
        raise ArtifactError(f"{path}: not readable as arrays ({error}); delete it and run `dvc repro`") from error


def _require(path: Path) -> None:
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file; run `dvc repro` to make it, or `dvc pull` to fetch it")


def _plain(value: object) -> object:
    import numpy as np

    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"not JSON: {type(value).__name__}")


def write_files(folder: Path, files: Mapping[str, Any]) -> None:
    """Write a fitted part as its `to_files` gives it; the suffix of a name says what it holds.

    Args:
        folder: where to.
        files: by relative name: a table (.parquet), plain values (.json), text (.txt) or named arrays (.npz).
    """
    for name, content in files.items():
        _FORMATS[Path(name).suffix][0](folder / name, content)


@dataclass(frozen=True)
class StoredFiles(Mapping[str, Any]):
    """What `write_files` wrote, for `from_files` of the part; a file is read when it is asked for.

    Raises:
        ArtifactError: a file that is asked for is missing or unreadable.
    """

    folder: Path

    def __getitem__(self, name: str) -> Any:
        return _FORMATS[Path(name).suffix][1](self.folder / name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (self.folder / name).is_file()

    def __iter__(self) -> Iterator[str]:
        paths = (path for path in sorted(self.folder.rglob("*")) if path.is_file() and path.suffix in _FORMATS)
        return (path.relative_to(self.folder).as_posix() for path in paths)

    def __len__(self) -> int:
        return sum(1 for _ in self)


_FORMATS: Mapping[str, tuple[Callable[[Path, Any], None], Callable[[Path], Any]]] = {
    ".parquet": (write_table, read_table),
    ".json": (write_json, read_json),
    ".txt": (write_text, read_text),
    ".npz": (write_arrays, read_arrays),
}
