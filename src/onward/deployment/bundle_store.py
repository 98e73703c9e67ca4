"""Where the registry's bundles lie: a folder of this machine or of a network, or an S3 bucket.

A bundle in a folder is read where it lies. One in a bucket is fetched once into a folder of this machine, checked
against its hash and moved into place at once, so that a killed fetch leaves nothing that looks like a bundle.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from onward.artifacts import replacing_directory
from onward.errors import RegistryError
from onward.settings import REMOTE_SECONDS

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

CODE = "code"
_OF_THE_MODEL = ("bundle", CODE)


Result = TypeVar("Result")


@dataclass(frozen=True)
class BundleStore:
    """All bundles of one registry.

    Attributes:
        place: an absolute folder, or `s3://bucket/prefix`.
        fetched: folder of this machine for bundles out of a bucket.
        patience_s: seconds that one call to a bucket may take.
    """

    place: str
    fetched: Path
    patience_s: float = REMOTE_SECONDS

    @property
    def remote(self) -> bool:
        """Whether bundles have to be fetched."""
        return "://" in self.place

    def files_of(self, run: str) -> str:
        """Where the files of a run lie. MLflow keeps an absolute place; this one follows a project that was moved."""
        return f"{self.place}/{run}/artifacts"

    def folder(self, run: str, bundle_sha256: str) -> Path | None:
        """The folder of a run's bundle, fetched if need be; None if the store does not hold it.

        Raises:
            RegistryError: what was fetched is not the bundle that was registered.
        """
        if not self.remote:
            folder = Path(self.files_of(run)) / "bundle"
            return folder if folder.is_dir() else None
        folder = self.fetched / bundle_sha256
        if not folder.is_dir():
            self._fetch(run, bundle_sha256, folder)
        return folder if folder.is_dir() else None

    def attach(self, run: str, files: Iterable[Path], folder: str) -> None:
        """Put files beside a run's bundle, in a folder of that name; a file of the same name is replaced."""
        repository = self._repository(run)
        for path in files:
            self.answered(partial(repository.log_artifact, str(path), folder))

    def attached(self, run: str) -> list[str]:
        """Places of a run's attached files: all of its folders' but the bundle's and the code's."""
        folders = [entry.path for entry in self.answered(self._repository(run).list_artifacts) if entry.is_dir]
        return [file for folder in folders if folder not in _OF_THE_MODEL for file in self._files(run, folder)]

    def discard(self, run: str) -> None:
        """Delete all files of a run."""
        if self.remote:
            self.answered(self._repository(run).delete_artifacts)
        else:
            shutil.rmtree(Path(self.place) / run, ignore_errors=True)

    def answered(self, call: Callable[[], Result]) -> Result:
        """Return what a call to the store returns.

        Raises:
            RegistryError: a bucket did not answer in time, or refused.
        """
        if not self.remote:
            return call()
        came: Queue[Result | Exception] = Queue()
        # The clients of object stores cannot be interrupted: a thread that still waits ends with the process.
        Thread(target=_deliver, args=(call, came), daemon=True).start()
        try:
            result = came.get(timeout=self.patience_s)
        except Empty:
            raise RegistryError(
                f"{self.place}: no answer in {self.patience_s:g} s; is the store up? ONWARD_REMOTE_SECONDS gives it "
                "longer"
            ) from None
        if isinstance(result, Exception):
            told = " ".join(str(result).split())
            raise RegistryError(f"{self.place}: {told}; is the store up, and are its keys set?") from result
        return result

    def _files(self, run: str, below: str) -> Iterator[str]:
        for entry in self.answered(partial(self._repository(run).list_artifacts, below)):
            if entry.is_dir:
                yield from self._files(run, entry.path)
            else:
                yield f"{self.files_of(run)}/{entry.path}"

    def _fetch(self, run: str, bundle_sha256: str, folder: Path) -> None:
        from onward.deployment.bundle_files import bundle_hash

        repository = self._repository(run)
        if not self.answered(partial(repository.list_artifacts, "bundle")):
            return
        with replacing_directory(folder) as new:
            self.answered(partial(repository.download_artifacts, "bundle", str(new)))
            # MLflow makes the folder "bundle" inside the one it is given.
            for path in (new / "bundle").iterdir():
                path.rename(new / path.name)
            (new / "bundle").rmdir()
            fetched_sha256 = bundle_hash(new)
            if fetched_sha256 != bundle_sha256:
                raise RegistryError(
                    f"{self.files_of(run)}/bundle: hash {fetched_sha256[:12]}, registered as {bundle_sha256[:12]}; "
                    "the store was changed by hand, run `dvc repro --force deploy`"
                )

    def _repository(self, run: str) -> "ArtifactRepository":
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return get_artifact_repository(self.files_of(run))


def _deliver(call: Callable[[], Result], came: "Queue[Result | Exception]") -> None:
    try:
        came.put(call())
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller's thread raises it
        came.put(error)
