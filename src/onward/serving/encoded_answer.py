"""An answer with the decisions that stand in it, as it is replied, logged, counted and remembered."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import orjson

from onward.serving.decision_log import DECISION_COLUMNS

_ORDER, _DECISION = (DECISION_COLUMNS.index(name) for name in ("order", "decision"))


@dataclass(frozen=True)
class LoggedAnswer:
    """An answer, and the decisions that stand in it.

    Attributes:
        answer: what is replied.
        decisions: rows of decision_log.DECISION_COLUMNS.
        weight: of the order; None where nothing is ordered by one.
    """

    answer: Mapping[str, Any]
    decisions: Sequence[Sequence[Any]]
    weight: float | None = None


@dataclass(frozen=True)
class EncodedAnswer:
    """The same, encoded.

    Attributes:
        body: JSON object, without the request's id.
        decisions: JSON list.
        counts: decisions by order and decision.
        weight: of the order.
    """

    body: bytes
    decisions: bytes
    counts: Mapping[tuple[str, str], int]
    weight: float | None

    @classmethod
    def of(cls, answer: LoggedAnswer) -> Self:
        """Encode an answer."""
        counts = Counter((row[_ORDER], row[_DECISION]) for row in answer.decisions)
        return cls(orjson.dumps(answer.answer), orjson.dumps(answer.decisions), counts, answer.weight)

    @property
    def size(self) -> int:
        """Bytes in memory, roughly."""
        return len(self.body) + len(self.decisions) + 2000
