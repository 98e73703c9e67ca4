"""The answer to one question about a log: a test, an effect with its interval, a sentence and a consequence."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

Question = Literal["direction", "delay", "doubt"]

ALPHA = 0.01
"""Chance of a "yes" where the truth is no, for each question."""


@dataclass(frozen=True)
class Answer:
    """What a log says to one question.

    Attributes:
        question: `direction`, `delay` or `doubt`.
        yes: whether the p-value lies below `ALPHA`; of doubt, whether both of its conditions hold.
        p_value: of the test that the effect is nil or negligible; one a log, the larger where two must hold.
        effect: its size; `measure` says of what.
        low: lower end of the effect's 95 % interval.
        high: upper end.
        measure: what the effect counts, in words.
        sentence: the answer in words.
        consequence: what the pipeline does about it.
        figures: further numbers behind the answer.
    """

    question: Question
    yes: bool
    p_value: float
    effect: float
    low: float
    high: float
    measure: str
    sentence: str
    consequence: str
    figures: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {**asdict(self), "figures": {name: float(value) for name, value in self.figures.items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` gave."""
        return cls(**{**values, "figures": dict(values["figures"])})
