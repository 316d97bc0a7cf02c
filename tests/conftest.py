"""Settings that hold for every test, and a certificate for those that need one."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings

# No deadline for an example: the machine may be shared, and time is tested in the benches.
# A check draws the same examples each time, so that it fails for what was changed and for nothing else.
settings.register_profile("check", deadline=None, derandomize=True)
settings.register_profile("soak", deadline=None, max_examples=2000)
settings.load_profile("soak" if os.environ.get("FLASHMM_SOAK") == "1" else "check")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A soak runs every test that draws examples: with more of them, and others each time."""
    for item in items:
        if is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("soak")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`cert.pem` and `key.pem` for localhost: self-signed, so the certificate is its own authority."""
    folder = tmp_path_factory.mktemp("tls")
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    files = ("-keyout", folder / "key.pem", "-out", folder / "cert.pem")
    subprocess.run(["openssl", "req", *kind, *name, *files], check=True, capture_output=True)
    return folder
