"""Keeps the C heap from growing with every order.

Reads of a TLS connection ask for buffers of 256 KiB and give most of each back at once. glibc starts by
mapping blocks of 128 KiB and more by themselves; after the first such block is freed it raises that limit by
its own rule (mallopt(3), M_MMAP_THRESHOLD) and cuts the next ones out of the heap, where what lives longer
comes to lie between them. The heap then grew by 1.3 kB an order, all of it free and none of it usable:
measured with mallinfo2(3), 37 MB in an hour of trade.
"""

import ctypes
import os
from pathlib import Path

M_MMAP_THRESHOLD = -3
THRESHOLD_BYTES = 128 * 1024  # glibc's own first value; setting it is what ends the rule


def keep_heap_flat() -> bool:
    """Fix the limit for this process.

    Returns:
        Whether the C library took it; another one than glibc has no such rule and no such call.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(M_MMAP_THRESHOLD, THRESHOLD_BYTES) == 1


def resident_bytes() -> int:
    """Memory of this process that is in RAM.

    Source: proc(5), /proc/pid/statm, second field, in pages.
    """
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
