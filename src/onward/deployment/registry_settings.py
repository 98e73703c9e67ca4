"""Where the registry is, as a machine's environment says.

| variable                    | value                                                                               |
|-----------------------------|-------------------------------------------------------------------------------------|
| ONWARD_REGISTRY             | `sqlite:////folder/mlflow.db` or `postgresql://user:password@host/database`         |
| ONWARD_REGISTRY_ARTIFACTS   | a folder or `s3://bucket/prefix`; every host that deploys or serves has to reach it |
| ONWARD_REGISTRY_CACHE       | folder of this machine for bundles fetched out of a bucket                          |

Without the first, the registry is a SQLite file in the project's folder `mlruns`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onward.errors import RegistryError

DATABASE = "mlflow.db"


@dataclass(frozen=True)
class RegistrySettings:
    """A registry's places.

    Attributes:
        root: folder of this machine: the SQLite file, the lock beside it, the note of the champion.
        address: of a PostgreSQL database; empty for SQLite.
        artifacts: absolute folder or `s3://…` of the bundles.
        fetched: folder of this machine for bundles fetched out of a bucket.
    """

    root: Path
    address: str
    artifacts: str
    fetched: Path


def settings_from(environ: Mapping[str, str], root: Path) -> RegistrySettings:
    """Read the variables above.

    Args:
        environ: the environment; a variable that is empty counts as not set.
        root: the project's own folder for a registry, taken when nothing else is named.

    Raises:
        RegistryError: a value names nothing that a registry can be.
    """
    address, artifacts, fetched = (
        environ.get(name, "") for name in ("ONWARD_REGISTRY", "ONWARD_REGISTRY_ARTIFACTS", "ONWARD_REGISTRY_CACHE")
    )
    if address.startswith("sqlite:////"):
        database = Path(address.removeprefix("sqlite:///"))
        if database.name != DATABASE:
            raise RegistryError(f"ONWARD_REGISTRY: {address}: the file must be named {DATABASE}")
        root, address = database.parent, ""
    elif address and not address.startswith(("postgresql://", "postgresql+")):
        raise RegistryError(
            f"ONWARD_REGISTRY: {address.partition(':')[0]}: must be postgresql://… or sqlite:////absolute/{DATABASE}"
        )
    elif address and not artifacts:
        raise RegistryError(
            "ONWARD_REGISTRY_ARTIFACTS is not set: a registry that hosts share needs a folder or s3:// place they share"
        )
    if "://" in artifacts and not artifacts.startswith("s3://"):
        raise RegistryError(f"ONWARD_REGISTRY_ARTIFACTS: {artifacts}: must be a folder or s3://bucket/prefix")
    if not artifacts.startswith("s3://"):
        artifacts = str(Path(artifacts or root / "artifacts").resolve())
    return RegistrySettings(root, address, artifacts.rstrip("/"), Path(fetched or root / "fetched").resolve())
