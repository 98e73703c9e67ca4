"""The one family of errors that Onward raises on purpose.

Every message is a single line that names what is wrong, where, and the remedy, so that a person
who meets it in a terminal, an Airflow log or a report can act on it without reading code.
"""

from collections.abc import Iterable
from typing import ClassVar

from onward.redaction import redact

FAILED = 1
"""Exit status of a command or stage that may succeed when it is run again: a remote was away, a lock was held."""
NOT_TO_BE_RETRIED = 2
"""Exit status of one that cannot: a person has to mend what it was given. Wrong options end with it too."""


class OnwardError(Exception):
    """Base of every error that a user can cause and mend; the CLI prints it as one line, without secrets.

    Attributes:
        status: exit status of the process that ends with it.
    """

    status: ClassVar[int] = FAILED

    def __init__(self, *said: object) -> None:
        super().__init__(*(redact(part) if isinstance(part, str) else part for part in said))


def place_and_reason(loc: Iterable[object], msg: str) -> tuple[str, str]:
    """Where a value was refused, and why, in one line each: of `loc` and `msg` as pydantic's `errors()` tell them.

    >>> place_and_reason(("run", "as_of"), "Value error, 'soon' is not a date")
    ('run.as_of', "'soon' is not a date")
    """
    return ".".join(str(part) for part in loc), " ".join(msg.removeprefix("Value error, ").split())


class SettingsError(OnwardError):
    """A variable of the environment, or an option, holds what it cannot be."""

    status = NOT_TO_BE_RETRIED


class ParamsError(OnwardError):
    """A key of params.yaml is missing, unknown, of the wrong type or out of range."""

    status = NOT_TO_BE_RETRIED


class DataError(OnwardError):
    """A source or a table breaks the data contract beyond what quarantine may absorb."""

    status = NOT_TO_BE_RETRIED


class ArtifactError(OnwardError):
    """A file that an earlier stage should have written is missing or unreadable."""


class TrainingError(OnwardError):
    """Processes that train together failed, each time that they were started."""


class InfeasibleTargetError(OnwardError):
    """No decision boundary reaches the asked target on the fitting split."""

    status = NOT_TO_BE_RETRIED


class MonitoringError(OnwardError):
    """The monitor cannot compute what it promises, which is itself an alarm."""


class MonitoringInputError(MonitoringError):
    """The monitor cannot use what it was given, a rule, an option, a table of another form: a person has to mend it."""

    status = NOT_TO_BE_RETRIED


class ServiceError(OnwardError):
    """A service did not start, or ended by itself."""


class RegistryError(OnwardError):
    """The model registry does not hold what was asked for."""


class ChangeError(RegistryError):
    """What is in use was to be changed to what cannot be: an unknown version, no reason, nothing to return to."""

    status = NOT_TO_BE_RETRIED


class RunError(OnwardError):
    """A run cannot be started, continued or restored."""


class RequestError(RunError):
    """A run was asked for what it cannot be, or fed what it cannot read."""

    status = NOT_TO_BE_RETRIED


class EngineError(OnwardError):
    """The engine that counts, where that is not this process, is away or failed."""
