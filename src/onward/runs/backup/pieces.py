"""What a backup holds, by name, and where each piece lives."""

from collections.abc import Mapping
from dataclasses import dataclass

from onward.deployment.registry_settings import RegistrySettings
from onward.file_store import FileStore, store_at
from onward.runs.protocol.locations import RunLocations

OUTPUTS, BUNDLES = "outputs", "bundles"
REGISTRY, AIRFLOW = "registry", "airflow"
GIT = "git.bundle"
NOTE = "backup.json"
SCHEMA = 1


@dataclass(frozen=True)
class Pieces:
    """Everything that a project's machines share.

    Attributes:
        databases: their addresses, which may hold passwords, in the order in which they are read.
        stores: of files.
        git_remote: with the code and the branches of runs.
    """

    databases: Mapping[str, str]
    stores: Mapping[str, FileStore]
    git_remote: str

    @classmethod
    def of(cls, locations: RunLocations, airflow: str | None) -> "Pieces":
        """The pieces of a machine's settings.

        Args:
            locations: of this machine.
            airflow: address of Airflow's database, to keep it too.

        Raises:
            ServiceError: a place is of a kind that cannot be listed.
        """
        settings = locations.settings
        registry = RegistrySettings.of(settings)
        databases = {REGISTRY: registry.database_address} | ({} if airflow is None else {AIRFLOW: airflow})
        stores = {
            OUTPUTS: store_at(locations.dvc_remote, settings.dvc_remote_endpoint),
            BUNDLES: store_at(registry.artifacts),
            **{name: store_at(settings.kept_at(name)) for name in ("decisions", "looks", "actions")},
            "served": store_at(str(settings.served)),
        }
        return cls(databases, stores, settings.git_remote)
