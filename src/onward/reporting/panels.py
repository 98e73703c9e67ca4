"""The dashboard's panels as monitoring/panels.yaml defines them; drawing them is evidently_pages.py's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from onward.monitoring.alerts import parsed

Measure = Literal[
    "predicted",
    "nowcast",
    "nowcast_low",
    "nowcast_high",
    "matured_rate",
    "n",
    "shown",
    "precision",
    "precision_low",
    "precision_high",
    "recall_proxy",
    "share_matured",
    "score_psi",
    "delay_median_days",
    "engagement_rate",
    "drift_statistic",
    "list_lift",
    "list_lift_low",
    "list_lift_high",
    "list_hit_rate",
    "list_hit_rate_low",
    "list_hit_rate_high",
    "list_coverage",
    "list_listed",
]
_Title = Annotated[str, Field(min_length=3, max_length=80)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Line(_Part):
    """One measure: of the level that the panel repeats, of each level, of all together, of each signal, of a list."""

    measure: Measure
    of: Literal["level", "levels", "all", "signals", "goes_with", "after"]
    legend: str | None = None

    def buckets(self, buckets: Sequence[str], level: str | None) -> list[str]:
        """Return the buckets that the line draws."""
        match self.of:
            case "level":
                return [] if level is None else [level]
            case "levels":
                return [bucket for bucket in buckets if bucket.startswith("level ")]
            case "signals":
                return [bucket for bucket in buckets if bucket.startswith("signal ")]
            case "all":
                return ["all"]
            case name:
                return [bucket for bucket in buckets if bucket == f"list {name}"]


class Panel(_Part):
    """A picture of lines over the days."""

    title: _Title
    lines: Annotated[tuple[Line, ...], Field(strict=False, min_length=1)]
    size: Literal["full", "half"] = "full"
    repeat: Literal["level"] | None = None

    @model_validator(mode="after")
    def _titles_tell_repeated_panels_apart(self) -> Self:
        repeated = self.repeat is not None
        if ("{level}" in self.title) != repeated:
            raise ValueError(f"panel {self.title!r}: put {{level}} into its title exactly if it has `repeat: level`")
        if any(line.of == "level" for line in self.lines) and not repeated:
            raise ValueError(
                f"panel {self.title!r}: `of: level` needs `repeat: level`; for a line a level: `of: levels`"
            )
        return self


class Tab(_Part):
    """Panels under one heading, with a sentence that says how to read them."""

    name: _Title
    says: Annotated[str, Field(min_length=10, max_length=200)]
    panels: Annotated[tuple[Panel, ...], Field(strict=False, min_length=1)]


@dataclass(frozen=True)
class Drawn:
    """A panel with its lines resolved: (legend, measure, bucket)."""

    title: str
    size: str
    lines: tuple[tuple[str, str, str], ...]


class Panels(_Part):
    """All of panels.yaml."""

    schema_: Literal[1] = Field(alias="schema")
    project: _Title
    tabs: Annotated[tuple[Tab, ...], Field(strict=False, min_length=1)]

    def drawn(self, tab: Tab, buckets: Sequence[str]) -> Iterator[Drawn]:
        """Yield the panels of a tab for the buckets that there are."""
        levels = [bucket for bucket in buckets if bucket.startswith("level ")]
        for panel in tab.panels:
            for level in levels if panel.repeat else [None]:
                title = panel.title if level is None else panel.title.replace("{level}", level.removeprefix("level "))
                yield Drawn(
                    title,
                    panel.size,
                    tuple(
                        (line.legend or bucket.removeprefix("signal "), line.measure, bucket)
                        for line in panel.lines
                        for bucket in line.buckets(buckets, level)
                    ),
                )


def parse_panels(text: str, name: str = "monitoring/panels.yaml") -> Panels:
    """Turn the text of panels.yaml into panels.

    Raises:
        MonitoringInputError: one line that names the place, its value and what is allowed.
    """
    return parsed(Panels, text, name)
