"""The limit of open files, in a process of its own."""

import subprocess
import sys

import pytest

SCRIPT = """
import logging, resource
from flashmm_orchestration._open_files import allow_open_files, files_needed
from flashmm_orchestration.settings import Settings
logging.basicConfig(format="%(message)s")
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
allow_open_files(Settings())
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], files_needed(Settings()))
"""


@pytest.mark.parametrize(("soft", "hard"), [(256, 16_384), (16_000, 16_384), (256, 1_024)])
def test_the_limit_is_raised_as_far_as_the_system_allows(soft: int, hard: int) -> None:
    """Never lowered; where the system's own is too low, that is said."""
    command = [sys.executable, "-c", SCRIPT.format(soft=soft, hard=hard)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    now, needed = map(int, ended.stdout.split())
    assert now == max(soft, min(needed, hard))
    assert ("raise the limit" in ended.stderr) is (hard < needed)
