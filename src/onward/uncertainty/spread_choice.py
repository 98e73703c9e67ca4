"""The spread sources that a run may choose, and how a fitted one is kept: plain values, never code."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from onward.errors import DataError
from onward.uncertainty.evidential import EvidentialBeta, FittedBeta
from onward.uncertainty.sources import HeadEnsemble, Spread, SpreadSource
from onward.uncertainty.venn_abers import FittedWidth, VennAbersWidth

_EVIDENCE_CLASSES = 5

SOURCES: Mapping[str, Callable[[int], SpreadSource]] = MappingProxyType(
    {
        "heads": lambda _: HeadEnsemble(),
        "evidential_counts": lambda seed: EvidentialBeta("counts", seed),
        "evidential_density": lambda seed: EvidentialBeta("density", seed),
        "venn_abers": lambda _: VennAbersWidth(_EVIDENCE_CLASSES),
    }
)
"""By the name that params.yaml uses, given a seed. Dropout is a baseline of the benchmarks only: it needs a network."""


def spread_to_dict(spread: Spread) -> dict[str, Any]:
    """Return a fitted source as plain values.

    Raises:
        DataError: it is not one that runs may choose.
    """
    if isinstance(spread, HeadEnsemble):
        return {"source": "heads"}
    if isinstance(spread, FittedBeta):
        return {"source": "evidential", **spread.to_dict()}
    if isinstance(spread, FittedWidth):
        return {"source": "venn_abers", **spread.to_dict()}
    raise DataError(f"spread: {type(spread).__name__} cannot be deployed; choose one of {', '.join(SOURCES)}")


def spread_from_dict(values: Mapping[str, Any]) -> Spread:
    """Rebuild what `spread_to_dict` gave.

    Raises:
        DataError: a source that this version does not know.
    """
    if values["source"] == "heads":
        return HeadEnsemble()
    if values["source"] == "evidential":
        return FittedBeta.from_dict(values)
    if values["source"] == "venn_abers":
        return FittedWidth.from_dict(values)
    raise DataError(f"spread: source {values['source']!r} is not one of this version's; calibrate again")
