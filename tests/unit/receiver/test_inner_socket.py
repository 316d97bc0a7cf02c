"""Where grpc-core's socket may be."""

import socket
from pathlib import Path

import pytest

from flashmm_receiver import CannotListen
from flashmm_receiver._inner_socket import inner_socket


def _bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def test_what_a_kill_left_is_used_again(tmp_path: Path) -> None:
    """The same path, free; nobody else may enter the folder; nothing stays behind in it."""
    folder = tmp_path / "receiver"
    with inner_socket(folder) as path:
        _bind(path)
    folder.chmod(0o755)
    _bind(path)
    with inner_socket(folder) as again:
        assert again == path
        assert folder.stat().st_mode & 0o777 == 0o700
        _bind(again)
    assert not list(folder.iterdir())


def test_a_long_path(tmp_path: Path) -> None:
    """Where no socket can be in the folder, it is in a temporary one, which ends with it."""
    folder = tmp_path / ("x" * 120)
    with inner_socket(folder) as path:
        assert folder not in path.parents
        _bind(path)
    assert not path.parent.exists()


def test_no_place_at_all(tmp_path: Path) -> None:
    """It is said where it was tried."""
    long = tmp_path / ("y" * 120)
    long.mkdir()
    with pytest.raises(CannotListen, match="TMPDIR"), inner_socket(None, temporary=long):
        pass
    with pytest.raises(CannotListen, match="TMPDIR"), inner_socket(None, temporary=tmp_path / "absent"):
        pass
