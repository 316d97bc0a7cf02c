"""Boards pushed into a Grafana: a peer with its HTTP API's rules, as there is none to test against."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer
import yaml
from tests.boards import ROOT
from tests.grafana_peer import ADMIN, TOKEN, Peer, running_grafana_peer
from tests.integration.stack.queries import eventually
from tests.parts import free_ports
from tests.product import BIN

from flashmm_dashboards.boards import FOLDERS, stored_boards
from flashmm_dashboards.boards.grafana import Grafana, GrafanaRefused
from flashmm_dashboards.boards.push import Kind, Step, Wanted, contains, redirected, steps
from flashmm_orchestration.cli import boards as cli


@pytest.fixture
def peer() -> Iterator[Peer]:
    """An empty Grafana with the three data sources."""
    with running_grafana_peer() as running:
        yield running


def walk(peer: Peer, *, apply: bool, share: bool = True, **sources: str) -> list[Step]:
    """All steps of a push."""
    seen: list[Step] = []
    with Grafana(peer.url, TOKEN) as grafana:
        for step in steps(grafana, Wanted(stored_boards(), sources, share)):
            if apply:
                step.apply()
            seen.append(step)
    return seen


def kinds(seen: list[Step]) -> set[Kind]:
    """What the steps found."""
    return {step.kind for step in seen}


def test_asking_changes_nothing(peer: Peer) -> None:
    """Without --yes every missing thing is told and none is made."""
    seen = walk(peer, apply=False)
    assert [step.subject for step in seen if step.kind is Kind.CREATE] == [
        "team FlashMM Admins",
        "team FlashMM Traders",
        "team FlashMM Risk Managers",
        "folder Admin",
        "folder Trader",
        "folder Risk Manager",
        "folder Viewer",
        "folder Public",
        "board The stack",
        "board Trading",
        "board Risk",
        "board At a glance",
        "board Market quality",
        "sharing of Market quality",
    ]
    assert peer.written == []


def test_applying_makes_everything(peer: Peer) -> None:
    """Folders by role with stable uids, boards in them, teams let into theirs, the public board shared."""
    walk(peer, apply=True)
    assert peer.folders == {folder.uid: folder.title for folder in FOLDERS}
    assert peer.board_folders == {board.uid: board.folder.uid for board in stored_boards()}
    assert list(peer.shared) == ["flashmm-public"]
    assert peer.shared["flashmm-public"]["isEnabled"] is True


def test_a_folder_lets_its_role_in(peer: Peer) -> None:
    """A team's folder opens to it and the admins; the others to everybody; people let in by hand stay."""
    walk(peer, apply=True)
    admins, traders = peer.teams["FlashMM Admins"], peer.teams["FlashMM Traders"]
    person = {"userId": 1, "permission": 4}
    assert sorted(peer.permissions["flashmm-trader"], key=str) == sorted(
        [{"teamId": admins, "permission": 1}, {"teamId": traders, "permission": 1}, person], key=str
    )
    assert {"role": "Viewer", "permission": 1} in peer.permissions["flashmm-viewer"]
    assert all("role" not in each for each in peer.permissions["flashmm-admin"])


def test_pushing_twice_is_pushing_once(peer: Peer) -> None:
    """The second push finds all as it should be, and writes nothing."""
    walk(peer, apply=True)
    peer.written.clear()
    assert kinds(walk(peer, apply=True)) == {Kind.SAME}
    assert peer.written == []


def test_what_drifted_is_put_right(peer: Peer) -> None:
    """An edited board, a renamed folder, a lifted share and an opened folder, and nothing else."""
    walk(peer, apply=True)
    peer.boards["flashmm-risk"]["title"] = "Mine"
    peer.board_folders["flashmm-viewer"] = "elsewhere"
    peer.folders["flashmm-trader"] = "Traders' corner"
    peer.permissions["flashmm-admin"].append({"role": "Viewer", "permission": 1})
    peer.shared["flashmm-public"]["isEnabled"] = False
    changed = [step.subject for step in walk(peer, apply=True) if step.changes]
    assert changed == [
        "permissions of Admin",
        "folder Trader",
        "board Risk",
        "board At a glance",
        "sharing of Market quality",
    ]
    assert kinds(walk(peer, apply=False)) == {Kind.SAME}


