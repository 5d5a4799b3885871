"""Choose precision and memory format by timing a few small batches before training."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator

import torch
from torch import nn

from labelmend.training.arithmetic import Arithmetic

CANDIDATES = (("float32", "channels_last"), ("float32", "contiguous"), ("bfloat16", "channels_last"))

# A later candidate must be clearly faster, so that noise in the timing cannot change the choice
# (and with it the results) from one run to the next on the same machine.
CLEARLY_FASTER = 1.3

# bfloat16 convolution without hardware support is tens of times slower: one step of this many
# images shows it within a second, where a full batch would take a minute.
FIRST_IMAGES, TIMED_IMAGES, TIMED_STEPS = 2, 64, 3
HOPELESS = 3.0


def _step_seconds(
    network: nn.Module, shape: tuple[int, int, int], batch: int, arithmetic: Arithmetic
) -> float:
    generator = torch.Generator().manual_seed(0)
    images = arithmetic.place_images(torch.randn(batch, *shape, generator=generator))
    start = time.perf_counter()
    with arithmetic.autocast():
        loss = network(images).float().logsumexp(1).mean()
    loss.backward()
    if arithmetic.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _allowed(precision: str, memory_format: str) -> Iterator[tuple[str, str]]:
    for candidate in CANDIDATES:
        if precision in ("auto", candidate[0]) and memory_format in ("auto", candidate[1]):
            yield candidate


def probe(
    network: nn.Module,
    shape: tuple[int, int, int],
    device: torch.device,
    precision: str = "auto",
    memory_format: str = "auto",
) -> tuple[Arithmetic, dict[str, float]]:
    """Find the fastest way to train a network on this machine.

    Args:
        network: the network to be trained; a copy is timed.
        shape: (channels, height, width) of the images.
        device: where it will be trained.
        precision: ``float32`` or ``bfloat16`` to fix the precision, ``auto`` to choose.
        memory_format: ``channels_last`` or ``contiguous`` to fix the layout, ``auto`` to choose.

    Returns:
        The choice, and the images a second of each candidate that was timed to the end
        (empty where nothing was left to choose).
    """
    candidates = list(_allowed(precision, memory_format))
    if len(candidates) < 2:
        chosen = candidates[0] if candidates else (precision, memory_format)
        return Arithmetic(device, *chosen), {}
    speeds: dict[str, float] = {}
    best: tuple[Arithmetic, float] | None = None
    first_seconds = float("inf")
    for candidate in candidates:
        arithmetic = Arithmetic(device, *candidate)
        trial = copy.deepcopy(network).train()
        arithmetic.place_module(trial)
        _step_seconds(trial, shape, FIRST_IMAGES, arithmetic)
        small = _step_seconds(trial, shape, FIRST_IMAGES, arithmetic)
        if small > HOPELESS * first_seconds:
            continue
        first_seconds = min(first_seconds, small)
        _step_seconds(trial, shape, TIMED_IMAGES, arithmetic)
        seconds = min(_step_seconds(trial, shape, TIMED_IMAGES, arithmetic) for _ in range(TIMED_STEPS))
        speeds[f"{candidate[0]} {candidate[1]}"] = TIMED_IMAGES / seconds
        if best is None or seconds * CLEARLY_FASTER < best[1]:
            best = (arithmetic, seconds)
    assert best is not None
    return best[0], speeds
