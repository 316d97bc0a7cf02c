"""The real servers that tests run against: built by `make parts`, started with the files that users deploy."""

from tests.parts._locate import find, require
from tests.parts._process import NotReady, Server, answers, free_ports
from tests.parts._prometheus import running_prometheus

__all__ = [
    "NotReady",
    "Server",
    "answers",
    "find",
    "free_ports",
    "require",
    "running_prometheus",
]
