"""The one place where Onward's files are named, read and written.

Writers are atomic: they write beside the target and rename, so that a killed process leaves either
the old file or the new one, never half of one. They are also deterministic: the same values give the
same bytes, because DVC identifies an output by its hash.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from onward.errors import ArtifactError


@dataclass(frozen=True)
class Layout:
    """Where each room's files live under the project root; see dvc.yaml for who writes what."""

    root: Path

    @property
    def serving(self) -> Path:
        """Everything that was known at as_of; every stage may read it."""
        return self.root / "artifacts" / "serving"

    @property
    def backtest(self) -> Path:
        """What happened at and after as_of; only the evaluate stage may read it."""
        return self.root / "artifacts" / "backtest"

    @property
    def quarantine(self) -> Path:
        """Rows that broke the contract, one file a table, with their reason."""
        return self.root / "artifacts" / "quarantine"

    @property
    def delay(self) -> Path:
        """What each unfinished label is worth, and the model that says so."""
        return self.root / "artifacts" / "delay"

    @property
    def model(self) -> Path:
        """The product graph, its embeddings and the scorer's heads."""
        return self.root / "artifacts" / "model"

    @property
    def uncertainty(self) -> Path:
        """Calibrator, uncertainty levels and the scores of held-out customers."""
        return self.root / "artifacts" / "uncertainty"

    @property
    def thresholds(self) -> Path:
        """The decision policy and the searches it was chosen from."""
        return self.root / "artifacts" / "thresholds"

    @property
    def evaluation(self) -> Path:
        """Backtest results and the rows on which the gate compares two models."""
        return self.root / "artifacts" / "evaluation"

    @property
    def deployment(self) -> Path:
        """The deployable bundle and the record of the gate's verdict."""
        return self.root / "artifacts" / "deployment"

    @property
    def monitoring(self) -> Path:
        """Positivity per uncertainty level, as known at as_of."""
        return self.root / "artifacts" / "monitoring"

    @property
    def metrics(self) -> Path:
        """Small JSON files for `dvc metrics`, one a stage, tracked by git."""
        return self.root / "metrics"

    @property
    def plots(self) -> Path:
        """Small CSV files for `dvc plots`, tracked by git."""
        return self.root / "plots"

    @property
    def reports(self) -> Path:
        """Pages for people, rendered after the run; not versioned."""
        return self.root / "reports"

    @property
    def registry(self) -> Path:
        """The local MLflow registry: a SQLite file and its artifacts; not versioned by DVC."""
        return self.root / "mlruns"


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process id keeps two writers apart; DVC refuses the same stage twice, people do not.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_directory(path: Path) -> Iterator[Path]:
    """Yield an empty directory that takes the place of `path` when the block ends well."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(path, ignore_errors=True)
        partial.replace(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_table(path: Path, table: pd.DataFrame | pa.Table) -> None:
    """Write a table as Parquet, without the index; the same rows give the same bytes."""
    arrow = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table, preserve_index=False)
    # pandas stores library versions in the schema's metadata, which would tie the hash to them.
    arrow = arrow.replace_schema_metadata(None)
    with _replacing(path) as partial:
        pq.write_table(arrow, partial, compression="zstd")


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet table.

    Raises:
        ArtifactError: the file is missing or is not Parquet.
    """
    table: pd.DataFrame = read_arrow(path, columns).to_pandas()
    return table


def read_arrow(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet table as Arrow; see `read_table`."""
    _require(path)
    try:
        return pq.read_table(path, columns=columns)
    except pa.ArrowException as error:
        raise ArtifactError(f"{path}: not readable as Parquet ({error}); delete it and run `dvc repro`") from error


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
    except json.JSONDecodeError as error:
        raise ArtifactError(f"{path}: not JSON ({error}); delete it and run `dvc repro`") from error
    if not isinstance(value, dict):
        raise ArtifactError(f"{path}: expected a JSON object; delete it and run `dvc repro`")
    return value


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text."""
    with _replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_text(path: Path) -> str:
    """Read UTF-8 text.

    Raises:
        ArtifactError: the file is missing.
    """
    _require(path)
    return path.read_text(encoding="utf-8")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as .npz with fixed time stamps; object arrays are refused."""
    with _replacing(path) as partial, ZipFile(partial, "w", ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            # ZipInfo's default date is 1980-01-01: np.savez would store today's and change the hash.
            with archive.open(ZipInfo(f"{name}.npy"), "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(arrays[name], order="C"), allow_pickle=False)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays that `write_arrays` wrote, never unpickling anything.

    Raises:
        ArtifactError: the file is missing.
    """
    _require(path)
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _require(path: Path) -> None:
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file; run `dvc repro` to make it, or `dvc pull` to fetch it")


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"not JSON: {type(value).__name__}")
