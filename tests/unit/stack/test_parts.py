"""The servers that tests run against: what is built, where it lies, what happens without it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.parts import NotReady, Server, answers, find, free_ports, require
from tests.parts._catalogue import REPOSITORY, Part, catalogue

_TAIL = "import sys; print('refused: no such option'); sys.exit(3)"
_SERVE = """
import sys
from http.server import HTTPServer, SimpleHTTPRequestHandler
HTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()
"""


def test_prometheus_is_built_first() -> None:
    """The part that most tests need is there before the others are compiled."""
    assert next(iter(catalogue())) == "prometheus"


@pytest.mark.parametrize("part", catalogue().values(), ids=lambda part: part.name)
def test_module_and_release_agree(part: Part) -> None:
    """A module's version names the release that the catalogue says (Prometheus 3.13.5 is module v0.313.5)."""
    source = part.module or part.builder
    if "." not in part.version:
        assert f"-{part.version}" in source  # never released: the day of its commit
        return
    major, minor, patch = part.version.split(".")
    assert source.endswith((f"@v{part.version}", f"@v0.{major}{minor}.{patch}"))


def test_a_part_lies_outside_the_tree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """FLASHMM_PARTS moves the cache; a part's folder carries its version."""
    monkeypatch.setenv("FLASHMM_PARTS", str(tmp_path))
    part = catalogue()["loki"]
    assert part.folder == tmp_path / f"loki-{part.version}"
    monkeypatch.delenv("FLASHMM_PARTS")
    assert REPOSITORY not in part.folder.parents


def test_a_recipe_that_changed_is_built_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Programs count as built only under the fingerprint of the very recipe that made them."""
    monkeypatch.setenv("FLASHMM_PARTS", str(tmp_path))
    part = catalogue()["collector"]
    part.folder.mkdir()
    (part.folder / "fingerprint").write_text("an older recipe's")
    assert find("otelcol") is None
    (part.folder / "fingerprint").write_text(part.fingerprint)
    assert find("otelcol") == part.folder / "otelcol"


def test_absence_skips_and_names_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a server its tests are skipped, and say which command brings it."""
    monkeypatch.setenv("FLASHMM_PARTS", str(tmp_path))
    monkeypatch.delenv("FLASHMM_REQUIRE_REAL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no prometheus: run `make parts`"):
        require("prometheus")


def test_absence_fails_where_real_servers_are_required(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With FLASHMM_REQUIRE_REAL=1 a missing server is a failure, never a silent skip."""
    monkeypatch.setenv("FLASHMM_PARTS", str(tmp_path))
    monkeypatch.setenv("FLASHMM_REQUIRE_REAL", "1")
    with pytest.raises(pytest.fail.Exception, match="no loki: run `make parts`"):
        require("loki")


def test_what_is_not_built_comes_from_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tempo can't be built from its module: a `tempo` on PATH is used."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find("tempo") is None
    (tmp_path / "tempo").write_text("#!/bin/sh\n")
    (tmp_path / "tempo").chmod(0o755)
    assert find("tempo") == tmp_path / "tempo"


def _build(tmp_path: Path, *names: str, path: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FLASHMM_PARTS": str(tmp_path), "PATH": path, "PYTHON": sys.executable}
    command = [str(REPOSITORY / "tests/parts/build"), *names]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_without_go_the_build_says_what_to_do(tmp_path: Path) -> None:
    """`make parts` on a machine without Go ends with a message that names Go and what is skipped without it."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "dirname"):
        (tools / tool).symlink_to(f"/usr/bin/{tool}")
    done = _build(tmp_path, "prometheus", path=str(tools))
    assert done.returncode == 1
    assert "no `go` on PATH. Install Go 1.26" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_build_needs_the_standard_library_only() -> None:
    """`make parts` runs before there is a virtual environment."""
    bare = [sys.executable, "-S", "-c", "import tests.parts.building"]
    done = subprocess.run(bare, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_built_is_not_built_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A second `make parts` needs no Go and changes nothing."""
    monkeypatch.setenv("FLASHMM_PARTS", str(tmp_path))
    part = catalogue()["alertmanager"]
    part.folder.mkdir()
    (part.folder / "fingerprint").write_text(part.fingerprint)
    done = _build(tmp_path, "alertmanager", path="/usr/bin:/bin")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"alertmanager {part.version}: {part.folder}\n"


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    """A misspelt part is an error that lists the right ones."""
    done = _build(tmp_path, "promehteus", path="/usr/bin:/bin")
    assert done.returncode == 2
    assert "prometheus" in done.stderr


def _server(tmp_path: Path, code: str) -> Server:
    port = free_ports("http")["http"]
    url = f"http://127.0.0.1:{port}/"
    command = [sys.executable, "-c", code, str(port)]
    return Server("a server", command, base_url=url, ready_url=url, log=tmp_path / "log", folder=tmp_path)


def test_a_server_lives_for_the_block_and_no_longer(tmp_path: Path) -> None:
    """Ready on entry, gone on exit."""
    with _server(tmp_path, _SERVE) as server:
        assert answers(server.base_url)
    assert not answers(server.base_url)


def test_a_killed_server_starts_again_at_its_address(tmp_path: Path) -> None:
    """A crash and a restart keep the address, as fault tests need."""
    with _server(tmp_path, _SERVE) as server:
        first = server.pid
        server.kill()
        assert not answers(server.base_url)
        server.start()
        assert answers(server.base_url)
        assert server.pid != first


def test_a_server_that_ends_at_once_shows_what_it_said(tmp_path: Path) -> None:
    """A wrong configuration shows the server's own words, at once, not after the time-out."""
    with pytest.raises(NotReady, match="refused: no such option"):
        _server(tmp_path, _TAIL).start()


def test_free_ports_differ() -> None:
    """Every purpose gets a port of its own."""
    ports = free_ports("a", "b", "c", "d")
    assert len(set(ports.values())) == 4
