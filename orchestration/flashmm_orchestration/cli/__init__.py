"""The command line, `flashmm`. Every command takes `--json`; every error says what to do."""

import os
import signal
import sys
from typing import Final

__all__ = ["main"]

_INTERRUPTED: Final = 130


def main() -> None:
    """Run the command line.

    Until a command deals with Ctrl-C itself it ends the process where it stands: an exception amid imports is not
    always let through, and then is told as something else.

    gRPC reads the variable when it is imported. This process executes its children at once, so there is no fork to
    support, and without it each of them costs a line on stderr.
    """
    signal.signal(signal.SIGINT, _end)
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # strangers would fill the log; what matters is told by us
    try:
        from flashmm_orchestration.cli._main import main as run

        run()
    except KeyboardInterrupt:  # after a command has dealt with one
        sys.exit(_INTERRUPTED)


def _end(number: int, frame: object) -> None:
    del number, frame
    os._exit(_INTERRUPTED)
