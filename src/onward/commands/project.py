"""The project that a command works on: the one that ONWARD_PROJECT names, else the folder that it is run in."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onward.daily.assessment_history import AssessmentHistory
    from onward.deployment.registry import Registry
    from onward.layout import Layout
    from onward.runs.protocol.locations import RunLocations
    from onward.settings import ProjectSettings


def project_settings() -> "ProjectSettings":
    """What the environment says of the project and of the places that its commands share."""
    from onward.settings import read_settings

    return read_settings()


def project_layout() -> "Layout":
    """Where the project's files are."""
    from onward.layout import Layout

    return Layout(project_settings().project)


def project_registry() -> "Registry":
    """The registry that the environment names, else the project's own."""
    from onward.deployment.registry import Registry

    return Registry.of(project_settings())


def assessment_history() -> "AssessmentHistory":
    """What the monitor said of the project's versions, and what was done about it."""
    from onward.daily.assessment_history import AssessmentHistory

    settings = project_settings()
    take_shared("looks", "actions")
    return AssessmentHistory(settings.looks, settings.actions, project_layout().monitoring)


def take_shared(*names: str) -> None:
    """Bring here what other machines have written, where they share no folder."""
    from onward.daily.shared_folders import SharedFolder

    for name in names:
        SharedFolder.of(project_settings(), name).take()


def share_actions() -> None:
    """Let other machines see what was done, where they share no folder."""
    from onward.daily.shared_folders import SharedFolder

    SharedFolder.of(project_settings(), "actions").give()


def run_locations() -> "RunLocations":
    """Where the project's runs keep what they share and what is this machine's own."""
    from onward.runs.protocol.locations import RunLocations

    return RunLocations.of(project_settings())


def unpushed_deployment(run: str) -> str | None:
    """Say what a run's branch lacks of the deployment that it has made, or why nobody can tell; None if nothing."""
    from onward.errors import OnwardError
    from onward.runs.history.unpushed import unpushed_deployment

    try:
        return unpushed_deployment(run_locations(), run)
    except OnwardError as error:
        return f"nobody can tell whether it was pushed ({error})"
