"""The bucket: whole objects in and out, and failures that name the setting to change. Blocking; any thread.

Errors::

    ArchiveFault        the storage cannot be used now; says why, and what to change
    └── ObjectMissing   it can, but has no such object
"""

import os
import shutil
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from flashmm_backends.ledger._archive_settings import ArchiveSettings
from flashmm_backends.ledger._journal import sync_folder
from flashmm_backends.ports import BackendError

_PIECE_BYTES: Final = 4 * 2**20
_CONNECT_S: Final = 3.0
_ATTEMPTS: Final = 2

_FIXES: Final = (
    ("NO_SUCH_BUCKET", "there is no bucket {bucket!r}: make it, or change archive.bucket"),
    ("SIGNATURE_DOES_NOT_MATCH", "the secret is wrong: change archive.secret_key"),
    ("INVALID_ACCESS_KEY", "the access key is unknown: change archive.access_key"),
    ("UserNotFound", "the access key is unknown: change archive.access_key"),
    ("InvalidAccessKeyId", "the access key is unknown: change archive.access_key"),
    ("ACCESS_DENIED", "access is denied: check archive.access_key, archive.secret_key, their rights in {bucket!r}"),
    ("NETWORK_CONNECTION", "cannot connect to {endpoint}: change archive.endpoint, or start what answers there"),
    ("PermanentRedirect", "the bucket is elsewhere: change archive.region"),
    ("AuthorizationHeaderMalformed", "the region is wrong: change archive.region"),
)


@dataclass
class ArchiveFault(BackendError):
    """The storage refused or could not be reached. why: with the setting to change; detail: its own words."""

    why: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.why} ({self.detail})" if self.detail else self.why


class ObjectMissing(ArchiveFault):
    """There is no such object."""


class Bucket:
    """One folder of a bucket. Connects when it is first used; a fault makes it connect anew."""

    def __init__(self, settings: ArchiveSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._connected: Any = None

    def put(self, source: Path, name: str) -> None:
        """Upload a file; return once the storage tells its size."""
        with self._used() as storage, source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            with storage.open_output_stream(self._key(name)) as target:
                shutil.copyfileobj(file, target, _PIECE_BYTES)
            told = storage.get_file_info(self._key(name)).size
        _expect(name, told, size)

    def get(self, name: str, target: Path, size: int) -> None:
        """Download an object of so many bytes; the file is whole or not there."""
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(target.name + ".fetched")
        try:
            self._copy(name, aside)
            _expect(name, aside.stat().st_size, size)
            aside.rename(target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)

    def _copy(self, name: str, aside: Path) -> None:
        with self._used() as storage, storage.open_input_stream(self._key(name)) as source, aside.open("wb") as file:
            shutil.copyfileobj(source, file, _PIECE_BYTES)
            file.flush()
            os.fsync(file.fileno())

    def remove(self, name: str) -> None:
        """Delete an object, or find that it is gone."""
        try:
            with self._used() as storage:
                storage.delete_file(self._key(name))
        except ObjectMissing:
            return

    def claim(self, name: str, owner: str) -> str:
        """Write an owner's name where none is written yet; returns whose it is."""
        with self._used() as storage:
            if storage.get_file_info(self._key(name)).size is None:
                with storage.open_output_stream(self._key(name)) as target:
                    target.write(owner.encode())
            with storage.open_input_stream(self._key(name)) as source:
                return bytes(source.read()).decode(errors="replace")

    def _key(self, name: str) -> str:
        return "/".join(part for part in (self._settings.bucket, self._settings.prefix.strip("/"), name) if part)

    @contextmanager
    def _used(self) -> Generator[Any]:
        try:
            yield self._storage()
        except FileNotFoundError as error:
            raise ObjectMissing("the archive lacks an object", str(error)) from error
        except (OSError, ValueError) as error:  # pyarrow's errors are these
            self._connected = None
            raise self._fault(error) from error

    def _storage(self) -> Any:  # noqa: ANN401 - pyarrow ships no types
        with self._lock:
            if self._connected is None:
                self._connected = _connect(self._settings)
            return self._connected

    def _fault(self, error: OSError | ValueError) -> ArchiveFault:
        text = str(error)
        names = {"bucket": self._settings.bucket, "endpoint": self._settings.endpoint or "AWS"}
        why = next((fix.format(**names) for sign, fix in _FIXES if sign in text), "the storage failed")
        return ArchiveFault(why, text)


def _expect(name: str, found: int | None, size: int) -> None:
    if found != size:
        raise ArchiveFault(f"{name} has {found} bytes in the archive instead of {size}")


def _connect(settings: ArchiveSettings) -> Any:  # noqa: ANN401 - pyarrow ships no types
    # pyarrow takes 25 MB, so it is imported by those who have an archive.
    fs = import_module("pyarrow.fs")
    scheme, separator, address = settings.endpoint.rpartition("://")
    keys = {"access_key": settings.access_key, "secret_key": settings.secret_key} if settings.access_key else {}
    return fs.S3FileSystem(
        **keys,
        region=settings.region,
        scheme=scheme if separator else "https",
        endpoint_override=address.rstrip("/") or None,
        tls_ca_file_path=settings.ca_file or None,
        connect_timeout=_CONNECT_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )
