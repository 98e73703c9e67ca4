"""What is deployed: an MLflow registry, on this machine or shared by many; only deployment/ imports MLflow.

Every deployed bundle is one version of the model "onward". The alias `champion` names the version in use and
`challenger` the one that was registered last and is not in use. A version is known by the hash of its bundle, so the
same bundle is registered once however often a stage runs, and a process killed at any moment leaves at most a run
without a version, which nothing reads.
"""

import hashlib
import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from onward.deployment.bundle_store import BundleStore
from onward.deployment.champion_note import ChampionNote
from onward.deployment.change_request import Change, ChangeRequest
from onward.deployment.reasons import PROMOTED, ROLLED_BACK, Reason, tag_for
from onward.deployment.registry_lock import advisory_lock, connection, file_lock
from onward.deployment.registry_settings import DATABASE, RegistrySettings, sqlite_address
from onward.errors import ChangeError, RegistryError
from onward.settings import ProjectSettings

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL = "onward"
CHAMPION = "champion"
CHALLENGER = "challenger"
_HASH = "bundle_sha256"
_REPLACED = "replaced"
_ROLLED_BACK = "rolled_back"
_log = logging.getLogger(__name__)


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
    def page(self) -> str:
        """Path of its page in MLflow's UI, whose start page is about something else."""
        return f"/#/models/{MODEL}/versions/{self.number}"

    @property
    def rolled_back(self) -> bool:
        """Whether a person took this version out of use; only a person may put it back."""
        return self.tags.get(_ROLLED_BACK) == "true"


