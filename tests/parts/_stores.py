"""Loki, Alertmanager and Tempo with the files under deploy/, their addresses from the environment."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.parts._catalogue import REPOSITORY
from tests.parts._locate import require
from tests.parts._process import Server, free_ports

LOKI_CONFIG = REPOSITORY / "deploy" / "loki" / "loki.yaml"
TEMPO_CONFIG = REPOSITORY / "deploy" / "tempo" / "tempo.yaml"
S3_KEY = "flashmm"
S3_SECRET = "the-secret-of-the-bucket"
ALERTMANAGER_CONFIG = REPOSITORY / "deploy" / "alertmanager" / "alertmanager.yml"


@contextmanager
def running_loki(folder: Path) -> Generator[Server]:
    """A Loki that is ready, with its data under `folder`. OTLP logs go to base_url + /otlp/v1/logs."""
    program = require("loki")
    home = folder / "loki"
    home.mkdir(exist_ok=True)
    ports = free_ports("http", "grpc")
    base_url = f"http://127.0.0.1:{ports['http']}"
    with Server(
        name="loki",
        command=[program, f"-config.file={LOKI_CONFIG}", "-config.expand-env=true"],
        base_url=base_url,
        ready_url=f"{base_url}/ready",
        log=home / "log",
        ports=ports,
        environment={
            "LOKI_DATA": str(home / "data"),
            "LOKI_PORT": str(ports["http"]),
            "LOKI_GRPC_PORT": str(ports["grpc"]),
        },
    ) as server:
        yield server


@contextmanager
def running_tempo(folder: Path) -> Generator[Server]:
    """A Tempo that is ready, with its data under `folder`. OTLP over gRPC goes to the port `otlp`."""
    program = require("tempo")
    home = folder / "tempo"
    home.mkdir(exist_ok=True)
    ports = free_ports("http", "grpc", "otlp")
    base_url = f"http://127.0.0.1:{ports['http']}"
    with Server(
        name="tempo",
        command=[program, "-target=all", f"-config.file={TEMPO_CONFIG}", "-config.expand-env=true"],
        base_url=base_url,
        ready_url=f"{base_url}/ready",
        log=home / "log",
        ports=ports,
        environment={
            "TEMPO_DATA": str(home / "data"),
            "TEMPO_PORT": str(ports["http"]),
            "TEMPO_GRPC_PORT": str(ports["grpc"]),
            "TEMPO_OTLP_GRPC": f"127.0.0.1:{ports['otlp']}",
        },
    ) as server:
        yield server


@contextmanager
def running_kafka(folder: Path, *topics: str, partitions: int = 4) -> Generator[Server]:
    """A small Kafka broker that has these topics and keeps them. Its host:port is base_url without the scheme."""
    program = require("kafka")
    home = folder / "kafka"
    home.mkdir(exist_ok=True)
    ports = free_ports("kafka", "health")
    options = [
        f"-port={ports['kafka']}",
        f"-health={ports['health']}",
        f"-partitions={partitions}",
        f"-data={home / 'data'}",
    ]
    with Server(
        name="kafka",
        command=[program, *options, *topics],
        base_url=f"kafka://127.0.0.1:{ports['kafka']}",
        ready_url=f"http://127.0.0.1:{ports['health']}/",
        log=home / "log",
        ports=ports,
    ) as server:
        yield server


@contextmanager
def running_alertmanager(folder: Path) -> Generator[Server]:
    """An Alertmanager that is ready, with the deployed file. Alerts go to base_url + /api/v2/alerts."""
    program = require("alertmanager")
    home = folder / "alertmanager"
    home.mkdir(exist_ok=True)
    ports = free_ports("http")
    base_url = f"http://127.0.0.1:{ports['http']}"
    with Server(
        name="alertmanager",
        command=[
            program,
            f"--config.file={ALERTMANAGER_CONFIG}",
            f"--storage.path={home / 'data'}",
            f"--web.listen-address=127.0.0.1:{ports['http']}",
            "--cluster.listen-address=",
        ],
        base_url=base_url,
        ready_url=f"{base_url}/-/ready",
        log=home / "log",
        ports=ports,
    ) as server:
        yield server


@contextmanager
def running_s3(folder: Path, *buckets: str) -> Generator[Server]:
    """S3-compatible storage over `folder`/s3, with these buckets. Keys: S3_KEY and S3_SECRET."""
    with s3_server(folder, *buckets) as server:
        yield server


def s3_server(folder: Path, *buckets: str) -> Server:
    """The same, not started."""
    program = require("versitygw")
    home = folder / "s3"
    for each in ("sidecar", *(f"objects/{bucket}" for bucket in buckets)):
        (home / each).mkdir(parents=True, exist_ok=True)
    ports = free_ports("http")
    base_url = f"http://127.0.0.1:{ports['http']}"
    options = [f"--port=127.0.0.1:{ports['http']}", "--health=/health", "--quiet"]
    return Server(
        name="versitygw",
        command=[program, *options, "posix", f"--sidecar={home / 'sidecar'}", home / "objects"],
        base_url=base_url,
        ready_url=f"{base_url}/health",
        log=home / "log",
        ports=ports,
        environment={"ROOT_ACCESS_KEY": S3_KEY, "ROOT_SECRET_KEY": S3_SECRET},
    )
