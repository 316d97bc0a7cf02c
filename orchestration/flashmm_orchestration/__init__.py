"""RUN: the composition root. Everything is built, started, watched and closed here, and nowhere else."""

import os

__all__: list[str] = []

# gRPC reads it when it is imported. Our children are executed at once, so there is no fork to support, and without
# this each of them costs a line on stderr.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
