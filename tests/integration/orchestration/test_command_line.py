"""The command line as a new user tries it: every mistake ends in a message and an exit code, never in a traceback."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.product import BIN, Product, running_product

TOKEN = "the-token-of-the-page"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product, whose token comes from a file."""
    folder = tmp_path_factory.mktemp("product")
    (folder / "token").write_text(f"{TOKEN}\n")
    with running_product(folder / "data", FLASHMM_HTTP__TOKEN_FILE=str(folder / "token")) as running:
        yield running


def flashmm(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a folder of its own, with nothing set but what is given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("FLASHMM_", "OTEL_"))}
    return subprocess.run(
        [BIN / "flashmm", *words], env=inherited | environment, cwd=folder, capture_output=True, text=True, timeout=60
    )


def port(url: str) -> str:
    return url.rpartition(":")[2]


def test_commands_find_the_server_by_its_own_settings(product: Product, tmp_path: Path) -> None:
    """Its port, its token file and the receiver's address, from the same configuration file."""
    token = product.data_dir.parent / "token"
    (tmp_path / "flashmm.toml").write_text(
        f'[http]\nport = {port(product.http)}\ntoken_file = "{token}"\n'
        f'[receiver]\nhttp_bind = "{product.otlp_http}"\ngrpc_bind = "127.0.0.1:0"\n'
    )
    for words in (["status"], ["query", "up"], ["doctor"]):
        answer = flashmm(tmp_path, *words)
        assert (answer.returncode, answer.stderr) == (0, "")


def test_a_token_comes_from_a_file_or_the_environment(product: Product, tmp_path: Path) -> None:
    """So that no command line shows it."""
    (tmp_path / "t").write_text(TOKEN)
    assert flashmm(tmp_path, "status", "--url", product.http, "--token-file", "t").returncode == 0
    assert flashmm(tmp_path, "status", FLASHMM_URL=product.http, FLASHMM_HTTP__TOKEN=TOKEN).returncode == 0


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["status", "--url", "http://127.0.0.1:1"], 2, "nothing listens at port 1 of 127.0.0.1"),
        (["status", "--url", "here"], 2, "no address"),
        (["status", "--token-file", "none"], 2, "--token-file none: cannot be read"),
        (["status", "--token-file", "none", "--token", "x"], 2, "not both"),
        (["query"], 2, "Missing argument"),
        (["query", "up", "--last", "soon"], 2, "no duration"),
        (["up", "--services", "everything"], 2, "none of receiver, http"),
        (["up", "--port", "99999"], 2, "http.port = 99999 (from --port)"),
        (["doctor", "--protocol", "udp"], 2, "none of grpc, http/protobuf"),
        (["boards", "push", "--grafana", "http://127.0.0.1:1", "--token-file", "none"], 2, "cannot be read"),
        (["dance"], 2, "No such command"),
    ],
)
def test_a_mistake_is_told_in_a_message(tmp_path: Path, words: list[str], code: int, told: str) -> None:
    """On standard error, with the code for wrong use."""
    answer = flashmm(tmp_path, *words, NO_COLOR="1", TERM="dumb", COLUMNS="200")
    assert (answer.returncode, answer.stdout) == (code, "")
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr
    assert ".." not in answer.stderr


@pytest.mark.parametrize(
    "words", [[], ["up"], ["status"], ["query"], ["doctor"], ["boards"], ["boards", "push"], ["demo"]]
)
def test_every_command_explains_itself_on_a_narrow_terminal(tmp_path: Path, words: list[str]) -> None:
    """Without colour where none is wanted."""
    answer = flashmm(tmp_path, *words, "--help", NO_COLOR="1", COLUMNS="40")
    assert answer.returncode == 0
    assert "--help" in answer.stdout
    assert "\x1b[3" not in answer.stdout


def test_a_reader_that_leaves_early_is_no_error(product: Product, tmp_path: Path) -> None:
    """As in `flashmm query … | head -1`."""
    environment = os.environ | {"FLASHMM_URL": product.http, "FLASHMM_HTTP__TOKEN": TOKEN}
    pipe = f"'{BIN / 'flashmm'}' query '{{__name__=~\".+\"}}' | head -c 1"
    answer = subprocess.run(
        ["sh", "-c", pipe], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert answer.stderr == ""


def test_a_server_that_is_gone_is_told(tmp_path: Path) -> None:
    """Killed meanwhile."""
    with running_product(tmp_path / "data") as product:
        product.process.kill()
        product.process.wait()
        answer = flashmm(tmp_path, "query", "up", "--url", product.http)
    assert answer.returncode == 2
    assert "nothing listens" in answer.stderr


@pytest.mark.parametrize("words", [["status"], ["query", "vector(1)"]])
def test_json_is_one_line_of_it(product: Product, tmp_path: Path, words: list[str]) -> None:
    """For programs."""
    answer = flashmm(tmp_path, *words, "--json", "--url", product.http, FLASHMM_HTTP__TOKEN=TOKEN)
    (line,) = answer.stdout.splitlines()
    assert json.loads(line)
