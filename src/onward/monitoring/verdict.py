"""The words in which the monitor says what it found, of a version, of a level of uncertainty and of a signal."""

from enum import StrEnum


class Verdict(StrEnum):
    """What an assessment says; everywhere the same word for the same thing.

    A level is `ok`, `inconclusive` or `drifted`; a signal is `ok`, `inconclusive`, `changed` or `failed`; a version is
    what its levels are together, or `failed`.
    """

    OK = "ok"
    """A change that would matter can be ruled out."""
    INCONCLUSIVE = "inconclusive"
    """It cannot be ruled out yet: too few labels. This is not an all-clear."""
    DRIFTED = "drifted"
    """Positivity at equal predictions has moved by more than chance allows."""
    CHANGED = "changed"
    """A signal has moved by more than chance allows, which is no drift of positivity."""
    FAILED = "failed"
    """Nothing could be computed, or labels no longer come: nobody is watching."""


PROMISE = "promise"
"""Name of the signal, and of the cause, that all versions together give; see promise.py."""

OF_VERSION = (Verdict.OK, Verdict.INCONCLUSIVE, Verdict.DRIFTED, Verdict.FAILED)
"""What can be said of a version; only a signal is `changed`."""


def of_levels(verdicts: set[Verdict]) -> Verdict:
    """Drifted if any level is, else inconclusive if any level is, else ok.

    >>> of_levels({Verdict.OK, Verdict.INCONCLUSIVE, Verdict.DRIFTED})
    <Verdict.DRIFTED: 'drifted'>
    """
    return next((word for word in (Verdict.DRIFTED, Verdict.INCONCLUSIVE) if word in verdicts), Verdict.OK)
