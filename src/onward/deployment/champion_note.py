"""The champion of a SQLite registry, noted beside it, so that asking for it need not import MLflow (2 s)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onward.artifacts import write_json


@dataclass(frozen=True)
class ChampionNote:
    """A file that holds as long as the database has not changed."""

    database: Path

    @property
    def path(self) -> Path:
        """The note."""
        return self.database.with_name("champion.json")

    def stamp(self) -> list[int]:
        """What every transaction changes: SQLite's file change counter (sqlite.org/fileformat.html) and the time."""
        with self.database.open("rb") as stream:
            header = stream.read(28)
        return [int.from_bytes(header[24:28], "big"), self.database.stat().st_mtime_ns]

    def read(self) -> dict[str, Any] | None:
        """What was noted, `{"champion": …}`, if the database is still as it was then."""
        try:
            note = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            return None
        whole = isinstance(note, dict) and {"stamp", "champion"} <= set(note)
        return note if whole and note["stamp"] == self.stamp() else None

    def write(self, stamp: list[int], champion: dict[str, Any] | None) -> None:
        """Note a champion that was read after the stamp was taken; an older stamp only costs one more look."""
        write_json(self.path, {"stamp": stamp, "champion": champion})
