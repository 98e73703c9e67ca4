"""Find among runs and registered versions by what they were asked, what they reached, and how they are tagged."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from onward.deployment.registry import Version
from onward.errors import RunError
from onward.runs.history.records import RunRecord

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.]*)\s*(>=|<=|==|=|>|<)\s*(\S.*?)\s*")


@dataclass(frozen=True)
class Metric:
    """`auc>=0.78`: a figure of metrics/evaluation.json, or of another file by its name: `delay.auc<0.9`."""

    name: str
    sign: str
    limit: float

    @classmethod
    def parse(cls, text: str) -> "Metric":
        """Read a condition.

        Raises:
            RunError: it is none.
        """
        condition = _CONDITION.fullmatch(text)
        try:
            if condition:
                return cls(condition[1], condition[2], float(condition[3]))
        except ValueError:
            pass
        raise RunError(f"--metric {text!r}: write NAME>=NUMBER, such as auc>=0.78 (signs: {' '.join(_COMPARISONS)})")

    def holds(self, item: "Item") -> bool:
        """Whether an item has the figure and it is as asked."""
        value = item.figure(self.name)
        return value is not None and _COMPARISONS[self.sign](value, self.limit)


@dataclass(frozen=True)
class Equal:
    """`thresholds.precision_target=0.08` or `run=2017-11-20-3f2a9c1b`: a name and what it must be."""

    name: str
    value: str

    @classmethod
    def parse(cls, text: str, option: str) -> "Equal":
        """Read a condition.

        Raises:
            RunError: it is none.
        """
        name, sign, value = text.partition("=")
        if not (sign and name.strip() and value.strip()):
            raise RunError(f"{option} {text!r}: write NAME=VALUE")
        return cls(name.strip(), value.strip())

    def holds(self, value: object) -> bool:
        """Whether a value is as asked: numbers as numbers, everything else as text."""
        if value is None:
            return False
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                return float(self.value) == float(value)
            except ValueError:
                return False
        return str(value).lower() == self.value.lower()


@dataclass(frozen=True)
class Item:
    """A run, a registered version, or a run with the version it registered.

    A version that `dvc repro` made by hand has no run: of its figures those remain that the gate saw, and its params
    are not known.
    """

    record: RunRecord | None
    version: Version | None
    figures: Mapping[str, float]

    @property
    def source(self) -> str:
        """Where its data came from."""
        return str(self.param("run.source") if self.record else self.version.tags["source"] if self.version else "")

    @property
    def as_of(self) -> str:
        """What it knows until."""
        return str(self.param("run.as_of") if self.record else self.version.tags["as_of"] if self.version else "")

    def figure(self, name: str) -> float | None:
        """A figure by name; where a metrics file holds an interval, its value."""
        if self.record is None:
            return self.figures.get(f"{name}_value", self.figures.get(name))
        file, _, rest = name.partition(".")
        metrics = self.record.metrics(file) if rest else {}
        figure = _inside(metrics, rest) if metrics else _inside(self.record.metrics("evaluation"), name)
        if isinstance(figure, Mapping):
            figure = figure.get("value")
        return float(figure) if isinstance(figure, int | float) and not isinstance(figure, bool) else None

    def param(self, name: str) -> object:
        """A key of params.yaml, `section.key`; None where it is not known."""
        return None if self.record is None else _inside(self.record.params(), name)

    def tag(self, name: str) -> str | None:
        """A tag of its version; None without one."""
        return None if self.version is None else self.version.tags.get(name)


def join(
    records: Iterable[RunRecord], versions: Iterable[Version], figures: Callable[[Version], Mapping[str, float]]
) -> list[Item]:
    """Put runs and versions together: every run once, then every version that came from no run, the latest first.

    Args:
        records: all runs.
        versions: all registered versions.
        figures: what the gate saw of a version; asked for versions without a run only.
    """
    records = list(records)
    by_number = {version.number: version for version in versions}
    made = {record.version for record in records}
    alone = sorted(
        (version for version in by_number.values() if version.number not in made), key=lambda version: -version.number
    )
    return [Item(record, by_number.get(record.version or 0), {}) for record in records] + [
        Item(None, version, figures(version)) for version in alone
    ]


def select(
    items: Iterable[Item], metrics: Iterable[Metric], params: Iterable[Equal], tags: Iterable[Equal], source: str | None
) -> list[Item]:
    """Those items for which every condition holds."""
    metrics = list(metrics)
    params = list(params)
    tags = list(tags)
    return [
        item
        for item in items
        if (source is None or item.source == source)
        and all(metric.holds(item) for metric in metrics)
        and all(param.holds(item.param(param.name)) for param in params)
        and all(tag.holds(item.tag(tag.name)) for tag in tags)
    ]


def _inside(values: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(values, Mapping) or key not in values:
            return None
        values = values[key]
    return values