def test_a_provisioned_board_is_left_to_its_file(peer: Peer) -> None:
    """Grafana would refuse to save it: the user is told where it comes from."""
    walk(peer, apply=True)
    peer.provisioned.add("flashmm-risk")
    peer.boards["flashmm-risk"]["title"] = "Older"
    (step,) = [step for step in walk(peer, apply=True) if step.kind is not Kind.SAME]
    assert (step.kind, step.subject) == (Kind.MISSING, "board Risk")


def test_a_missing_data_source_is_named(peer: Peer) -> None:
    """The boards go up, and the user is told which source to add or map."""
    peer.sources.remove("tempo")
    (step,) = [step for step in walk(peer, apply=True) if step.kind is Kind.MISSING]
    assert step.subject == "data source tempo"
    assert "--datasource tempo=UID" in step.detail


def test_boards_read_from_the_sources_that_are_there(peer: Peer) -> None:
    """A mapped uid replaces ours in panels, variables and links, and the push stays idempotent."""
    peer.sources = {"mimir-1", "tempo-1", "loki"}
    walk(peer, apply=True, prometheus="mimir-1", tempo="tempo-1")
    text = json.dumps(peer.boards)
    assert '"uid": "prometheus"' not in text
    assert '"uid": "mimir-1"' in text
    assert "%22tempo%22" not in text.replace("%22type%22:%22tempo%22", "")
    assert "%22datasource%22:%22tempo-1%22" in text
    assert kinds(walk(peer, apply=False, prometheus="mimir-1", tempo="tempo-1")) == {Kind.SAME}


def test_sharing_can_be_left_out(peer: Peer) -> None:
    """With --no-share nothing becomes readable without a login."""
    walk(peer, apply=True, share=False)
    assert peer.shared == {}


def test_a_wrong_token_is_named(peer: Peer) -> None:
    """401: which option to give."""
    with (
        Grafana(peer.url, "wrong") as grafana,
        pytest.raises(GrafanaRefused, match=r"401: Invalid API key\..*--token"),
    ):
        list(steps(grafana, Wanted(stored_boards(), {})))


def test_the_commands_error_is_one_line(peer: Peer) -> None:
    """Exit code 2, and on stderr what was asked, what came back, what to do."""
    words = [BIN / "flashmm", "boards", "push", "--grafana", peer.url]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"flashmm: GET {peer.url}/api/datasources/uid/prometheus: 401: Invalid API key. ")
    assert "FLASHMM_GRAFANA_TOKEN" in ended.stderr


def test_a_weak_token_is_named(peer: Peer) -> None:
    """403: which role the service account needs."""
    peer.role = "Viewer"
    with pytest.raises(GrafanaRefused, match=r"403: .* needs the role Admin"):
        walk(peer, apply=True)


def test_nobody_there_is_named() -> None:
    """Unreachable: what was tried, and what to look at."""
    url = f"http://127.0.0.1:{free_ports('nobody')['nobody']}"
    with Grafana(url) as grafana, pytest.raises(GrafanaRefused, match=rf"GET {url}/api/health: .*Is Grafana up"):
        grafana.version()


def test_a_missing_sub_path_is_named() -> None:
    """A redirect: where it points."""
    with running_grafana_peer("/grafana") as peer, Grafana(peer.url.removesuffix("/grafana")) as grafana:
        with pytest.raises(GrafanaRefused, match="it points to /grafana/api/health"):
            grafana.version()
        with Grafana(peer.url) as right:
            assert right.version() == "13.0.1"


def test_another_server_is_named(peer: Peer) -> None:
    """An address that answers, but not as a Grafana."""
    with Grafana(peer.url + "/elsewhere", TOKEN) as grafana, pytest.raises(GrafanaRefused, match="404: Not found"):
        grafana.version()


