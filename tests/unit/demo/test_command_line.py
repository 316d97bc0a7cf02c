"""Settings, symbols and the command line."""

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import flashmm_demo
from flashmm_demo import DemoError, DemoSettings
from flashmm_demo.__main__ import parser, run, settings_of
from flashmm_demo._instruments import INSTRUMENTS, instrument
from flashmm_demo._session import open_venue


def parsed(*arguments: str) -> DemoSettings:
    given = vars(parser().parse_args(arguments))
    del given["record_only"], given["json"]
    return settings_of(given)


def test_without_arguments_the_settings_are_the_defaults() -> None:
    """Every option's default is the setting's."""
    assert parsed() == DemoSettings()


def test_options_become_settings() -> None:
    """Speed `max` is None, symbols repeat, original times are unshifted."""
    settings = parsed(
        "--feed", "file:x", "--symbol", "BTCUSDT", "--symbol", "ETHUSDT", "--speed", "max", "--original-times",
        "--duration", "5", "--books", "b.json",
    )  # fmt: skip
    assert settings == DemoSettings(
        feed="file:x",
        symbols=("BTCUSDT", "ETHUSDT"),
        speed=None,
        shift=False,
        duration_s=5.0,
        books=Path("b.json"),
    )


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "fast"])
def test_a_speed_that_makes_no_sense_is_refused(speed: str) -> None:
    """With a usage message."""
    with pytest.raises(SystemExit):
        parsed("--speed", speed)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (DemoSettings(feed="kraken"), "unknown feed 'kraken'"),
        (DemoSettings(binance_rest_url="http://127.0.0.1:1"), "add --feed binance"),
        (DemoSettings(feed="file:none", binance_stream_url="ws://127.0.0.1:1"), "add --feed binance"),
        (DemoSettings(symbols=("XYZ",)), "unknown symbol 'XYZ'"),
    ],
)
def test_what_makes_no_sense_is_refused_and_says_what_would(settings: DemoSettings, said: str) -> None:
    """A DemoError whose text names the alternatives."""
    with pytest.raises(DemoError, match=said):
        open_venue(settings, lambda: 0)


def test_every_setting_is_documented() -> None:
    """A docstring follows each field of DemoSettings in its source."""
    source = Path(flashmm_demo.__file__).with_name("_settings.py").read_text()
    for setting in fields(DemoSettings):
        after = source.split(f"    {setting.name}: ", 1)[1].split("\n", 2)
        assert after[1].strip().startswith('"""'), setting.name


@pytest.mark.parametrize("symbol", sorted(INSTRUMENTS))
def test_instruments_begin_on_their_grid(symbol: str) -> None:
    """The simulated market's first price is a whole number of ticks."""
    known = instrument(symbol)
    assert known.price(known.ticks(known.start_price)) == known.start_price


def test_recording_alone_needs_no_telemetry(tmp_path: Path) -> None:
    """Two runs with a seed write the same bytes, and nothing listens anywhere."""
    for name in ("a.gz", "b.gz"):
        arguments = ["--record-only", "--speed", "max", "--original-times", "--duration", "5"]
        assert run([*arguments, "--record", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_json_tells_where_a_recording_goes_and_how_long_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line at the start, one at the end, and as many messages as the file has lines."""
    file = tmp_path / "r.jsonl"
    arguments = ["--record-only", "--speed", "max", "--original-times", "--duration", "2", "--json"]
    assert run([*arguments, "--record", str(file)]) == 0
    started, ended = map(json.loads, capsys.readouterr().out.splitlines())
    assert (started["event"], started["record"], started["symbols"]) == ("started", str(file), ["BTCUSDT"])
    assert ended == {"event": "ended", "messages": len(file.read_text().splitlines())}


def test_a_line_says_where_it_goes_and_one_that_it_is_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --json, for people."""
    target = tmp_path / "out.jsonl"
    run(["--record-only", "--record", str(target), "--duration", "1", "--speed", "max"])
    assert capsys.readouterr().out.splitlines() == [
        f"recording simulated to {target}; Ctrl-C ends it",
        "the demo has ended",
    ]


def test_errors_end_the_program_with_one_line(tmp_path: Path) -> None:
    """No traceback, and exit code 2, for a missing, empty or garbled recording, a missing file name, a wrong feed."""
    garbage = tmp_path / "garbage.gz"
    garbage.write_bytes(b"no gzip")
    for arguments in (
        ["--record-only"],
        ["--record-only", "--record", str(tmp_path / "r"), "--feed", "file:/nowhere"],
        ["--feed", "nope"],
        ["--endpoint", "nowhere:4317"],
        ["--feed", f"file:{tmp_path}"],
        ["--feed", "file:/dev/null"],
        ["--feed", f"file:{garbage}"],
    ):
        command = [sys.executable, "-m", "flashmm_demo", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        assert done.stderr.startswith("flashmm demo: ")
        assert done.stderr.count("\n") == 1


def test_the_package_exports_what_it_says() -> None:
    """main and its settings are the surface."""
    assert sorted(flashmm_demo.__all__) == ["DemoError", "DemoSettings", "main", "record"]
