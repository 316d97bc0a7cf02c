"""Where grpc-core's socket is: in a folder of the product's own, so that the next start uses what a kill leaves."""

import socket
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from flashmm_receiver.errors import CannotListen

_NAME: Final = "grpc"


@contextmanager
def inner_socket(folder: Path | None, temporary: Path | None = None) -> Generator[Path]:
    """A path that takes a Unix socket, where only this user may enter.

    folder: made, if it is not there. A temporary one where it is None, where its path is longer than a socket's may
    be (107 bytes) or where its file system has none. temporary: where that one is made; None leaves it to the system.
    Raises CannotListen.
    """
    with ExitStack() as stack:
        path = folder and _within(folder)
        if path is None:
            path = _within(_temporary(stack, temporary))
        if path is None:
            raise CannotListen("grpc_bind", "a Unix socket", "the folder for temporary files takes none (TMPDIR)")
        yield path
        path.unlink(missing_ok=True)


def _temporary(stack: ExitStack, where: Path | None) -> Path:
    try:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flashmm-", dir=where)))
    except OSError as error:
        raise CannotListen("grpc_bind", "a Unix socket", f"{error} (TMPDIR)") from None


def _within(folder: Path) -> Path | None:
    """The socket's path, if there can be one."""
    path = folder / _NAME
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as probe:
            probe.bind(str(path))
        path.unlink()
    except OSError:
        return None
    return path
