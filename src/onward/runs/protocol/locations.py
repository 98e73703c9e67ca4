"""Where a machine keeps what runs share and what is its own."""

from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path

from onward.deployment.registry_settings import RegistrySettings
from onward.errors import RunError
from onward.redaction import holds_secret
from onward.runs.protocol.git import Git
from onward.settings import ProjectSettings, absolute_place, as_environment


@dataclass(frozen=True)
class RunLocations:
    """The git remote, the DVC remote and the registry are shared by all machines; the folders are this machine's.

    Attributes:
        settings: of this machine.
        dvc_remote: where outputs live: an absolute path or an address that DVC understands.
    """

    settings: ProjectSettings
    dvc_remote: str

    @classmethod
    def of(cls, settings: ProjectSettings) -> "RunLocations":
        """The locations of a machine; its DVC remote is the project's where the settings name none.

        Raises:
            RunError: no DVC remote is named, neither by ONWARD_DVC_REMOTE nor by the project's .dvc/config.
        """
        return cls(settings, settings.dvc_remote or _projects_dvc_remote(settings.project))

    @property
    def project(self) -> Path:
        """A checkout of the code; its own tree and index are never touched."""
        return self.settings.project

    def git(self, folder: Path, hold: int | None = None) -> Git:
        """Git in a folder, with the patience that this machine's settings give; see `Git`."""
        return Git(folder, hold, self.settings.remote_seconds)

    @property
    def git_remote(self) -> str:
        """Where run branches live: a path or an address that git understands."""
        return self.settings.git_remote

    @property
    def workspaces(self) -> Path:
        """One folder a run, made when needed and removed when the run is finished."""
        return self.settings.workspaces

    @property
    def cache(self) -> Path:
        """DVC's cache and fetched bundles, shared by all workspaces of this machine; no run is called like it."""
        return self.workspaces / ".cache"

    def for_commands(self, folder: Path) -> dict[str, str]:
        """Return what a command that works in a run's folder must know, as environment variables.

        Raises:
            RegistryError: the settings name nothing that a registry can be.
        """
        registry = RegistrySettings.of(self.settings)
        return as_environment(
            project=folder,
            registry=registry.database_address,
            registry_artifacts=registry.artifacts,
            registry_cache=self.settings.registry_cache or self.cache / "bundles",
            dashboards=self.settings.dashboards,
            remote_seconds=self.settings.remote_seconds,
        )


def _projects_dvc_remote(project: Path) -> str:
    """The address of the project's default DVC remote, in a form that holds in any folder."""
    remedy = "set ONWARD_DVC_REMOTE, or `dvc remote default` in the project"
    config = ConfigParser(interpolation=None)
    try:
        config.read([project / ".dvc" / "config", project / ".dvc" / "config.local"], encoding="utf-8")
        name = config["core"]["remote"]
        url = config[f"'remote \"{name}\"'"]["url"]
    except (ConfigError, KeyError):
        raise RunError(f"{project}: names no default DVC remote; {remedy}") from None
    if holds_secret(url):
        raise RunError(
            f"{project}: DVC remote {name} has a user, a password or a token in its address; keep them with "
            f"`dvc remote modify --local {name} password …`, or set ONWARD_DVC_REMOTE to an address without"
        )
    # Relative addresses in .dvc/config count from the folder that it lies in.
    return absolute_place(url, project / ".dvc")