@pytest.mark.parametrize("url", ["", "grafana:3000", "ftp://grafana", "http://", "http://[::1"])
def test_no_address_is_named(url: str) -> None:
    """What is no address is refused before anything is sent."""
    with pytest.raises(GrafanaRefused, match="Give"):
        Grafana(url)


def test_a_password_in_the_address_is_not_repeated() -> None:
    """Errors show the address without name and password."""
    with Grafana("http://admin:hush@127.0.0.1:9") as grafana, pytest.raises(GrafanaRefused) as refused:
        grafana.version()
    assert "hush" not in str(refused.value)


def test_a_name_and_password_do_too(peer: Peer) -> None:
    """The stack's own Grafana has an admin and no service account yet."""
    with Grafana(peer.url.replace("//", f"//{ADMIN}@")) as grafana:
        assert grafana.has_data_source("loki")


def test_additions_of_grafana_are_no_difference() -> None:
    """Fields that we did not write may be there; what we wrote must."""
    assert contains({"a": [1, {"b": 2, "id": 7}], "version": 3}, {"a": [1, {"b": 2}], "schemaVersion": 40})
    assert not contains({"a": [1]}, {"a": [1, 2]})
    assert not contains({"a": {}}, {"a": {"b": 1}})
    assert not contains("a", {"a": 1})
    assert not contains("a", ["a"])


def test_only_references_to_data_sources_are_mapped() -> None:
    """The word elsewhere stays."""
    board = {"title": "prometheus", "panels": [{"datasource": {"type": "prometheus", "uid": "prometheus"}}]}
    assert redirected(board, {"prometheus": "x"}) == {
        "title": "prometheus",
        "panels": [{"datasource": {"type": "prometheus", "uid": "x"}}],
    }


def test_a_wrong_mapping_is_named(peer: Peer) -> None:
    """`--datasource` takes a source that the boards know."""
    with pytest.raises(typer.BadParameter, match="one of prometheus, tempo, loki"):
        cli.push(peer.url, TOKEN, datasource=["influx=1"])


def test_compose_gives_grafana_what_files_cannot(peer: Peer, tmp_path: Path) -> None:
    """Its very script waits for the boards' files, makes no board, and leaves nothing to do; no password is told."""
    (tmp_path / "password").write_text("hush")
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    *shell, script = services["grafana-boards"]["entrypoint"]
    for inside, outside in (
        ("$$", "$"),
        ("/run/flashmm/grafana-admin-password", str(tmp_path / "password")),
        ("grafana:3000", urlsplit(peer.url).netloc),
    ):
        script = script.replace(inside, outside)
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    run = subprocess.Popen([*shell, script], env=environment, stdout=subprocess.PIPE, text=True)
    eventually(lambda: peer.asked)
    with running_grafana_peer() as filled:
        walk(filled, apply=True, share=False)
    peer.read_files(filled.folders, filled.boards, filled.board_folders)
    told, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    assert "hush" not in told
    assert "POST /api/dashboards/db" not in peer.written
    assert kinds(walk(peer, apply=False)) == {Kind.SAME}


def test_the_command_says_then_does(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    """First what would change, with how to apply it; then it is done; then there is nothing to do."""
    cli.push(peer.url, TOKEN)
    assert "+ board Trading: flashmm-trader" in (said := capsys.readouterr().out)
    assert "Nothing was: give --yes" in said
    assert peer.written == []
    cli.push(peer.url, TOKEN, yes=True)
    assert "changed." in capsys.readouterr().out
    cli.push(peer.url, TOKEN, json=True)
    found = json.loads(capsys.readouterr().out)
    assert {step["kind"] for step in found["steps"]} == {"same"}
    assert found["applied"] is False
    cli.push(peer.url, TOKEN)
    said = capsys.readouterr().out
    assert f"{peer.url}/public-dashboards/" in said
    assert "Nothing to change." in said
