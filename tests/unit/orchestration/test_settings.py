"""Settings from a file, the environment and flags."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_orchestration._ground import check_ground
from flashmm_orchestration._sources import SettingPath, variable
from flashmm_orchestration.settings import KNOWN, BadSettings, Settings, load, settings_from


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


WRONG = (
    ("FLASHMM_HTTP__PORT", "eighty", ('http.port = "eighty" (from FLASHMM_HTTP__PORT)', "integer", "default: 8080")),
    ("FLASHMM_HTTP__PROT", "80", ("did you mean FLASHMM_HTTP__PORT?",)),
    ("FLASHMM_DATADIR", "x", ("FLASHMM_DATADIR is not a variable", "did you mean FLASHMM_DATA_DIR?")),
    ("FLASHMM_LEDGER__EVENTS_DAYS", "long", ("ledger.events_days", "number")),
    ("FLASHMM_LEDGER__READER_THREADS", "0", ("ledger.reader_threads", "greater than or equal to 1", "default: 4")),
    ("FLASHMM_LEDGER__EVENTS_DAYS", "nan", ("ledger.events_days", "less than or equal")),
    ("FLASHMM_LEDGER__SEAL_POINTS", "5000000", ("ledger.seal_points", "must not exceed ledger.unsealed_points_max")),
    ("FLASHMM_HTTP__ROWS_MAX", "10", ("http.rows_default", "must not exceed http.rows_max")),
    ("FLASHMM_RECEIVER__HTTP_BIND", "127.0.0.1:8080", ("http.port = 8080", "are the same port")),
    ("FLASHMM_RECEIVER__HTTP_BIND", "0.0.0.0:4318", ("receiver.http_bind", "nothing guards it")),
    ("FLASHMM_RECEIVER__GRPC_BIND", "here", ("receiver.grpc_bind", "is not host:port")),
    ("FLASHMM_RECEIVER__TLS_KEY", "key.pem", ("receiver.tls_certificate", "set both or none")),
    ("FLASHMM_METRICS__KIND", "prometheus", ("metrics.url", "needs its address")),
    ("FLASHMM_LEDGERS__URLS", "http://a:8080", ("metrics.kind", "ledgers.urls", "set metrics.kind = prometheus")),
    ("FLASHMM_LEDGERS__URLS", "a:8080", ("ledgers.urls", "give addresses such as http://flashmm-0:8080")),
    ("FLASHMM_LEDGERS__URLS", "http://a:1,http://a:1", ("ledgers.urls", "there twice")),
    ("FLASHMM_METRICS__KIND", "mimir", ("metrics.kind", "'embedded' or 'prometheus'")),
    ("FLASHMM_HTTP", '{"port": 1}', ("http", "is a group")),
    ("FLASHMM_HTTP__TOKEN", "a secret", ("http.token", "printable ASCII")),
    ("FLASHMM_HTTP__TOKEN_FILE", "nowhere", ("http.token_file", "nowhere", "cannot be read")),
)


@pytest.mark.parametrize(("variable", "value", "told"), WRONG)
def test_what_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: tuple[str, ...]
) -> None:
    """In one line: the setting, its value, where that came from, what would do."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadSettings) as caught:
        load()
    (line,) = caught.value.problems
    assert all(each in line for each in (variable, *told))


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token with a blank in it is refused without being repeated."""
    monkeypatch.setenv("FLASHMM_HTTP__TOKEN", "hunter 2")
    with pytest.raises(BadSettings) as caught:
        load()
    assert "hunter" not in str(caught.value)


def test_a_secret_can_be_read_from_a_file(nothing_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first line; named in the file or in the environment; the later source wins over both spellings."""
    (nothing_set.parent / "a").write_text("from-a\n")
    (nothing_set.parent / "b").write_text("from-b")
    nothing_set.write_text('[http]\ntoken_file = "a"\n[receiver]\ntoken = "plain"\n')
    assert load().http.token == "from-a"
    monkeypatch.setenv("FLASHMM_RECEIVER__TOKEN_FILE", "b")
    assert load().receiver.token == "from-b"


