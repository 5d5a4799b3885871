from __future__ import annotations

import ctypes
import platform
from pathlib import Path

import pytest
import torch

from labelmend.training.memory import kept_memory

resource = pytest.importorskip("resource")
# Past what glibc may have raised its own thresholds to, 64 MiB.
BYTES = 96 * 2**20


def faults_of_an_allocation() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(BYTES, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


# Resident bytes rather than the faults of getting them back: a kernel that maps large pages has few.
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_a_large_allocation_reuses_memory_inside_and_the_system_gets_it_back():
    with kept_memory():
        pass  # Gives back what earlier tests have left.
    before = resident_bytes()
    with kept_memory():
        # The first ones grow the heap, until what was freed lies together.
        again = min([faults_of_an_allocation() for _ in range(40)][-5:])
        kept = resident_bytes() - before
    assert again < BYTES / resource.getpagesize() / 10
    assert kept > 0.9 * BYTES
    assert resident_bytes() - before < 0.1 * BYTES


class Mallinfo2(ctypes.Structure):
    """What mallinfo2(3) returns; `hblkhd` is the bytes that are mapped apart from the heap."""

    _fields_ = [
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd")),
        ("others", ctypes.c_size_t * 5),
    ]


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="only glibc from 2.33 on tells what is mapped apart"
)
def test_large_tensors_are_mapped_apart_again_after_the_block():
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = Mallinfo2
    size = 2**32  # Never touched, and larger than any hole that the block has left in the heap.
    with kept_memory():
        pass
    before = mallinfo2().hblkhd
    untouched = torch.empty(size, dtype=torch.uint8)
    assert mallinfo2().hblkhd - before >= untouched.numel()


def test_the_defaults_return_when_the_block_fails():
    with pytest.raises(RuntimeError, match="inside"), kept_memory():
        raise RuntimeError("inside")
    assert torch.zeros(4).sum() == 0
