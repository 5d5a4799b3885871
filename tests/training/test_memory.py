from __future__ import annotations

import platform

import pytest
import torch

from labelmend.training.memory import kept_memory

resource = pytest.importorskip("resource")
BYTES = 48 * 2**20


def faults_of_an_allocation() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(BYTES, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_a_large_allocation_reuses_memory_inside_and_the_system_gets_it_back():
    with kept_memory():
        # The first ones grow the heap, until what was freed lies together.
        inside = min([faults_of_an_allocation() for _ in range(40)][-5:])
    outside = faults_of_an_allocation()
    pages = BYTES // resource.getpagesize()
    assert inside < pages / 10
    assert outside > pages / 2


def test_the_defaults_return_when_the_block_fails():
    with pytest.raises(RuntimeError, match="inside"), kept_memory():
        raise RuntimeError("inside")
    assert torch.zeros(4).sum() == 0
