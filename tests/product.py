"""The product as a user starts it: `flashmm up` in a process of its own, on free ports."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Product:
    """A running `flashmm up`."""

    process: subprocess.Popen[str]
    http: str
    otlp_grpc: str
    otlp_http: str
    data_dir: Path


@contextmanager
def running_product(
    data_dir: Path, *flags: str, stderr: IO[str] | None = None, **environment: str
) -> Generator[Product]:
    """Start it, wait until it says that it serves, end it as a user would (SIGTERM), kill it if it must."""
    free = {
        "FLASHMM_HTTP__PORT": "0",
        "FLASHMM_RECEIVER__GRPC_BIND": "127.0.0.1:0",
        "FLASHMM_RECEIVER__HTTP_BIND": "127.0.0.1:0",
        "FLASHMM_DATA_DIR": str(data_dir),
    }
    process = subprocess.Popen(
        [BIN / "flashmm", "up", "--json", *flags],
        env={**os.environ, **free, **environment},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )
    try:
        yield _serving(process, data_dir)
    finally:
        _end(process)


def _serving(process: subprocess.Popen[str], data_dir: Path) -> Product:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"flashmm up ended with {process.wait()} before it served")
    addresses = json.loads(line)
    return Product(
        process, addresses["http"], addresses.get("otlp_grpc", ""), addresses.get("otlp_http", ""), data_dir
    )


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    finally:
        if process.stdout:
            process.stdout.close()
