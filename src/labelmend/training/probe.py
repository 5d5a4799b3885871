"""About how fast a network trains on this machine, for an estimate of the time; nothing is chosen by it."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence

import torch
from torch import nn

from labelmend.training.arithmetic import Arithmetic
from labelmend.training.seeds import own_draws

FEWEST = 8
"""Images of the first timed step: few, because one step cannot be stopped in its middle."""

SECONDS = 0.5
"""No step is begun after this."""

QUICK = SECONDS / 10
"""Seconds of a step; after one that takes less, the next has twice its images."""


def images_per_second(
    network: nn.Module, shape: Sequence[int], arithmetic: Arithmetic, batch_size: int
) -> float:
    """Images a second in forward and backward passes.

    Small steps of small images are slow for what they do, so they are timed with as many images as the time
    allows; where a step of ``batch_size`` images has no room, the network can train faster than is found.

    Args:
        network: the network to be trained; a copy is timed.
        shape: (channels, height, width) of the images, or (d,) of features.
        arithmetic: device, precision and memory format.
        batch_size: images of a training step; no timed step has more.
    """
    trial = copy.deepcopy(network).train()
    with own_draws(0, arithmetic.device):
        return _timed(trial, shape, arithmetic, batch_size)


def _timed(trial: nn.Module, shape: Sequence[int], arithmetic: Arithmetic, batch_size: int) -> float:
    arithmetic.place_module(trial)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(min(FEWEST, batch_size), *shape, generator=generator)
    began, best = time.perf_counter(), 0.0
    # The first step sets things up, and its time says little; it stands where there is no time for another.
    while not best or time.perf_counter() - began < SECONDS:
        seconds = _step_seconds(trial, images, arithmetic)
        best = max(best, len(images) / seconds)
        if seconds < QUICK:
            images = torch.randn(min(2 * len(images), batch_size), *shape, generator=generator)
    return best


def _step_seconds(network: nn.Module, images: torch.Tensor, arithmetic: Arithmetic) -> float:
    start = time.perf_counter()
    with arithmetic.autocast():
        loss = network(arithmetic.place_images(images)).float().logsumexp(1).mean()
    arithmetic.backward(loss)
    if arithmetic.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
