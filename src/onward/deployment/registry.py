"""What is deployed: a local MLflow registry, the only place that imports MLflow.

Every deployed bundle is one version of the model "onward". The alias `champion` names the version in use and
`challenger` the one that was registered last and is not in use. A version is known by the hash of its bundle, so the
same bundle is registered once however often a stage runs, and a process killed at any moment leaves at most a run
without a version, which nothing reads.
"""

import fcntl
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onward.artifacts import write_json
from onward.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL = "onward"
CHAMPION = "champion"
CHALLENGER = "challenger"
_HASH = "bundle_sha256"
_REPLACED = "replaced"
_ROLLED_BACK = "rolled_back"


@dataclass(frozen=True)
class Version:
    """One registered bundle: its number, the hash of its contents, the run that holds it and its tags."""

    number: int
    bundle_sha256: str
    run: str
    tags: dict[str, str]

    @property
    def replaced(self) -> int | None:
        """Number of the version that was champion when this one became it."""
        return int(self.tags[_REPLACED]) if self.tags.get(_REPLACED) else None

    @property
    def rolled_back(self) -> bool:
        """Whether a person took this version out of use; only a person may put it back."""
        return self.tags.get(_ROLLED_BACK) == "true"


@dataclass(frozen=True)
class Registry:
    """The registry below one folder; nothing is created before the first registration."""

    root: Path

    @property
    def database(self) -> Path:
        """MLflow's SQLite file."""
        return self.root / "mlflow.db"

    def folder(self, version: Version) -> Path:
        """Where a version's bundle lies.

        MLflow stores an absolute path; this one is built from the run, so that a moved project keeps its registry.

        Raises:
            RegistryError: the folder is gone.
        """
        folder = self.root / "artifacts" / version.run / "artifacts" / "bundle"
        if not folder.is_dir():
            raise RegistryError(f"{folder}: version {version.number} lost its bundle; run `dvc repro --force deploy`")
        return folder

    def find(self, bundle_sha256: str) -> Version | None:
        """Return the version that holds a bundle, or None."""
        if not self.database.exists():
            return None
        found = self._client().search_model_versions(f"name='{MODEL}' and tags.{_HASH}='{bundle_sha256}'")
        return min((_version(each) for each in found), key=lambda version: version.number, default=None)

    def version(self, number: int) -> Version:
        """Return a version by number.

        Raises:
            RegistryError: there is none.
        """
        found = self._client().search_model_versions(f"name='{MODEL}'") if self.database.exists() else []
        for each in found:
            if int(each.version) == number:
                return _version(each)
        numbers = ", ".join(str(each) for each in sorted(int(each.version) for each in found)) or "none"
        raise RegistryError(f"version {number} is not registered (registered: {numbers}); see `onward status`")

    def named(self, alias: str) -> Version | None:
        """Return the version an alias points at, or None."""
        if not self.database.exists():
            return None
        client = self._client()
        models = client.search_registered_models(f"name='{MODEL}'")
        if not models or alias not in models[0].aliases:
            return None
        return _version(client.get_model_version_by_alias(MODEL, alias))

    def champion(self) -> Version | None:
        """Return the version in use, without importing MLflow when the database has not changed since the last look."""
        if not self.database.exists():
            return None
        # A stamp taken before the look can only be too old, which costs one more look.
        stamp, path = _stamp(self.database), self.root / "champion.json"
        note = _read_note(path)
        if note is not None and note["stamp"] == stamp:
            return Version(**note["champion"]) if note["champion"] else None
        champion = self.named(CHAMPION)
        write_json(path, {"stamp": stamp, "champion": asdict(champion) if champion else None})
        return champion

    def register(
        self, bundle: Path, bundle_sha256: str, tags: Mapping[str, str], metrics: Mapping[str, float]
    ) -> Version:
        """Store a bundle as a version, challenger unless it is champion; the same bundle again changes nothing."""
        with self._alone():
            version = self.find(bundle_sha256) or self._create(bundle, bundle_sha256, tags, metrics)
            if version.number not in (self._number(CHAMPION), self._number(CHALLENGER)):
                self._client().set_registered_model_alias(MODEL, CHALLENGER, str(version.number))
            return version

    def promote(self, number: int) -> Version:
        """Put a version in use; it remembers which one it replaced.

        Raises:
            RegistryError: there is no such version.
        """
        with self._alone():
            version, client, champion = self.version(number), self._client(), self._number(CHAMPION)
            if champion != number:
                # Before the alias: killed in between, the next promotion writes the same tag again.
                client.set_model_version_tag(MODEL, str(number), _REPLACED, str(champion or ""))
                client.set_model_version_tag(MODEL, str(number), _ROLLED_BACK, "false")
                client.set_registered_model_alias(MODEL, CHAMPION, str(number))
            if self._number(CHALLENGER) == number:
                client.delete_registered_model_alias(MODEL, CHALLENGER)
        self.champion()
        return version

    def rollback(self) -> Version:
        """Put the version back that the champion replaced, and bar the old champion from automatic promotion.

        Raises:
            RegistryError: nothing is deployed, or the champion replaced nothing.
        """
        with self._alone():
            champion = self.named(CHAMPION)
            if champion is None:
                raise RegistryError("nothing is deployed, so nothing can be rolled back; run `dvc repro`")
            if champion.replaced is None:
                number = champion.number
                raise RegistryError(f"version {number} replaced no other; choose one with `onward promote NUMBER`")
            earlier = self.version(champion.replaced)
            client = self._client()
            client.set_model_version_tag(MODEL, str(champion.number), _ROLLED_BACK, "true")
            client.set_registered_model_alias(MODEL, CHAMPION, str(earlier.number))
        self.champion()
        return earlier

    def _create(
        self, bundle: Path, bundle_sha256: str, tags: Mapping[str, str], metrics: Mapping[str, float]
    ) -> Version:
        self._make_database()
        client, facts = self._client(), {**tags, _HASH: bundle_sha256}
        # Not before the client, which silences MLflow as it is imported.
        from mlflow.exceptions import MlflowException

        experiment = client.get_experiment_by_name(MODEL)
        if experiment is None:
            place = str((self.root / "artifacts").resolve())
            experiment = client.get_experiment(client.create_experiment(MODEL, artifact_location=place))
        for left in client.search_runs([experiment.experiment_id], f"tags.{_HASH}='{bundle_sha256}'"):
            client.set_terminated(left.info.run_id, "KILLED")
        run = client.create_run(experiment.experiment_id, tags=facts, run_name=f"bundle {bundle_sha256[:12]}")
        identity = run.info.run_id
        for name, value in sorted(metrics.items()):
            client.log_metric(identity, name, value)
        client.log_artifacts(identity, str(bundle), "bundle")
        client.set_terminated(identity)
        try:
            client.create_registered_model(MODEL)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        # The version and its hash appear in one transaction: from here on a re-run finds it.
        source = f"{run.info.artifact_uri}/bundle"
        return _version(client.create_model_version(MODEL, source=source, run_id=identity, tags=facts))

    def _number(self, alias: str) -> int | None:
        version = self.named(alias)
        return None if version is None else version.number

    def _make_database(self) -> None:
        """Make MLflow's tables beside their place and move them there at once.

        A process killed in the middle of MLflow's dozens of migrations leaves a file that MLflow can neither use nor
        mend ("table _alembic_tmp_params already exists").
        """
        if self.database.exists():
            return
        # The lock is held: what lies here was left by a process that is dead.
        partial = self.root / ".mlflow.partial"
        for left in self.root.glob(f"{partial.name}*"):
            left.unlink()
        self._client(partial)
        partial.replace(self.database)

    def _client(self, database: Path | None = None) -> "MlflowClient":
        quiet = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "WARNING"}
        os.environ.update(quiet)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        with warnings.catch_warnings():
            # MLflow 3.17's own use of SQLAlchemy, at import; nothing a user of Onward can act on.
            warnings.filterwarnings("ignore", message="The ``noload`` loader strategy", category=DeprecationWarning)
            from mlflow import MlflowClient

            place = address(database or self.database)
            return MlflowClient(place, place)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # The kernel drops the lock with the process, so a killed deploy blocks nobody.
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def address(database: Path) -> str:
    """Return a database's address in MLflow's terms."""
    return f"sqlite:///{database.resolve()}"


def _version(found: object) -> Version:
    number, run, tags = (getattr(found, name) for name in ("version", "run_id", "tags"))
    return Version(int(number), tags[_HASH], run, dict(sorted(tags.items())))


def _stamp(database: Path) -> list[int]:
    """Return what every transaction changes: SQLite's file change counter (sqlite.org/fileformat.html) and the time."""
    with database.open("rb") as stream:
        header = stream.read(28)
    return [int.from_bytes(header[24:28], "big"), database.stat().st_mtime_ns]


def _read_note(path: Path) -> dict[str, Any] | None:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    return note if isinstance(note, dict) and {"stamp", "champion"} <= set(note) else None
