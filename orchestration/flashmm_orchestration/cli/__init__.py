"""The command line, `flashmm`. Every command takes `--json`; every error says what to do."""

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line.

    gRPC reads the variable when it is imported. This process executes its children at once, so there is no fork to
    support, and without it each of them costs a line on stderr.
    """
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # strangers would fill the log; what matters is told by us
    try:
        from flashmm_orchestration.cli._main import main as run

        run()
    except KeyboardInterrupt:  # amid imports, before a command deals with it itself
        sys.exit(130)
