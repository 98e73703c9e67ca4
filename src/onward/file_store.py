"""Files by name in a place that machines share: a folder, or a bucket that speaks S3's protocol.

A file is written whole or not at all: in a bucket by one call that puts an object, in a folder by a rename. What a
killed process leaves of it, nobody lists.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from onward.artifacts import PARTIAL, replacing
from onward.errors import ServiceError

if TYPE_CHECKING:
    from botocore.client import BaseClient

# A store that says nothing for so long is asked again, twice.
_SILENT_S = 30.0


class FileStore(Protocol):
    """What a folder and a bucket have in common."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        ...

    def listed(self, below: str = "") -> dict[str, str]:
        """Return the files whose names begin so, each with a mark that another content does not have."""
        ...

    def fetch(self, name: str, path: Path) -> None:
        """Write a file's content to a path of this machine, whole or not at all."""
        ...

    def put(self, name: str, path: Path) -> str:
        """Take a file's content from a path of this machine, and return its mark."""
        ...


@dataclass(frozen=True)
class FolderStore:
    """A folder; it need not be there to be listed."""

    folder: Path

    @property
    def place(self) -> str:
        """Where it is."""
        return str(self.folder)

    def listed(self, below: str = "") -> dict[str, str]:
        """Return the files by name, but for what is being written."""
        found = (path for path in sorted(self.folder.rglob("*")) if path.is_file() and not is_partial(path))
        names = {path.relative_to(self.folder).as_posix(): path for path in found}
        return {name: _mark(path) for name, path in names.items() if name.startswith(below)}

    def fetch(self, name: str, path: Path) -> None:
        """Copy a file out of the folder."""
        with replacing(path) as partial:
            _copy(self.folder / name, partial)

    def put(self, name: str, path: Path) -> str:
        """Copy a file into the folder."""
        with replacing(self.folder / name) as partial:
            _copy(path, partial)
        return _mark(self.folder / name)


@dataclass(frozen=True)
class BucketStore:
    """A prefix of a bucket.

    Attributes:
        place: `s3://bucket/prefix`.
        endpoint: address of its service; None for the one that AWS_ENDPOINT_URL names, else Amazon's.
    """

    place: str
    endpoint: str | None = None
    _clients: list[Any] = field(default_factory=list, repr=False, compare=False)

    def listed(self, below: str = "") -> dict[str, str]:
        """Return the objects by name below the prefix."""
        start = self._key("")
        with self._answering():
            pages = self._client().get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._key(below)
            )  # fmt: skip
            return {
                entry["Key"].removeprefix(start): entry["ETag"] for page in pages for entry in page.get("Contents", ())
            }

    def fetch(self, name: str, path: Path) -> None:
        """Download an object."""
        with replacing(path) as partial, self._answering():
            self._client().download_file(self._bucket, self._key(name), str(partial))

    def put(self, name: str, path: Path) -> str:
        """Upload a file as one object."""
        with self._answering():
            # In parts from a size on, which become one object at once.
            self._client().upload_file(str(path), self._bucket, self._key(name))
            return str(self._client().head_object(Bucket=self._bucket, Key=self._key(name))["ETag"])

    @property
    def _bucket(self) -> str:
        return self.place.removeprefix("s3://").partition("/")[0]

    def _key(self, name: str) -> str:
        prefix = self.place.removeprefix("s3://").partition("/")[2].strip("/")
        return f"{prefix}/{name}" if prefix else name

    def _client(self) -> "BaseClient":
        if not self._clients:
            try:
                import boto3
                from botocore.config import Config
            except ModuleNotFoundError:
                raise ServiceError(
                    f"{self.place}: object stores need further packages; pip install -c constraints.txt -e '.[cluster]'"
                ) from None
            patient = Config(connect_timeout=10, read_timeout=_SILENT_S, retries={"max_attempts": 2})
            self._clients.append(boto3.client("s3", endpoint_url=self.endpoint, config=patient))
        return self._clients[0]

    @contextmanager
    def _answering(self) -> Iterator[None]:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (Boto3Error, BotoCoreError, ClientError) as error:
            told = " ".join(str(error).split())
            raise ServiceError(f"{self.place}: {told}; is the store up, and are its keys set?") from error


def store_at(place: str, endpoint: str | None = None) -> FileStore:
    """Return the store at a folder or `s3://bucket/prefix`.

    Raises:
        ServiceError: it is another kind of place.
    """
    if place.startswith("s3://"):
        return BucketStore(place.rstrip("/"), endpoint)
    if "://" in place:
        raise ServiceError(f"{place}: no store of this kind is known; name a folder or s3://bucket/prefix")
    return FolderStore(Path(place))


def is_partial(path: Path) -> bool:
    """Whether a path is, or lies in, what somebody is still writing."""
    return any(part.endswith(PARTIAL) for part in path.parts)


def sha256_of(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _mark(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def _copy(source: Path, target: Path) -> None:
    try:
        with source.open("rb") as read, target.open("wb") as written:
            while block := read.read(1 << 20):
                written.write(block)
    except FileNotFoundError:
        raise ServiceError(f"{source}: it went away while it was copied; run the command again") from None
