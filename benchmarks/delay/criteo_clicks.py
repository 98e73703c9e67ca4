"""A reader of the public Criteo delayed-feedback file (Chapelle, "Modeling delayed feedback in display advertising").

Tab-separated, one click a line: second of the click, second of the conversion (empty without one), eight integer
features and nine hashed categorical ones, any of them possibly empty. The file is not part of this repository; where
you have it: `python -m benchmarks.delay.stream --criteo data.txt`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.errors import DataError

INTEGERS = 8
CATEGORIES = 9
_HASHED = 48  # columns that categorical values share
_SECONDS = 86_400.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Clicks:
    """n clicks in order of time.

    Attributes:
        clicked: days since the first click, [n].
        delay: days until conversion, inf where none, [n].
        design: inputs of a linear model, the first column 1, [n, 1 + 8 + 48].
    """

    clicked: Floats
    delay: Floats
    design: Floats


def read_clicks(path: Path, rows: int | None = None) -> Clicks:
    """Read the file, or its first `rows` lines.

    Raises:
        DataError: a line has not 19 fields, a time is no number, or a conversion precedes its click.
    """
    names = [*("click", "conversion"), *(f"i{n}" for n in range(INTEGERS)), *(f"c{n}" for n in range(CATEGORIES))]
    numbers = names[: 2 + INTEGERS]
    try:
        table = pd.read_csv(
            path,
            sep="\t",
            header=None,
            nrows=rows,
            dtype=dict.fromkeys(numbers, "float64") | dict.fromkeys(names[2 + INTEGERS :], "str"),
            names=names,
            index_col=False,
            na_values=[""],
            keep_default_na=False,
            on_bad_lines="error",
        )
    except (ValueError, pd.errors.ParserWarning) as error:
        raise DataError(
            f"{path}: not Criteo's delayed-feedback file ({' '.join(str(error).split())}); "
            f"expected {len(names)} tab-separated fields a line, the first {len(numbers)} numbers"
        ) from None
    if table["click"].isna().any():
        raise DataError(f"{path}: {int(table['click'].isna().sum())} lines without the time of the click; drop them")
    early = int((table["conversion"] < table["click"]).sum())
    if early:
        raise DataError(f"{path}: {early} conversions precede their click; drop those lines")
    table = table.sort_values("click", kind="stable", ignore_index=True)
    delay = (table["conversion"] - table["click"]).to_numpy() / _SECONDS
    clicked = (table["click"] - table["click"].min()).to_numpy() / _SECONDS
    return Clicks(clicked, np.where(np.isnan(delay), np.inf, delay), _design(table))


def _design(table: pd.DataFrame) -> Floats:
    """Integers on a log scale, unknown as 0; categorical values hashed together with their column."""
    design = np.zeros((len(table), 1 + INTEGERS + _HASHED))
    design[:, 0] = 1.0
    for column in range(INTEGERS):
        value = np.nan_to_num(table[f"i{column}"].to_numpy(np.float64))
        design[:, 1 + column] = np.sign(value) * np.log1p(np.abs(value))
    every = np.arange(len(table))
    for column in range(CATEGORIES):
        place = pd.util.hash_array((f"{column}:" + table[f"c{column}"].fillna("")).to_numpy(object)) % _HASHED
        design[every, 1 + INTEGERS + place.astype(np.int64)] += 1.0
    return design
