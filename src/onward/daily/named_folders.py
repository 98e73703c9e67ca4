"""What lies in a folder under names such as `day=2017-11-20` or `version=4`; anything else is skipped by name."""

import logging
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

_log = logging.getLogger(__name__)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


def by_day(folder: Path, key: str, suffix: str = "") -> Iterator[tuple[date, Path]]:
    """Yield what is called `key=<day><suffix>`, the earliest day first; warn of what else begins with the key.

    Args:
        folder: need not be there.
        key: such as "day".
        suffix: such as ".json"; without one, folders are meant.
    """
    for path in sorted(folder.glob(f"{key}=*")):
        word = path.name.removeprefix(f"{key}=").removesuffix(suffix)
        day = _day(word) if path.name == f"{key}={word}{suffix}" else None
        if day is not None and path.is_dir() != bool(suffix):
            yield day, path
        else:
            skip(path, f"it is not named {key}=YYYY-MM-DD{suffix}")


def by_version(folder: Path) -> Iterator[tuple[int, Path]]:
    """Yield the folders that are called `version=<number>`, the lowest first; warn of what else begins so."""
    met = []
    for path in sorted(folder.glob("version=*")):
        word = path.name.removeprefix("version=")
        if _NUMBER.fullmatch(word) and path.is_dir():
            met.append((int(word), path))
        else:
            skip(path, "it is no folder named version=NUMBER")
    yield from sorted(met)


def skip(path: Path, why: str) -> None:
    """Say that something was left out."""
    _log.warning("%s: skipped, %s; mend it, or move it elsewhere", path, why)


def _day(word: str) -> date | None:
    try:
        return date.fromisoformat(word) if _DAY.fullmatch(word) else None
    except ValueError:
        return None
