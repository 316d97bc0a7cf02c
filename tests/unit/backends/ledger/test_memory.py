"""Memory that sealing needed goes back to the system."""

import ctypes

import pytest

from flashmm_backends.ledger import _memory


def test_free_pages_can_be_given_back_again_and_again() -> None:
    """It takes no arguments and fails nowhere."""
    _memory.give_back()
    _memory.give_back()


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without malloc_trim nothing happens."""
    _memory._trimmer.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    try:
        _memory.give_back()
        assert _memory._trimmer() is None
    finally:
        _memory._trimmer.cache_clear()
