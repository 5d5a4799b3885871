"""Keep the memory of freed tensors for the next step."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

# Parameters of mallopt(3), from glibc's malloc.h, and their defaults.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
DEFAULT_TRIM_THRESHOLD, DEFAULT_MMAP_MAX = 128 * 1024, 65536
LARGEST = 2**31 - 1


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let glibc keep what is freed inside, and give it back to the system at the end.

    By default glibc maps each large tensor anew from the system and unmaps it when it is freed, so that
    every step pays a page fault for every 4 KiB of its activations: a sixth of the step on a virtual
    machine. With other C libraries this does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, LARGEST)
    try:
        yield
    finally:
        libc.mallopt(M_MMAP_MAX, DEFAULT_MMAP_MAX)
        libc.mallopt(M_TRIM_THRESHOLD, DEFAULT_TRIM_THRESHOLD)
        libc.malloc_trim(ctypes.c_size_t(0))
