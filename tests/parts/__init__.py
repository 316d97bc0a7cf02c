"""The real servers that tests run against: built by `make parts`, started with the files that users deploy."""

from tests.parts._collector import SINK_TOKEN, collector_server, running_collector
from tests.parts._locate import find, require
from tests.parts._process import NotReady, Server, answers, free_ports
from tests.parts._prometheus import running_prometheus
from tests.parts._stores import (
    S3_KEY,
    S3_SECRET,
    running_alertmanager,
    running_kafka,
    running_loki,
    running_s3,
    running_tempo,
    s3_server,
)

__all__ = [
    "S3_KEY",
    "S3_SECRET",
    "SINK_TOKEN",
    "NotReady",
    "Server",
    "answers",
    "collector_server",
    "find",
    "free_ports",
    "require",
    "running_alertmanager",
    "running_collector",
    "running_kafka",
    "running_loki",
    "running_prometheus",
    "running_s3",
    "running_tempo",
    "s3_server",
]
