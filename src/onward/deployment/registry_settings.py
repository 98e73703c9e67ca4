"""Where the registry is: a SQLite file in the project's folder `mlruns`, unless the machine's settings name another."""

from dataclasses import dataclass
from pathlib import Path

from onward.errors import RegistryError
from onward.layout import Layout
from onward.settings import REMOTE_SECONDS, ProjectSettings

DATABASE = "mlflow.db"


@dataclass(frozen=True)
class RegistrySettings:
    """A registry's places.

    Attributes:
        root: folder of this machine: the SQLite file, the lock beside it, the note of the champion.
        address: of a PostgreSQL database; empty for SQLite.
        artifacts: absolute folder or `s3://…` of the bundles.
        fetched: folder of this machine for bundles fetched out of a bucket.
        patience_s: seconds that one call to a bucket may take.
    """

    root: Path
    address: str
    artifacts: str
    fetched: Path
    patience_s: float = REMOTE_SECONDS

    @classmethod
    def in_folder(cls, root: Path) -> "RegistrySettings":
        """A registry all of which lies in one folder."""
        return cls(root, "", str((root / "artifacts").resolve()), (root / "fetched").resolve())

    @classmethod
    def of(cls, settings: ProjectSettings) -> "RegistrySettings":
        """The registry of a machine.

        Raises:
            RegistryError: a value names nothing that a registry can be.
        """
        root = Layout(settings.project).registry
        artifacts = settings.registry_artifacts
        address = settings.registry or ""
        if address.startswith("sqlite:////"):
            database = Path(address.removeprefix("sqlite:///"))
            if database.name != DATABASE:
                raise RegistryError(f"ONWARD_REGISTRY: {address}: the file must be named {DATABASE}")
            root = database.parent
            address = ""
        elif address and not address.startswith(("postgresql://", "postgresql+")):
            raise RegistryError(
                f"ONWARD_REGISTRY: {address.partition(':')[0]}: must be postgresql://… or sqlite:////absolute/{DATABASE}"
            )
        elif address and artifacts is None:
            raise RegistryError(
                "ONWARD_REGISTRY_ARTIFACTS is not set: a registry that hosts share needs a folder or s3:// place they "
                "share"
            )
        own = cls.in_folder(root)
        if artifacts is not None and not artifacts.startswith(("/", "s3://")):
            raise RegistryError(f"ONWARD_REGISTRY_ARTIFACTS: {artifacts}: must be a folder or s3://bucket/prefix")
        place = (artifacts or own.artifacts).rstrip("/")
        return cls(root, address, place, settings.registry_cache or own.fetched, settings.remote_seconds)

    @property
    def database_address(self) -> str:
        """The database in MLflow's terms. With PostgreSQL it may hold a password: never print it."""
        return self.address or sqlite_address(self.root / DATABASE)


def sqlite_address(database: Path) -> str:
    """Return a SQLite file's address in MLflow's terms."""
    return f"sqlite:///{database.resolve()}"