def test_a_secret_given_twice_by_one_source_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which one was meant is not guessed."""
    Path("a").write_text("x")
    monkeypatch.setenv("FLASHMM_HTTP__TOKEN", "x")
    monkeypatch.setenv("FLASHMM_HTTP__TOKEN_FILE", "a")
    with pytest.raises(BadSettings, match="keep one"):
        load()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[ledger]\nreader_thread = 4\n", ("ledger.reader_thread = 4", "did you mean ledger.reader_threads?")),
        ("[http]\nport = 8080.5\n", ("http.port = 8080.5", "integer")),
        ("http = 3\n", ("http = 3", "is a group")),
        ("[data_dir]\nx = 1\n", ("data_dir", "path")),
        ("[[http]]\nport = 1\n", ("http", "is a group")),
    ],
)
def test_a_wrong_line_of_the_file_is_named(nothing_set: Path, text: str, told: tuple[str, ...]) -> None:
    """With the file that it is in."""
    nothing_set.write_text(text)
    with pytest.raises(BadSettings) as caught:
        load()
    (line,) = caught.value.problems
    assert all(each in line for each in ("flashmm.toml", *told))


def test_every_problem_is_told_at_once(nothing_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all sources, so that one correction is enough."""
    nothing_set.write_text("[ledger]\nrow_seal_rows = -1\nnone = 1\n")
    monkeypatch.setenv("FLASHMM_STREAM__CLIENTS", "no")
    with pytest.raises(BadSettings) as caught:
        load(http={"port": 70_000})
    assert len(caught.value.problems) == 4
    assert "--port" in str(caught.value)


def test_what_kubernetes_adds_is_no_setting() -> None:
    """A service named flashmm puts its addresses into every container's environment."""
    added = {
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "FLASHMM_SERVICE_HOST": "10.0.0.2",
        "FLASHMM_LEDGER_SERVICE_PORT_OTLP": "4317",
        "FLASHMM_PORT_8080_TCP_ADDR": "10.0.0.2",
        "FLASHMM_PORT": "tcp://10.0.0.2:8080",
    }
    assert settings_from({}, added) == Settings()


def test_an_empty_variable_counts_as_not_set() -> None:
    """As a compose file leaves it where its user set nothing."""
    assert settings_from({}, {"FLASHMM_HTTP__PORT": "", "FLASHMM_RECEIVER__TLS_CERTIFICATE": ""}) == Settings()


@given(
    st.sampled_from(sorted(path for path in KNOWN if len(path) > 1)),
    st.one_of(st.text(max_size=30), st.integers().map(str), st.floats().map(str)),
)
def test_any_value_of_any_variable_is_taken_or_refused_in_one_message(path: SettingPath, value: str) -> None:
    """Never anything but settings or BadSettings, which names the setting and the variable."""
    name = variable(path)
    try:
        settings = settings_from({}, {name: value})
    except BadSettings as error:
        assert all(".".join(path) in line and name in line for line in error.problems)
    else:
        assert settings.told(".".join(path)).startswith(".".join(path))


_TOML = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted({path[0] for path in KNOWN} | {"other"})), _TOML, max_size=3))
def test_any_flag_or_table_is_taken_or_refused(given_values: dict[str, object]) -> None:
    """Whatever shape a file's values have."""
    try:
        settings_from(given_values, {})
    except BadSettings as error:
        assert error.problems


@given(st.sampled_from(sorted(path for path, default in KNOWN.items() if type(default) in (int, float))))
def test_every_number_has_a_range(path: SettingPath) -> None:
    """Below it and far above it is refused; what is not finite too."""
    for value in ("-1", "1e300", "nan", "inf", "-inf"):
        with pytest.raises(BadSettings):
            settings_from({}, {variable(path): value})


def test_the_ground_is_looked_at_before_anything_is_built(nothing_set: Path, tmp_path: Path) -> None:
    """A data folder that is a file, one under a file, a certificate that is not there."""
    nothing_set.write_text("")
    for folder in (nothing_set, nothing_set / "below", Path("with\0null")):
        with pytest.raises(BadSettings, match=r"data_dir = .* \(from --data-dir\)"):
            check_ground(load(data_dir=folder))
    tls = {"tls_certificate": "no.pem", "tls_key": "no.key"}
    with pytest.raises(BadSettings) as caught:
        check_ground(load(data_dir=tmp_path / "new", receiver=tls))
    assert len(caught.value.problems) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    """With what to do about it."""
    tmp_path.chmod(0o500)
    with pytest.raises(BadSettings, match="may not write"):
        check_ground(load(data_dir=tmp_path))


def test_a_file_that_is_no_toml_is_named(nothing_set: Path) -> None:
    """The path and the place."""
    nothing_set.write_text("[http\nport=1")
    with pytest.raises(BadSettings, match=r"flashmm\.toml"):
        load()


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder in its place."""
    monkeypatch.setenv("FLASHMM_CONFIG", str(tmp_path))
    with pytest.raises(BadSettings, match="cannot be read"):
        load()


def test_a_named_file_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence would run on defaults."""
    monkeypatch.setenv("FLASHMM_CONFIG", "nowhere.toml")
    with pytest.raises(BadSettings, match=r"FLASHMM_CONFIG names nowhere\.toml"):
        load()
