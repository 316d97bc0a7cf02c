"""Memory that is in use no more goes back to the system."""

import subprocess
import sys

import pytest

from flashmm_backends.memory import c_function

BURST = """
from pathlib import Path
from flashmm_backends.memory import give_back

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

QUERIES = """
import sys
from pathlib import Path
from threading import Barrier, Thread
from flashmm_backends.memory import hold_little

def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

def query():
    pieces = [bytearray(2_000_000) for _ in range(5)]
    # Allocated last: the heap can't shrink by itself.
    kept.append(bytearray(1_000))
    del pieces
    done.wait()
    end.wait()

if sys.argv[1] == "little":
    hold_little()
# From now on glibc takes all that is smaller from heaps.
bytearray(20_000_000)
kept, done, end, before = [], Barrier(9), Barrier(9), pages()
for _ in range(8):
    Thread(target=query).start()
done.wait()
print((pages() - before) * 4096)
end.wait()
"""
GLIBC = pytest.mark.skipif(c_function("malloc_trim") is None, reason="the C library is not glibc")


@GLIBC
def test_free_pages_go_back_to_the_system() -> None:
    """Of a hundred megabytes that a burst needed, most leave the process, though some of its heap is in use."""
    assert _printed(BURST) > 50_000_000


@GLIBC
def test_threads_that_are_done_hold_little() -> None:
    """Of the ten megabytes that each of eight threads has needed, glibc itself would keep most."""
    assert _printed(QUERIES, "little") < 5_000_000
    assert _printed(QUERIES, "as glibc does") > 40_000_000


def _printed(program: str, *arguments: str) -> int:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_a_function_that_the_c_library_lacks_is_none() -> None:
    """As malloc_trim is with others than glibc: then nothing is called."""
    assert c_function("malloc_trim_of_another_library") is None
