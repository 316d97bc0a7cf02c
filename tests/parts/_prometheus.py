"""Prometheus with deploy/prometheus, its neighbours' addresses replaced."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.parts._catalogue import REPOSITORY
from tests.parts._locate import require
from tests.parts._process import Server, free_ports

PROMETHEUS_CONFIG = REPOSITORY / "deploy" / "prometheus" / "prometheus.yml"
PROMETHEUS_FLAGS = ("--web.enable-otlp-receiver", "--enable-feature=exemplar-storage")


@contextmanager
def running_prometheus(
    folder: Path,
    *,
    config: Path = PROMETHEUS_CONFIG,
    scrape: Mapping[str, str] | None = None,
    alertmanager: str | None = None,
) -> Generator[Server]:
    """A Prometheus that is ready, with its data under `folder` (a test's tmp_path).

    config: the deployed file unless told otherwise, used as it is, with the rules beside it.
    scrape: job -> host:port to scrape, nothing by default. alertmanager: host:port to send alerts to.
    base_url is its HTTP API; OTLP metrics go to base_url + /api/v1/otlp/v1/metrics. Skips or fails the test
    where there is no Prometheus.
    """
    program = require("prometheus")
    home = folder / "prometheus"
    home.mkdir(exist_ok=True)
    shutil.copy(config, home / "prometheus.yml")
    if (config.parent / "rules").is_dir():
        shutil.copytree(config.parent / "rules", home / "rules", dirs_exist_ok=True)
    _write_targets(home / "targets", scrape or {}, alertmanager)
    with _server(program, home) as server:
        yield server


def _server(program: Path, home: Path) -> Server:
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
        ],
        base_url=base_url,
        ready_url=f"{base_url}/-/ready",
        log=home / "log",
        ports=ports,
    )


def _write_targets(folder: Path, scrape: Mapping[str, str], alertmanager: str | None) -> None:
    """File discovery, as deployed; JSON is the YAML that needs no library."""
    folder.mkdir(exist_ok=True)
    jobs = [{"targets": [address], "labels": {"job": job}} for job, address in scrape.items()]
    (folder / "scrape.yml").write_text(json.dumps(jobs))
    managers = [{"targets": [alertmanager]}] if alertmanager else []
    (folder / "alertmanager.yml").write_text(json.dumps(managers))
