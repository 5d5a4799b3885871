"""Independent random streams of one seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """What a stream is for."""

    BATCHES = 0
    METHOD = 1
    HELD_OUT = 2
    MIRRORING = 3
    LAYERS = 4


def stream(seed: int, purpose: Purpose) -> torch.Generator:
    """A generator that shares its draws with no other purpose and no other seed.

    Seeds that differ by one must not share streams, as they would with ``manual_seed(seed + purpose)``.

    Args:
        seed: of the run, 0 or more.
        purpose: of the stream.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(int(purpose),))
    return torch.Generator().manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)))


def layer_seed(seed: int, epoch: int, step: int) -> int:
    """A seed for what layers draw in one step, in [0, 2^32); where the run is tells it, so none is saved.

    Args:
        seed: of the run, 0 or more.
        epoch: of the run, from 1.
        step: of the epoch, from 0.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(int(Purpose.LAYERS), epoch, step))
    return int(sequence.generate_state(1, np.uint32)[0])


@contextmanager
def own_draws(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, PyTorch's global generators draw from ``seed``; afterwards they are as they were.

    Layers such as dropout and stochastic depth know no others.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
