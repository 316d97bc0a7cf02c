"""The command line as a new user tries it: every mistake ends in a message and an exit code, never in a traceback."""

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.product import BIN, Product, running_product

from flashmm_orchestration.cli._main import main

DEMO = ("--demo", "--feed")
TOKEN = "the-token-of-the-page"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product, whose token comes from a file."""
    folder = tmp_path_factory.mktemp("product")
    (folder / "token").write_text(f"{TOKEN}\n")
    with running_product(folder / "data", FLASHMM_HTTP__TOKEN_FILE=str(folder / "token")) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command ended with."""

    code: int
    stdout: str
    stderr: str


Flashmm = Callable[..., Answer]


@pytest.fixture
def flashmm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Flashmm:
    """The command line, in a folder of its own, with nothing set but what is given."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("FLASHMM_", "OTEL_")):
            monkeypatch.delenv(name)

    def run(*words: str, **environment: str) -> Answer:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main(words)
        seen = capsys.readouterr()
        code = ended.value.code
        return Answer(code if isinstance(code, int) else 0, seen.out, seen.err)

    return run


def port(url: str) -> str:
    return url.rpartition(":")[2]


def test_commands_find_the_server_by_its_own_settings(product: Product, flashmm: Flashmm, tmp_path: Path) -> None:
    """Its port, its token file and the receiver's address, from the same configuration file."""
    token = product.data_dir.parent / "token"
    (tmp_path / "flashmm.toml").write_text(
        f'[http]\nport = {port(product.http)}\ntoken_file = "{token}"\n'
        f'[receiver]\nhttp_bind = "{product.otlp_http}"\ngrpc_bind = "127.0.0.1:0"\n'
    )
    for words in (["status"], ["query", "up"], ["doctor"]):
        answer = flashmm(*words)
        assert (answer.code, answer.stderr) == (0, "")


def test_a_token_comes_from_a_file_or_the_environment(product: Product, flashmm: Flashmm, tmp_path: Path) -> None:
    """So that no command line shows it."""
    (tmp_path / "t").write_text(TOKEN)
    assert flashmm("status", "--url", product.http, "--token-file", "t").code == 0
    assert flashmm("status", FLASHMM_URL=product.http, FLASHMM_HTTP__TOKEN=TOKEN).code == 0


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["status", "--url", "http://127.0.0.1:1"], 2, "nothing listens at port 1 of 127.0.0.1"),
        (["status", "--url", "here"], 2, "not a valid address"),
        (["status", "--token-file", "none"], 2, "--token-file none: cannot be read"),
        (["status", "--token-file", "none", "--token", "x"], 2, "not both"),
        (["query"], 2, "Missing argument"),
        (["query", "up", "--last", "soon"], 2, "not a valid"),
        (["up", "--services", "everything"], 2, "not one of receiver, http"),
        (["up", "--feed", "binance"], 2, "only works with --demo"),
        (["up", "--binance-rest-url", "http://127.0.0.1:1"], 2, "--binance-rest-url: only works with --demo"),
        (["up", "--port", "99999"], 2, "http.port = 99999 (from --port)"),
        (["doctor", "--protocol", "udp"], 2, "not one of grpc, http/protobuf"),
        (["boards", "push", "--grafana", "http://127.0.0.1:1", "--token-file", "none"], 2, "cannot be read"),
        (["dance"], 2, "No such command"),
    ],
)
def test_a_mistake_is_told_in_a_message(flashmm: Flashmm, words: list[str], code: int, told: str) -> None:
    """On standard error, with the code for wrong use."""
    answer = flashmm(*words, NO_COLOR="1", TERM="dumb", COLUMNS="200")
    assert (answer.code, answer.stdout) == (code, "")
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr
    assert ".. " not in answer.stderr


@pytest.mark.parametrize("words", [[], ["up"], ["status"], ["query"], ["doctor"], ["boards"], ["boards", "push"]])
def test_every_command_explains_itself_on_a_narrow_terminal(flashmm: Flashmm, words: list[str]) -> None:
    """Without colour where none is wanted."""
    answer = flashmm(*words, "--help", NO_COLOR="1", COLUMNS="40")
    assert answer.code == 0
    assert "--help" in answer.stdout
    assert "Examples:" in answer.stdout or words == ["boards"]
    assert "bool" not in answer.stdout
    assert "\x1b[3" not in answer.stdout


def test_the_version_is_told(flashmm: Flashmm) -> None:
    """The distribution's."""
    answer = flashmm("--version")
    assert (answer.code, answer.stdout) == (0, f"{importlib.metadata.version('flashmm-observability')}\n")


def test_wrong_options_of_the_demo_end_it_all(tmp_path: Path) -> None:
    """Nothing is tried again: what the demo cannot do it says once."""
    told = tmp_path / "stderr"
    with told.open("w") as stderr, running_product(tmp_path / "data", *DEMO, "file:none", stderr=stderr) as product:
        assert product.process.wait(60) == 2
    assert told.read_text().splitlines() == [
        "flashmm demo: --feed file:none: No such file or directory",
        "flashmm: demo: it refuses its options, as it says above",
    ]


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (["up", "--port", "0"], "uvloop"),
        (["status"], "typer"),
        (["query", "up"], "typer"),
        (["doctor"], "typer"),
        (["demo"], "typer"),
        (["demo"], "flashmm_demo._settings"),
    ],
)
def test_ctrl_c_amid_imports_says_nothing(tmp_path: Path, words: list[str], module: str) -> None:
    """As soon as a module is there, and others are to come: the exit code alone tells."""
    command = [sys.executable, "-X", "importtime", BIN / "flashmm", *words]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        next(line for line in process.stderr if line.rpartition("|")[2].strip() == module)
        process.send_signal(signal.SIGINT)
        told = [line for line in process.stderr if not line.startswith("import time:")]
    assert (process.returncode, told) == (130, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("token", ["", "of-the-receiver"])
def test_the_port_of_otlp_over_http_is_recognised(flashmm: Flashmm, tmp_path: Path, token: str) -> None:
    """Whether it would ask for a token or not."""
    with running_product(tmp_path / "data", FLASHMM_RECEIVER__TOKEN=token) as product:
        answer = flashmm("status", "--url", f"http://{product.otlp_http}", "--token", "of-the-page")
    assert (answer.code, answer.stdout) == (2, "")
    assert "that is OTLP's HTTP port. --url takes the page's" in answer.stderr


def test_a_reader_that_leaves_early_is_no_error(product: Product, tmp_path: Path) -> None:
    """As in `flashmm query … | head -1`."""
    environment = os.environ | {"FLASHMM_URL": product.http, "FLASHMM_HTTP__TOKEN": TOKEN}
    pipe = f"'{BIN / 'flashmm'}' query '{{__name__=~\".+\"}}' | head -c 1"
    answer = subprocess.run(
        ["sh", "-c", pipe], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert answer.stderr == ""


def test_a_server_that_is_gone_is_told(flashmm: Flashmm, tmp_path: Path) -> None:
    """By the port where nobody is any more."""
    with running_product(tmp_path / "data") as product:
        url = product.http
    answer = flashmm("query", "up", "--url", url)
    assert answer.code == 2
    assert "nothing listens" in answer.stderr


@pytest.mark.parametrize("words", [["status"], ["query", "vector(1)"]])
def test_json_is_one_line_of_it(product: Product, flashmm: Flashmm, words: list[str]) -> None:
    """For programs."""
    answer = flashmm(*words, "--json", "--url", product.http, FLASHMM_HTTP__TOKEN=TOKEN)
    (line,) = answer.stdout.splitlines()
    assert json.loads(line)
