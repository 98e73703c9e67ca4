"""The one family of errors that Onward raises on purpose.

Every message is a single line that names what is wrong, where, and the remedy, so that a person
who meets it in a terminal, an Airflow log or a report can act on it without reading code.
"""

from onward.redaction import redact


class OnwardError(Exception):
    """Base of every error that a user can cause and mend; the CLI prints it as one line, without secrets."""

    def __init__(self, *said: object) -> None:
        super().__init__(*(redact(part) if isinstance(part, str) else part for part in said))


class SettingsError(OnwardError):
    """A variable of the environment, or an option, holds what it cannot be."""


class ParamsError(OnwardError):
    """A key of params.yaml is missing, unknown, of the wrong type or out of range."""


class DataError(OnwardError):
    """A source or a table breaks the data contract beyond what quarantine may absorb."""


class ArtifactError(OnwardError):
    """A file that an earlier stage should have written is missing or unreadable."""


class InfeasibleTargetError(OnwardError):
    """No decision boundary reaches the asked target on the fitting split."""


class MonitoringError(OnwardError):
    """The monitor cannot compute what it promises, which is itself an alarm."""


class ServiceError(OnwardError):
    """A service did not start, or ended by itself."""


class RegistryError(OnwardError):
    """The model registry does not hold what was asked for."""


class RunError(OnwardError):
    """A run cannot be started, continued or restored."""
