"""The Collector with otel-collector.yaml and any overlays, every address from the environment."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.parts._catalogue import REPOSITORY
from tests.parts._locate import require
from tests.parts._process import Server, free_ports

COLLECTOR_CONFIG = REPOSITORY / "otel-collector.yaml"
OVERLAYS = REPOSITORY / "collector-config"
SINK_TOKEN = "the-token-that-only-the-collector-knows"


@contextmanager
def running_collector(
    folder: Path, *overlays: Path | str, environment: Mapping[str, str] | None = None
) -> Generator[Server]:
    """A Collector that is ready, with its queues under `folder` (a test's tmp_path).

    overlays: files, or names in collector-config/ without `.yaml`, merged over the base in this order.
    environment: what the configuration reads (PROMETHEUS_URL, LOKI_URL, TEMPO_OTLP_ENDPOINT,
    FLASHMM_OTLP_URL …); a store that isn't named is unreachable, which fills its queue and hurts nothing.
    ports: `grpc` and `http` for OTLP, `health`, `metrics`. base_url is OTLP over HTTP.
    """
    server = collector_server(folder, *overlays, environment=environment)
    with server:
        yield server


def collector_server(folder: Path, *overlays: Path | str, environment: Mapping[str, str] | None = None) -> Server:
    """The same, not started."""
    program = require("otelcol")
    home = folder / "collector"
    (home / "queues" / "compaction").mkdir(parents=True, exist_ok=True)
    ports = free_ports("grpc", "http", "health", "metrics")
    return Server(
        name="otelcol",
        command=[program, *config_flags(*overlays)],
        base_url=f"http://127.0.0.1:{ports['http']}",
        ready_url=f"http://127.0.0.1:{ports['health']}/",
        log=home / "log",
        ports=ports,
        environment={**collector_environment(home, ports), **(environment or {})},
        restarts=3,  # a bot's request that comes while it starts can end it: docs/internals/collector.md
    )


def config_flags(*overlays: Path | str) -> list[str]:
    """The base file and the overlays as the Collector's arguments."""
    paths = [COLLECTOR_CONFIG, *(each if isinstance(each, Path) else OVERLAYS / f"{each}.yaml" for each in overlays)]
    return [f"--config={path}" for path in paths]


def collector_environment(home: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """Loopback addresses at these ports for what it listens on, and nobody behind any store's address."""
    token = home / "token"
    token.write_text(SINK_TOKEN)
    nobody = "127.0.0.1:9"
    return {
        "COLLECTOR_OTLP_GRPC": f"127.0.0.1:{ports['grpc']}",
        "COLLECTOR_OTLP_HTTP": f"127.0.0.1:{ports['http']}",
        "COLLECTOR_HEALTH": f"127.0.0.1:{ports['health']}",
        "COLLECTOR_METRICS_PORT": str(ports["metrics"]),
        "COLLECTOR_QUEUES": str(home / "queues"),
        "FLASHMM_OTLP_TOKEN_FILE": str(token),
        "PROMETHEUS_URL": f"http://{nobody}",
        "LOKI_URL": f"http://{nobody}",
        "TEMPO_OTLP_ENDPOINT": nobody,
        "FLASHMM_OTLP_URL": f"http://{nobody}",
    }
