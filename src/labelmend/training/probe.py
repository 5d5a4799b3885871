"""Choose precision and memory format by timing a few small batches before training."""

from __future__ import annotations

import copy
import time

import torch
from torch import nn

from labelmend.training.arithmetic import Arithmetic
from labelmend.training.machine import has_bfloat16

CANDIDATES = (("float32", "channels_last"), ("float32", "contiguous"), ("bfloat16", "channels_last"))

# What the processor is built for is taken unless another candidate is this much faster: a busy machine tips
# close races, and with them the results of two runs of the same seed. bfloat16 gains 1.3 to 3 where it is
# native, which a lower bar would leave to chance.
FAR_FASTER = 2.0

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


def _allowed(device: torch.device, precision: str, memory_format: str) -> list[tuple[str, str]]:
    """Candidates that the settings leave, what the device is built for first."""
    order = sorted(CANDIDATES, key=lambda candidate: candidate[0] == "bfloat16", reverse=has_bfloat16(device))
    return [c for c in order if precision in ("auto", c[0]) and memory_format in ("auto", c[1])]


def probe(
    network: nn.Module,
    shape: tuple[int, int, int],
    device: torch.device,
    precision: str = "auto",
    memory_format: str = "auto",
) -> tuple[Arithmetic, dict[str, float]]:
    """Choose how to train a network on this machine: as it is built for, unless that proves slow.

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
    candidates = _allowed(device, precision, memory_format)
    if len(candidates) < 2:
        chosen = candidates[0] if candidates else (precision, memory_format)
        return Arithmetic(device, *chosen), {}
    trials = []
    for candidate in candidates:
        arithmetic = Arithmetic(device, *candidate)
        trial = copy.deepcopy(network).train()
        arithmetic.place_module(trial)
        _step_seconds(trial, shape, FIRST_IMAGES, arithmetic)
        small = min(_step_seconds(trial, shape, FIRST_IMAGES, arithmetic) for _ in range(2))
        trials.append((trial, arithmetic, small))
    hopeless = HOPELESS * min(seconds for _, _, seconds in trials)
    speeds: dict[str, float] = {}
    best: tuple[Arithmetic, float] | None = None
    for trial, arithmetic, first in trials:
        if first > hopeless:
            continue
        _step_seconds(trial, shape, TIMED_IMAGES, arithmetic)
        seconds = min(_step_seconds(trial, shape, TIMED_IMAGES, arithmetic) for _ in range(TIMED_STEPS))
        speeds[f"{arithmetic.precision} {arithmetic.memory_format}"] = TIMED_IMAGES / seconds
        if best is None or seconds * FAR_FASTER < best[1]:
            best = (arithmetic, seconds)
    assert best is not None
    return best[0], speeds
