"""Memory that sealing needed goes back to the system."""

import subprocess
import sys

import pytest

from flashmm_backends.ledger import _memory

BURST = """
from pathlib import Path
from flashmm_backends.ledger._memory import give_back

def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

burst = [bytes(1_000) for _ in range(100_000)]
# What is allocated last stays, so the C library can't shrink its heap by itself.
last = bytes(1_000)
del burst
held = pages()
give_back()
print((held - pages()) * 4096)
"""


@pytest.mark.skipif(_memory.c_function("malloc_trim") is None, reason="the C library is not glibc")
def test_free_pages_go_back_to_the_system() -> None:
    """Of a hundred megabytes that a burst needed, most leave the process, though some of its heap is in use."""
    done = subprocess.run([sys.executable, "-c", BURST], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 50_000_000


def test_a_function_that_the_c_library_lacks_is_none() -> None:
    """As malloc_trim is with others than glibc: then nothing is called."""
    assert _memory.c_function("malloc_trim_of_another_library") is None
