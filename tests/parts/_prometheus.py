"""Prometheus with deploy/prometheus, its neighbours' addresses replaced."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.parts._catalogue import REPOSITORY
from tests.parts._locate import require
from tests.parts._process import Server, free_ports

PROMETHEUS_CONFIG = REPOSITORY / "deploy" / "prometheus" / "prometheus.yml"
PROMETHEUS_SCALE_CONFIG = PROMETHEUS_CONFIG.with_name("scale.yml")
PROMETHEUS_FLAGS = ("--web.enable-otlp-receiver", "--enable-feature=exemplar-storage")


@contextmanager
def running_prometheus(
    folder: Path,
    *,
    config: Path = PROMETHEUS_CONFIG,
    scrape: Mapping[str, str] | None = None,
    alertmanager: str | None = None,
    flashmm: str | None = None,
    token: str = "",
    mimir: str = "",
    flags: Sequence[str] = (),
) -> Generator[Server]:
    """A Prometheus that is ready, with its data under `folder` (a test's tmp_path).

    config: the deployed file unless told otherwise, with the rules beside it; only where it finds the token differs.
    scrape: job -> host:port to scrape, nothing by default. flashmm: host:port to scrape with the token.
    alertmanager: host:port to send alerts to. mimir: the URL that takes the place of Mimir's, where the file names
    one. flags: further ones.
    base_url is its HTTP API; OTLP metrics go to base_url + /api/v1/otlp/v1/metrics. Skips or fails the test
    where there is no Prometheus.
    """
    program = require("prometheus")
    home = folder / "prometheus"
    home.mkdir(exist_ok=True)
    (home / "api-token").write_text(token)
    text = config.read_text().replace("/run/flashmm/api-token", str(home / "api-token"))
    text = text.replace("http://mimir:9009/api/v1/push", mimir)
    (home / "prometheus.yml").write_text(text)
    if (config.parent / "rules").is_dir():
        shutil.copytree(config.parent / "rules", home / "rules", dirs_exist_ok=True)
    (home / "targets").mkdir(exist_ok=True)
    _write_targets(home / "targets" / "scrape.yml", scrape or {})
    _write_targets(home / "targets" / "flashmm.yml", {"flashmm": flashmm} if flashmm else {})
    _write_targets(home / "targets" / "alertmanager.yml", {"alertmanager": alertmanager} if alertmanager else {})
    with _server(program, home, flags) as server:
        yield server


def _server(program: Path, home: Path, flags: Sequence[str]) -> Server:
    ports = free_ports("http")
    base_url = f"http://127.0.0.1:{ports['http']}"
    return Server(
        name="prometheus",
        command=[
            program,
            f"--config.file={home / 'prometheus.yml'}",
            f"--storage.tsdb.path={home / 'data'}",
            f"--web.listen-address=127.0.0.1:{ports['http']}",
            *PROMETHEUS_FLAGS,
            *flags,
        ],
        base_url=base_url,
        ready_url=f"{base_url}/-/ready",
        log=home / "log",
        ports=ports,
    )


def _write_targets(path: Path, addresses: Mapping[str, str]) -> None:
    """File discovery, as deployed; JSON is the YAML that needs no library."""
    jobs = [{"targets": [address], "labels": {"job": job}} for job, address in addresses.items()]
    path.write_text(json.dumps(jobs))
