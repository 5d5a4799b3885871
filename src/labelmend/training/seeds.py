"""Independent random streams of one seed."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """What a stream is for."""

    BATCHES = 0
    METHOD = 1
    HELD_OUT = 2
    MIRRORING = 3


def stream(seed: int, purpose: Purpose) -> torch.Generator:
    """A generator that shares its draws with no other purpose and no other seed.

    Seeds that differ by one must not share streams, as they would with ``manual_seed(seed + purpose)``.

    Args:
        seed: of the run, 0 or more.
        purpose: of the stream.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(int(purpose),))
    return torch.Generator().manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)))
