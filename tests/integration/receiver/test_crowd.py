"""The product beside a crowd of connections that ask for nothing."""

import http.client
import ssl
import time
from pathlib import Path

import grpc
import psutil
import pytest
from tests.bench._load import request as metrics_of
from tests.bench.crowd import PARTS, Bot, crowd, everybody
from tests.bench.receiver import GRPC_METHOD
from tests.product import Product, running_product

FEW = {
    "FLASHMM_HTTP__CONNECTIONS_MAX": "20",
    "FLASHMM_RECEIVER__CONNECTIONS_MAX": "20",
    "FLASHMM_RECEIVER__GRPC_CONNECTIONS_MAX": "20",
}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory):
    with running_product(tmp_path_factory.mktemp("crowd"), **FEW) as running:
        yield running


@pytest.mark.parametrize("port", PARTS)
def test_a_crowd_shuts_nobody_out(port: str, product: Product) -> None:
    """Twenty times as many as have a place: bots, senders, the page and probes are answered, no file is lost."""
    files = psutil.Process(product.process.pid).num_fds()
    bot = Bot(product.otlp_grpc)
    bot.send()
    with crowd(getattr(product, port), PARTS[port], 400):
        everybody(product, bot)
        assert psutil.Process(product.process.pid).num_fds() < files + 150
    bot.close()


def test_a_kill_leaves_nothing_outside_the_data_folder(tmp_path: Path) -> None:
    """The next start takes calls again; the folder for temporary files may be one that nobody can write."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with running_product(tmp_path / "data", TMPDIR=str(temporary)) as killed:
        killed.process.kill()
        killed.process.wait()
    assert not list(temporary.iterdir())
    with running_product(tmp_path / "data", TMPDIR="/proc") as product:
        bot = Bot(product.otlp_grpc)
        bot.send()
        bot.close()


def test_tls_on_both_ports(certificates: Path, tmp_path: Path) -> None:
    """Under the product's own loop, which agrees on TLS in a way of its own."""
    files = {name: str(certificates / f"{name[4:]}.pem") for name in ("tls_cert", "tls_key")}
    told = {
        "FLASHMM_RECEIVER__TLS_CERTIFICATE": files["tls_cert"],
        "FLASHMM_RECEIVER__TLS_KEY": files["tls_key"],
    }
    body = metrics_of(0, 1_000, time.time_ns(), 1.0).SerializeToString()
    with running_product(tmp_path, **told) as running:
        port = running.otlp_http.rpartition(":")[2]
        context = ssl.create_default_context(cafile=files["tls_cert"])
        connection = http.client.HTTPSConnection("localhost", int(port), context=context, timeout=30)
        for _ in range(3):
            connection.request("POST", "/v1/metrics", body, {"content-type": "application/x-protobuf"})
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
        connection.close()
        credentials = grpc.ssl_channel_credentials(Path(files["tls_cert"]).read_bytes())
        with grpc.secure_channel(f"localhost:{running.otlp_grpc.rpartition(':')[2]}", credentials) as channel:
            for _ in range(3):
                assert channel.unary_unary(GRPC_METHOD)(body, timeout=30) == b""
