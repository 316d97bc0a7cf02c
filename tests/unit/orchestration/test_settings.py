"""Settings from a file, the environment and flags."""

from pathlib import Path

import pytest

from flashmm_orchestration.settings import BadSettings, load


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without a configuration file; returns where it would be."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "flashmm.toml"


def test_the_later_source_wins(nothing_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults, file, environment, flags."""
    assert load().http.port == 8080
    nothing_set.write_text('[http]\nport = 1\nallowed_hosts = ["a.example"]\n[ledger]\nevents_days = 10.0\n')
    assert (load().http.port, load().http.allowed_hosts, load().ledger.events_days) == (1, ("a.example",), 10.0)
    monkeypatch.setenv("FLASHMM_HTTP__PORT", "2")
    assert (load().http.port, load().http.allowed_hosts) == (2, ("a.example",))
    assert load(http={"port": 3}).http.port == 3


def test_a_list_in_the_environment_is_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """No JSON needed."""
    monkeypatch.setenv("FLASHMM_HTTP__ALLOWED_HOSTS", "a.example, b.example")
    assert load().http.allowed_hosts == ("a.example", "b.example")


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("FLASHMM_HTTP__PORT", "eighty", "http.port (in the configuration file, or FLASHMM_HTTP__PORT)"),
        ("FLASHMM_HTTP__PROT", "80", "http.prot"),
        ("FLASHMM_LEDGER__EVENTS_DAYS", "long", "ledger.events_days"),
    ],
)
def test_what_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str) -> None:
    """The setting and its variable, for wrong values and unknown names."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadSettings) as caught:
        load()
    assert told in str(caught.value)


def test_a_file_that_is_no_toml_is_named(nothing_set: Path) -> None:
    """The path and the place."""
    nothing_set.write_text("[http\nport=1")
    with pytest.raises(BadSettings, match=r"flashmm\.toml"):
        load()


def test_a_named_file_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence would run on defaults."""
    monkeypatch.setenv("FLASHMM_CONFIG", "nowhere.toml")
    with pytest.raises(BadSettings, match=r"FLASHMM_CONFIG names nowhere\.toml"):
        load()
