"""One process owns a ledger's directory."""

import errno
import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flashmm_backends.ports import BackendError


@dataclass
class DirectoryInUse(BackendError):
    """Another process owns the directory. pid: 0 where it could not be read."""

    directory: Path
    pid: int

    def __str__(self) -> str:
        return (
            f"the ledger in {self.directory} is open in process {self.pid or '(unknown)'}: "
            "stop that process, or read over its HTTP API, or choose another directory"
        )


@contextmanager
def directory_lock(directory: Path) -> Generator[None]:
    """Own the directory while the context lasts. Raises DirectoryInUse. The kernel frees it when we die."""
    fd = os.open(directory / "ledger.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _lock(fd, directory)
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(fd)


def _lock(fd: int, directory: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno != errno.EWOULDBLOCK:
            raise
        text = os.pread(fd, 32, 0)
        raise DirectoryInUse(directory, int(text) if text.isdigit() else 0) from None
