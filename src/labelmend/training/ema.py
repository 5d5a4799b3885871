"""Exponential moving average of a network's weights."""

from __future__ import annotations

import copy

import torch

from labelmend.models.classifier import Classifier


class WeightAverage:
    """Keeps a network whose weights and batch-norm statistics follow another's.

    The decay grows as (1 + t) / (10 + t) up to its final value, so that the average forgets the
    random start quickly.

    Args:
        network: the network to follow.
        decay: final decay a step, in [0, 1); 0 makes ``average`` the network itself.

    Attributes:
        steps: t, steps taken since the start of the average.
    """

    def __init__(self, network: Classifier, decay: float) -> None:
        self.network = network
        self.decay = decay
        self.steps = 0
        self.average = network
        if decay > 0:
            self.average = copy.deepcopy(network)
            self.average.requires_grad_(False)
            self.average.eval()

    @property
    def has_gradient(self) -> bool:
        """Whether the last update trained the network."""
        return any(parameter.grad is not None for parameter in self.network.parameters())

    @torch.no_grad()
    def adopt(self) -> None:
        """Set the network to its average."""
        self.network.load_state_dict(self.average.state_dict())

    @torch.no_grad()
    def restart(self) -> None:
        """Begin anew at the network as it is now."""
        self.steps = 0
        if self.decay > 0:
            self.average.load_state_dict(self.network.state_dict())

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after one more step of the network."""
        self.steps += 1
        if self.decay == 0:
            return
        decay = min(self.decay, self.steps / (9 + self.steps))
        mine, theirs = self.average.state_dict(), self.network.state_dict()
        floats = [name for name, value in mine.items() if value.is_floating_point()]
        torch._foreach_lerp_([mine[n] for n in floats], [theirs[n] for n in floats], 1 - decay)
        for name, value in mine.items():
            if not value.is_floating_point():
                value.copy_(theirs[name])
