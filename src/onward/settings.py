"""What a machine's environment says, read here and nowhere else; inside, functions take these values.

A variable that is empty or blank counts as not set. Folders count from the project. The DAG files read their own few
variables (`dags/onward_tasks/settings.py`), since Airflow parses them again and again; `ONWARD_PROJECT` means the same
there.

| variable                     | value                                                                               |
|------------------------------|-------------------------------------------------------------------------------------|
| `ONWARD_PROJECT`             | a checkout of the code; the folder that a command is run in, where nothing is named |
| `ONWARD_GIT_REMOTE`          | where the branches of runs live: a folder or an address for git                     |
| `ONWARD_CODE_REF`            | what a new run starts from, in the project's repository                             |
| `ONWARD_DVC_REMOTE`          | where outputs live: a folder or an address for DVC                                  |
| `ONWARD_DVC_REMOTE_ENDPOINT` | address of the object store's service where it is not the provider's own            |
| `ONWARD_WORKSPACES`          | folder of this machine: one working copy a run, and DVC's cache                     |
| `ONWARD_REGISTRY`            | `sqlite:////folder/mlflow.db` or `postgresql://user:password@host/database`         |
| `ONWARD_REGISTRY_ARTIFACTS`  | a folder or `s3://bucket/prefix`; every host that deploys or serves has to reach it |
| `ONWARD_REGISTRY_CACHE`      | folder of this machine for bundles fetched out of a bucket                          |
| `ONWARD_WATCHING`            | `s3://bucket/prefix` of decisions, looks and actions, where machines share no folder|
| `ONWARD_DECISIONS`           | folder of the decision log                                                          |
| `ONWARD_LOOKS`               | folder of what the daily monitor found                                              |
| `ONWARD_ACTIONS`             | folder of what the rules decided                                                    |
| `ONWARD_PAGES`               | folder that the page for on-call is written to                                      |
| `ONWARD_DASHBOARDS`          | Evidently's workspace, one for all runs of a machine                                |
| `ONWARD_SERVED`              | folder of what `onward serve` decided, was told and was taught                      |
| `ONWARD_API_KEYS`            | file of the keys that `onward serve` lets in, one a line                            |
| `ONWARD_REMOTE_SECONDS`      | that one call of git, DVC or the bundle store to a remote may take                  |
| `ONWARD_FLUSH_SECONDS`       | that a served decision may wait for the disk, at most 1                             |
"""

import re
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from onward.errors import SettingsError, place_and_reason
from onward.redaction import holds_secret, redact