@dataclass(frozen=True)
class Registry:
    """A registry; nothing is created before the first registration.

    Attributes:
        root: folder of this machine: the SQLite file, its lock and its note.
        settings: where it is, if not all of it lies in `root`.
    """

    root: Path
    settings: RegistrySettings | None = None

    @classmethod
    def of(cls, settings: ProjectSettings) -> "Registry":
        """The registry that a machine's settings name, else the project's own.

        Raises:
            RegistryError: the settings name something that cannot be a registry.
        """
        places = RegistrySettings.of(settings)
        return cls(places.root, places)

    @property
    def database(self) -> Path:
        """MLflow's SQLite file, for a registry that is one."""
        return self.root / DATABASE

    @property
    def address(self) -> str:
        """The database in MLflow's terms. With PostgreSQL it may hold a password: never print it."""
        return self._places.database_address

    @property
    def exists(self) -> bool:
        """Whether MLflow's tables are there."""
        if not self._shared:
            return self.database.exists()
        from sqlalchemy import inspect, text

        with connection(self.address) as session:
            # Alembic writes the row in the transaction that makes the tables.
            made = inspect(session).has_table("alembic_version")
            return made and session.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() > 0

    def folder(self, version: Version) -> Path:
        """Where a version's bundle lies on this machine.

        Raises:
            RegistryError: it is gone, or it is not what was registered.
        """
        self._quieten()
        folder = self._bundles.folder(version.run, version.bundle_sha256)
        if folder is None:
            place = self._bundles.files_of(version.run)
            raise RegistryError(f"{place}: version {version.number} lost its bundle; run `dvc repro --force deploy`")
        return folder

    def find(self, bundle_sha256: str) -> Version | None:
        """Return the version that holds a bundle, or None."""
        if not self.exists:
            return None
        entries = self._client().search_model_versions(f"name='{MODEL}' and tags.{_HASH}='{bundle_sha256}'")
        return min(_own(entries), key=lambda version: version.number, default=None)

    def versions(self) -> tuple[Version, ...]:
        """Return every version, the first registered first."""
        entries = self._client().search_model_versions(f"name='{MODEL}'") if self.exists else []
        return tuple(sorted(_own(entries), key=lambda version: version.number))

    def version(self, number: int) -> Version:
        """Return a version by number.

        Raises:
            ChangeError: there is none.
        """
        by_number = {version.number: version for version in self.versions()}
        if number not in by_number:
            numbers = ", ".join(map(str, by_number)) or "none"
            raise ChangeError(f"version {number} is not registered (registered: {numbers}); see `onward status`")
        return by_number[number]

    def figures(self, version: Version) -> dict[str, float]:
        """Return the figures that the gate judged a version by, by name."""
        return dict(sorted(self._client().get_run(version.run).data.metrics.items()))

    def named(self, alias: str) -> Version | None:
        """Return the version an alias points at, or None."""
        if not self.exists:
            return None
        client = self._client()
        models = client.search_registered_models(f"name='{MODEL}'")
        if not models or alias not in models[0].aliases:
            return None
        return next(_own([client.get_model_version_by_alias(MODEL, alias)]), None)

    def champion(self) -> Version | None:
        """Return the version in use; of a SQLite registry without importing MLflow unless the file has changed."""
        if self._shared:
            return self.named(CHAMPION)
        if not self.database.exists():
            return None
        note = ChampionNote(self.database)
        noted = note.read()
        stamp = note.stamp()
        if noted is not None:
            return Version(**noted["champion"]) if noted["champion"] else None
        champion = self.named(CHAMPION)
        note.write(stamp, asdict(champion) if champion else None)
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

    def promote(
        self,
        number: int,
        reason: Reason | None = None,
        *,
        expected: int | None = None,
        asked_at: datetime | None = None,
    ) -> Change:
        """Put a version in use; it remembers which one it replaced, and why. Too late or done before: nothing changes.

        Args:
            number: the version.
            reason: see `ChangeRequest`, as the two others.
            expected: see there.
            asked_at: see there.

        Raises:
            ChangeError: there is no such version.
        """
        request = ChangeRequest(reason, expected, asked_at)
        with self._alone():
            version = self.version(number)
            champion = self.named(CHAMPION)
            refused = request.too_late_to_promote(version, champion)
            if refused is None or (champion and champion.number == number):
                self._put_in_use(version, champion, request)
        self.champion()
        return Change(version if refused is None else champion, refused)

    def take_over(self, version: Version, judged_against: Version | None, reason: Reason) -> bool:
        """Put a version in use if the one that it was judged against still is; else change nothing.

        Returns:
            Whether the version is in use. False: another process has changed the champion since the judgement.
        """
        with self._alone():
            champion = self.named(CHAMPION)
            expected = (version.number, judged_against and judged_against.number)
            if (champion and champion.number) not in expected:
                return False
            self._put_in_use(version, champion, ChangeRequest(reason))
        self.champion()
        return True

    def rollback(
        self, reason: Reason | None = None, *, expected: int | None = None, asked_at: datetime | None = None
    ) -> Change:
        """Put the version back that the champion replaced, and bar the old champion from automatic promotion.

        Too late or done before, nothing changes.

        Args:
            reason: see `ChangeRequest`, as the two others.
            expected: the version to take out of use; None for whichever is in use, which must not be asked twice.
            asked_at: see there.

        Raises:
            ChangeError: nothing is deployed, the champion replaced nothing, or there is no such version.
        """
        request = ChangeRequest(reason, expected, asked_at)
        with self._alone():
            champion = self.named(CHAMPION)
            if champion is None:
                raise ChangeError("nothing is deployed, so nothing can be rolled back; run `dvc repro`")
            refused = request.too_late_to_roll_back(champion, self.version(expected or champion.number))
            if refused is not None:
                return Change(champion, refused)
            if champion.replaced is None:
                number = champion.number
                raise ChangeError(
                    f"version {number} replaced no other; choose one with `onward promote NUMBER --reason=…`"
                )
            earlier = self.version(champion.replaced)
            client = self._client()
            self._tell(champion, ROLLED_BACK, request)
            client.set_model_version_tag(MODEL, str(champion.number), _ROLLED_BACK, "true")
            client.set_registered_model_alias(MODEL, CHAMPION, str(earlier.number))
        self.champion()
        return Change(earlier)

    def registered_at(self) -> dict[int, datetime]:
        """When each version was registered, in UTC."""
        entries = self._client().search_model_versions(f"name='{MODEL}'") if self.exists else []
        return {
            int(entry.version): datetime.fromtimestamp(entry.creation_timestamp / 1000, tz=UTC) for entry in entries
        }

    def forget(self, version: Version) -> None:
        """Delete a version with its run, its bundle and its pages, for good.

        Raises:
            RegistryError: it is in use, was in use before what is, or challenges it.
        """
        with self._alone():
            champion = self.named(CHAMPION)
            needed = {champion.number, champion.replaced} if champion else set()
            if version.number in needed | {self._number(CHALLENGER)}:
                raise RegistryError(f"version {version.number} is in use, or one could return to it; it stays")
            client = self._client()
            client.delete_model_version(MODEL, str(version.number))
            self._bundles.discard(version.run)
            client.delete_run(version.run)
            # MLflow keeps a deleted run until `mlflow gc`, which does this.
            client._tracking_client.store._hard_delete_run(version.run)  # noqa: SLF001

    @property
    def fetched(self) -> Path:
        """Folder of this machine for bundles fetched out of a bucket."""
        return self._places.fetched

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Set tags of a version; a tag of the same name is replaced."""
        client = self._client()
        for name, value in sorted(tags.items()):
            client.set_model_version_tag(MODEL, str(version.number), name, value)

    def attach(self, version: Version, files: Iterable[Path], folder: str) -> None:
        """Put files, reports for one, beside a version's bundle, where MLflow's pages show them below `folder`."""
        self._quieten()
        self._bundles.attach(version.run, files, folder)

    def attached(self, version: Version) -> list[str]:
        """Return the places of the files that were attached to a version."""
        self._quieten()
        return self._bundles.attached(version.run)

    def _put_in_use(self, version: Version, champion: Version | None, request: ChangeRequest) -> None:
        client = self._client()
        number = version.number
        if champion is None or champion.number != number:
            # Before the alias: killed in between, the next promotion writes the same tags again.
            self._tell(version, PROMOTED, request)
            client.set_model_version_tag(MODEL, str(number), _REPLACED, str(champion.number if champion else ""))
            client.set_model_version_tag(MODEL, str(number), _ROLLED_BACK, "false")
            client.set_registered_model_alias(MODEL, CHAMPION, str(number))
        if self._number(CHALLENGER) == number:
            client.delete_registered_model_alias(MODEL, CHALLENGER)

    def _tell(self, version: Version, what: str, request: ChangeRequest) -> None:
        if request.reason is not None and not request.told(version, what):
            self._client().set_model_version_tag(MODEL, str(version.number), *tag_for(what, request.reason))

    def _create(
        self, bundle: Path, bundle_sha256: str, tags: Mapping[str, str], metrics: Mapping[str, float]
    ) -> Version:
        self._make_database()
        client = self._client()
        facts = {**tags, _HASH: bundle_sha256}
        # Not before the client, which silences MLflow as it is imported.
        from mlflow.exceptions import MlflowException

        from onward.deployment.mlflow_model import scores_pairs, write_model_files

        experiment = self._experiment(client)
        for left in client.search_runs([experiment], f"tags.{_HASH}='{bundle_sha256}'"):
            client.set_terminated(left.info.run_id, "KILLED")
        run = client.create_run(experiment, tags=facts, run_name=f"bundle {bundle_sha256[:12]}")
        identity = run.info.run_id
        for name, value in sorted(metrics.items()):
            client.log_metric(identity, name, value)
        self._bundles.answered(lambda: client.log_artifacts(identity, str(bundle), "bundle"))
        # What scores pairs is one of MLflow's models too; of a graph there are lists, which score nothing.
        is_model = scores_pairs(bundle)
        if is_model:
            with TemporaryDirectory() as folder:
                write_model_files(Path(folder), "bundle")
                self._bundles.answered(lambda: client.log_artifacts(identity, folder))
        client.set_terminated(identity)
        try:
            client.create_registered_model(MODEL)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        # The version and its hash appear in one transaction: from here on a re-run finds it.
        source = run.info.artifact_uri if is_model else f"{run.info.artifact_uri}/bundle"
        return _version(client.create_model_version(MODEL, source=source, run_id=identity, tags=facts))

    def _experiment(self, client: "MlflowClient") -> str:
        """The experiment whose files go where this registry's settings say: a moved project needs another one."""
        place = self._bundles.place
        name = MODEL
        first = client.get_experiment_by_name(name)
        if first is not None and first.artifact_location != place:
            name = f"{MODEL} {hashlib.sha256(place.encode()).hexdigest()[:8]}"
        experiment = client.get_experiment_by_name(name)
        return str(experiment.experiment_id if experiment else client.create_experiment(name, artifact_location=place))

    def _number(self, alias: str) -> int | None:
        version = self.named(alias)
        return None if version is None else version.number

    def _make_database(self) -> None:
        """Make MLflow's tables; those of SQLite beside their place, and move them there at once.

        A process killed in the middle of MLflow's dozens of migrations leaves a file that MLflow can neither use nor
        mend ("table _alembic_tmp_params already exists"). In PostgreSQL they are one transaction.
        """
        if self.exists:
            return
        if self._shared:
            self._client()
            return
        # The lock is held: what lies here was left by a process that is dead.
        partial = self.root / ".mlflow.partial"
        for left in self.root.glob(f"{partial.name}*"):
            left.unlink()
        self._client(partial)
        partial.replace(self.database)

    def _client(self, database: Path | None = None) -> "MlflowClient":
        self._quieten()
        with warnings.catch_warnings():
            # MLflow 3.17's own use of SQLAlchemy, at import; nothing a user of Onward can act on.
            warnings.filterwarnings("ignore", message="The ``noload`` loader strategy", category=DeprecationWarning)
            from mlflow import MlflowClient

            place = sqlite_address(database) if database else self.address
            return MlflowClient(place, place)

    def _quieten(self) -> None:
        quiet = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "WARNING"}
        os.environ.update(quiet)
        logging.getLogger("alembic").setLevel(logging.WARNING)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with advisory_lock(self.address) if self._shared else file_lock(self.root / ".lock"):
            yield

    @property
    def _places(self) -> RegistrySettings:
        return self.settings or RegistrySettings.in_folder(self.root)

    @property
    def _shared(self) -> bool:
        return bool(self._places.address)

    @property
    def _bundles(self) -> BundleStore:
        return BundleStore(self._places.artifacts, self._places.fetched, self._places.patience_s)


def _own(entries: Iterable[object]) -> Iterator[Version]:
    """The versions that Onward registered; others may stand under the same name, and are left alone."""
    for entry in entries:
        tags, number = (getattr(entry, name) for name in ("tags", "version"))
        if _HASH in tags:
            yield _version(entry)
        else:
            _log.warning("registry: version %s: skipped, it has no tag %s: it is not Onward's", number, _HASH)


def _version(entry: object) -> Version:
    number, run, tags = (getattr(entry, name) for name in ("version", "run_id", "tags"))
    return Version(int(number), tags[_HASH], run, dict(sorted(tags.items())))
