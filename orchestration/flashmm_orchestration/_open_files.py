"""As many open files as the connections that the settings allow may take."""

import logging
import resource
from typing import Final

from flashmm_orchestration.settings import Settings

_FILES_PER_GRPC_CONNECTION: Final = 3
"""The sender's, and both ends of the socket to grpc-core."""
_OTHERS: Final = 512
"""The ledger's, and connections that are closing."""

_log = logging.getLogger(__name__)


def files_needed(settings: Settings) -> int:
    """How many files may be open at one time."""
    receiver = settings.receiver
    grpc = _FILES_PER_GRPC_CONNECTION * receiver.grpc_connections_max
    return settings.http.connections_max + receiver.connections_max + grpc + _OTHERS


def allow_open_files(settings: Settings) -> None:
    """Raise this process's own limit to that; say so where the system's is lower."""
    needed = files_needed(settings)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < room:
        resource.setrlimit(resource.RLIMIT_NOFILE, (room, hard))
    if room < needed:
        _log.warning(
            "the system allows %d open files, so many connections as the settings allow take %d: "
            "raise the limit (ulimit -Hn), or lower http.connections_max, receiver.connections_max and "
            "receiver.grpc_connections_max",
            hard,
            needed,
        )