REMOTE_SECONDS = 900.0
_PREFIX = "ONWARD_"
# Where a secret goes that is not to stand in an address, by the field that holds the address.
_KEYS = "give the store's keys as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_INSTEAD = {
    "git_remote": "let git ask a credential helper (`git config --global credential.helper store`)",
    "dvc_remote": _KEYS,
    "dvc_remote_endpoint": _KEYS,
    "registry_artifacts": _KEYS,
    "watching": _KEYS,
}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class ProjectSettings(BaseSettings):
    """The project and the places that its commands share, each field a variable of the table above.

    `ProjectSettings()` reads the environment; a value that is given goes before it. A stage gives `project`, since it
    works in the folder that DVC starts it in, whatever the environment names.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True)

    project: Path = Field(default_factory=Path.cwd)
    git_remote: str = Field(default_factory=lambda earlier: str(earlier["project"]))
    code_ref: str = "HEAD"
    dvc_remote: str | None = None
    dvc_remote_endpoint: str | None = None
    workspaces: Path = Path(".onward/workspaces")
    registry: str | None = None
    registry_artifacts: str | None = None
    registry_cache: Path | None = None
    watching: str | None = None
    decisions: Path = Field(default_factory=lambda earlier: _kept_here("decisions", earlier))
    looks: Path = Field(default_factory=lambda earlier: _kept_here("looks", earlier))
    actions: Path = Field(default_factory=lambda earlier: _kept_here("actions", earlier))
    pages: Path = Path("reports")
    dashboards: Path = Path("monitoring/workspace")
    served: Path = Path("monitoring/served")
    api_keys: Path | None = None
    remote_seconds: float = Field(default=REMOTE_SECONDS, gt=0.0, le=86_400.0)
    flush_seconds: float = Field(default=0.5, gt=0.0, le=1.0)

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, given: dict[str, Any]) -> dict[str, Any]:
        # A container's definition that names a variable which nobody set hands on a blank one.
        return {name: value for name, value in given.items() if not (isinstance(value, str) and not value.strip())}

    @field_validator("project")
    @classmethod
    def _resolved(cls, folder: Path) -> Path:
        return folder.resolve()

    @field_validator(
        "workspaces", "registry_cache", "decisions", "looks", "actions", "pages", "dashboards", "served", "api_keys"
    )
    @classmethod
    def _in_project(cls, folder: Path | None, info: ValidationInfo) -> Path | None:
        project: Path = info.data["project"]
        return None if folder is None else project / folder

    @field_validator(*_INSTEAD)
    @classmethod
    def _without_secret(cls, address: str | None, info: ValidationInfo) -> str | None:
        # It would reach manifests, DVC's settings and the lists of processes.
        if address is not None and holds_secret(address):
            raise ValueError(f"holds a user, a password or a token; take it out and {_INSTEAD[str(info.field_name)]}")
        return address

    @field_validator("watching")
    @classmethod
    def _in_a_bucket(cls, place: str | None) -> str | None:
        if place is not None and not re.match(r"s3://[^/]+", place):
            raise ValueError("must be s3://bucket/prefix; for folders set ONWARD_DECISIONS, _LOOKS and _ACTIONS")
        return place

    @field_validator("git_remote", "dvc_remote", "registry_artifacts")
    @classmethod
    def _from_project(cls, place: str | None, info: ValidationInfo) -> str | None:
        return None if place is None else absolute_place(place, info.data["project"])

    def kept_at(self, name: str) -> str:
        """Where all machines find the decisions, looks or actions: an address or a folder."""
        folders = {"decisions": self.decisions, "looks": self.looks, "actions": self.actions}
        return str(folders[name]) if self.watching is None else f"{self.watching.rstrip('/')}/{name}"


def _kept_here(name: str, earlier: dict[str, Any]) -> Path:
    """Beside the code; of an object store what this machine has fetched, beside the working copies."""
    shared = "watching" in earlier and earlier["watching"] is not None
    return Path(earlier["workspaces"], ".cache", "watching", name) if shared else Path("monitoring", name)


def read_settings(**given: Any) -> ProjectSettings:
    """What the environment says, where no value is given.

    Raises:
        SettingsError: a variable holds what it cannot be, or names a project that is no folder.
    """
    try:
        settings = ProjectSettings(**given)
    except ValidationError as error:
        told = (
            # Redacted before it is cut: half a password is one still.
            f"{_PREFIX}{place.upper()} = {redact(str(problem['input']))[:80]!r}: {reason}"
            for problem in error.errors(include_url=False)
            if problem["type"] != "default_factory_not_called"
            for place, reason in [place_and_reason(problem["loc"], problem["msg"])]
        )
        raise SettingsError("; ".join(told) + "; see the table in src/onward/settings.py") from None
    if not settings.project.is_dir():
        raise SettingsError(f"{_PREFIX}PROJECT = '{settings.project}': no such folder; name a checkout of the project")
    return settings


def absolute_place(place: str, folder: Path) -> str:
    """Return an address as it is, and a path as it counts from a folder.

    >>> absolute_place("s3://bucket/dvc", Path("/srv/shop")), absolute_place("git@host:shop.git", Path("/srv/shop"))
    ('s3://bucket/dvc', 'git@host:shop.git')
    >>> absolute_place("../store", Path("/srv/shop"))
    '/srv/store'
    """
    # Git's short form of ssh, host:path, has no "//".
    if _URL.match(place) or (":" in place and not place.startswith((".", "/"))):
        return place
    return str((folder / place).resolve())


def as_environment(**values: Any) -> dict[str, str]:
    """Return the variables by which another process reads these fields of `ProjectSettings`.

    >>> as_environment(registry="sqlite:////srv/mlflow.db")
    {'ONWARD_REGISTRY': 'sqlite:////srv/mlflow.db'}
    """
    unknown = values.keys() - ProjectSettings.model_fields.keys()
    if unknown:
        raise ValueError(f"no such setting: {', '.join(sorted(unknown))}")
    return {f"{_PREFIX}{name.upper()}": str(value) for name, value in values.items()}
