"""Imports that wait until they are used."""

import subprocess
import sys

import pytest

from flashmm_instrumentation.late import late

HEAVY = ("duckdb", "fastapi", "grpc", "httpx", "numpy", "opentelemetry.sdk", "prometheus_client", "pyarrow")


def test_a_name_is_imported_when_it_is_asked_for_and_then_kept() -> None:
    """The first access imports the module that defines the name; the package keeps it."""
    package = "flashmm_instrumentation.semconv"
    found = late(package, {"EventKind": "events"})("EventKind")
    assert found is sys.modules[package].EventKind


def test_other_names_are_none_of_the_package() -> None:
    """A name without a home is an AttributeError, as with any module."""
    with pytest.raises(AttributeError, match="'json' has no attribute 'nothing'"):
        late("json", {})("nothing")


@pytest.mark.parametrize("modules", ["flashmm_orchestration.cli._main", "flashmm_orchestration.settings"])
def test_the_command_line_and_the_settings_import_nothing_heavy(modules: str) -> None:
    """Whoever asks for help, or only reads settings, waits for no store, no server and no SDK."""
    look = f"import sys, {modules}; print([name for name in {HEAVY!r} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
