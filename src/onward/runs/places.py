"""Where a machine keeps what runs share and what is its own; read from the environment here and nowhere else."""

import re
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path

from onward.errors import RunError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class Places:
    """The git remote, the DVC remote and the registry are shared by all machines; the folders are this machine's.

    Attributes:
        project: a checkout of the code; its own tree and index are never touched.
        git_remote: where run branches live: a path or an address that git understands.
        dvc_remote: where outputs live: an absolute path or an address that DVC understands.
        dvc_endpoint: address of the object store's service where it is not the provider's own; None otherwise.
        workspaces: one folder a run, made when needed and removed when the run is finished.
        cache: DVC's cache and fetched bundles, shared by all workspaces of this machine; no run is called like it.
        registry: MLflow's tracking and registry address.
        registry_artifacts: where registered bundles lie.
        dashboards: the Evidently workspace that the monitor's pages go to.
        code_ref: what new runs start from, in the project's repository.
    """

    project: Path
    git_remote: str
    dvc_remote: str
    dvc_endpoint: str | None
    workspaces: Path
    cache: Path
    registry: str
    registry_artifacts: str
    dashboards: Path
    code_ref: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], project: Path) -> "Places":
        """Read the settings of this machine; `project` is where it is asked from, unless ONWARD_PROJECT is set.

        Raises:
            RunError: no DVC remote is named, neither by ONWARD_DVC_REMOTE nor by the project's .dvc/config.
        """
        given = {key: value for key, value in environ.items() if value}
        root = Path(given.get("ONWARD_PROJECT", project)).resolve()
        workspaces = root / given.get("ONWARD_WORKSPACES", ".onward/workspaces")
        return cls(
            project=root,
            git_remote=_absolute(given.get("ONWARD_GIT_REMOTE", str(root)), root),
            dvc_remote=_absolute(given["ONWARD_DVC_REMOTE"], root) if "ONWARD_DVC_REMOTE" in given else _remote(root),
            dvc_endpoint=given.get("ONWARD_DVC_REMOTE_ENDPOINT"),
            workspaces=workspaces,
            cache=workspaces / ".cache",
            registry=given.get("ONWARD_REGISTRY", f"sqlite:///{root / 'mlruns' / 'mlflow.db'}"),
            registry_artifacts=_absolute(given.get("ONWARD_REGISTRY_ARTIFACTS", "mlruns/artifacts"), root),
            dashboards=root / given.get("ONWARD_DASHBOARDS", "monitoring/workspace"),
            code_ref=given.get("ONWARD_CODE_REF", "HEAD"),
        )

    def for_stages(self) -> dict[str, str]:
        """Return what a stage's process must know of these places, as environment variables."""
        return {
            "ONWARD_REGISTRY": self.registry,
            "ONWARD_REGISTRY_ARTIFACTS": self.registry_artifacts,
            "ONWARD_REGISTRY_CACHE": str(self.cache / "bundles"),
            "ONWARD_DASHBOARDS": str(self.dashboards),
        }


def _absolute(place: str, root: Path) -> str:
    # Git's short form of ssh, host:path, has no "//".
    if _URL.match(place) or (":" in place and not place.startswith((".", "/"))):
        return place
    return str((root / place).resolve())


def _remote(root: Path) -> str:
    """The address of the project's default DVC remote, in a form that holds in any folder."""
    remedy = "set ONWARD_DVC_REMOTE, or `dvc remote default` in the project"
    config = ConfigParser(interpolation=None)
    try:
        config.read([root / ".dvc" / "config", root / ".dvc" / "config.local"], encoding="utf-8")
        name = config["core"]["remote"]
        url = config[f"'remote \"{name}\"'"]["url"]
    except (ConfigError, KeyError):
        raise RunError(f"{root}: names no default DVC remote; {remedy}") from None
    # Relative addresses in .dvc/config count from the folder that it lies in.
    return _absolute(url, root / ".dvc")
