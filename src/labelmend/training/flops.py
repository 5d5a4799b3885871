"""Counted floating-point operations, by PyTorch's counter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.hooks import RemovableHandle

from labelmend.models.classifier import Classifier
from labelmend.models.frozen import use_heads
from labelmend.models.modes import evaluating


def flops_per_image(network: Classifier, shape: Sequence[int]) -> tuple[int, int]:
    """Operations of a forward pass, and of a forward and backward pass, on one image.

    Args:
        network: the network; its gradients and statistics are left as they were.
        shape: of an image: (channels, height, width), or (d,).
    """
    device = next(network.parameters()).device
    images = torch.zeros(1, *shape, device=device)
    with evaluating(network):
        # With gradients: without, the counter fails on a layer whose input is a view of a parameter.
        with FlopCounterMode(display=False) as counter, torch.enable_grad():
            network(images)
        forward = both = counter.get_total_flops()
        parameters = [p for p in network.parameters() if p.requires_grad]
        if parameters:
            # A step trains one of several heads on frozen features; a scoring pass asks all.
            use_heads(network, 0)
            with FlopCounterMode(display=False) as counter:
                torch.autograd.grad(network(images).sum(), parameters, allow_unused=True)
            use_heads(network, None)
            both = counter.get_total_flops()
    return forward, both


class FlopMeter:
    """Adds up operations: of the networks' passes, of what runs inside ``counting``, and what is added.

    A hook on each network counts its passes by the number of images (forward only without gradients,
    forward and backward with); this costs nothing in the training step. Other work of a few large operations
    (nearest search) is counted operation by operation inside ``counting``. Work of many small ones (training
    the hallucinator), which that would slow down ten times, is worked out and added.

    Attributes:
        total: operations so far.
        training_pass: of a forward and backward pass on one image, of the network whose pass costs most.
    """

    def __init__(self) -> None:
        self.total = 0.0
        self.training_pass = 0
        self._hooks_count = True
        self._handles: list[RemovableHandle] = []

    def watch(self, network: Classifier, shape: Sequence[int]) -> None:
        """Count every pass of ``network`` from now on."""
        forward, both = flops_per_image(network, shape)
        # Averages of weights, which are watched too, have no backward pass.
        self.training_pass = max(self.training_pass, both)

        def count(_module: nn.Module, args: tuple[Any, ...], _output: Tensor) -> None:
            if self._hooks_count:
                self.total += len(args[0]) * (both if torch.is_grad_enabled() else forward)

        self._handles.append(network.extractor.register_forward_hook(count))

    def close(self) -> None:
        """Leave the networks without hooks, as they were."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.training_pass = 0

    def add(self, operations: float) -> None:
        """Count work that was worked out."""
        self.total += operations

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count all operations run inside, networks included."""
        self._hooks_count = False
        try:
            with FlopCounterMode(display=False) as counter:
                yield
        finally:
            self._hooks_count = True
        self.total += counter.get_total_flops()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count nothing: scoring the test set is measurement, not training."""
        self._hooks_count = False
        try:
            yield
        finally:
            self._hooks_count = True
