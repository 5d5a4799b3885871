"""About how fast a network trains on this machine, for an estimate of the time; nothing is chosen by it."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence

import torch
from torch import nn

from labelmend.training.arithmetic import Arithmetic

BATCH = 8
"""Images of a timed step: few, because one step cannot be stopped in its middle."""

SECONDS = 0.5
"""No step is begun after this."""


def images_per_second(network: nn.Module, shape: Sequence[int], arithmetic: Arithmetic) -> float:
    """Images a second in forward and backward passes, from small batches; larger ones can be faster.

    Args:
        network: the network to be trained; a copy is timed.
        shape: (channels, height, width) of the images, or (d,) of features.
        arithmetic: device, precision and memory format.
    """
    trial = copy.deepcopy(network).train()
    arithmetic.place_module(trial)
    images = torch.randn(BATCH, *shape, generator=torch.Generator().manual_seed(0))
    began, best = time.perf_counter(), 0.0
    # The first step sets things up, and its time says little; it stands where there is no time for another.
    while not best or time.perf_counter() - began < SECONDS:
        best = max(best, BATCH / _step_seconds(trial, images, arithmetic))
    return best


def _step_seconds(network: nn.Module, images: torch.Tensor, arithmetic: Arithmetic) -> float:
    start = time.perf_counter()
    with arithmetic.autocast():
        loss = network(arithmetic.place_images(images)).float().logsumexp(1).mean()
    arithmetic.backward(loss)
    if arithmetic.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
