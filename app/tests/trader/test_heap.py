"""Large blocks of the C heap are mapped by themselves, before and after one has been freed."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.trader.support import APP

# glibc's own rule would raise the limit to 1 MiB at the first free, and take the second block from the heap.
PROBE = """
import ctypes, sys
from trader.service.heap import keep_heap_flat
fields = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
Info = type("Info", (ctypes.Structure,), {"_fields_": [(name, ctypes.c_size_t) for name in fields]})
c = ctypes.CDLL(None)
c.mallinfo2.restype, c.malloc.restype, c.free.argtypes = Info, ctypes.c_void_p, [ctypes.c_void_p]
if "fixed" in sys.argv:
    assert keep_heap_flat()
c.free(c.malloc(1024 * 1024))
before = c.mallinfo2().hblks
c.malloc(256 * 1024)
print(c.mallinfo2().hblks - before)
"""


def mapped_blocks(*words: str) -> int:
    """How many blocks of their own a buffer of 256 KiB takes after one of 1 MiB was freed."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        env={**os.environ, "PYTHONPATH": str(APP)},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def test_a_freed_block_does_not_raise_the_limit() -> None:
    assert mapped_blocks() == 0, "the rule that this guards against is there"
    assert mapped_blocks("fixed") == 1
