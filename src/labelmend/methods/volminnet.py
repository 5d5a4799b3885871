"""VolMinNet: network and transition matrix are learned together, the matrix kept small in volume.

Li et al., "Provably End-to-end Label-Noise Learning without Anchor Points", ICML 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import LEARNS_AS_GIVEN, Batch, Method, Task
from labelmend.methods.plan import OptimizerPlan, ParameterGroup, Progress
from labelmend.transition.forward import forward_loss
from labelmend.transition.noise_rate import implied_noise_rate
from labelmend.transition.volume import first_weight, log_volume, volume_transition


@dataclass
class VolMinNetSettings(MethodSettings):
    """Settings of VolMinNet."""

    name: ClassVar[str] = "volminnet"
    RANGES: ClassVar = {
        "volume_weight": Range(0),
        "transition_lr": Range(0, low_open=True),
    }

    volume_weight: float = 1e-4
    """lambda: weight of the logarithm of the volume of T."""
    transition_lr: float = 0.1
    """Peak learning rate of T, by SGD without weight decay. Published: 0.01 over 28,000 steps,
    many more than a small budget has; 0.1 in the protocol of CIFAR-N."""


class VolMinNet(Method):
    """``-log (T^T p)_y~ + lambda log |det T|``, over the network and T; predictions are p."""

    Settings: ClassVar[type[MethodSettings]] = VolMinNetSettings
    settings: VolMinNetSettings
    refuses_smoothing: ClassVar[str] = LEARNS_AS_GIVEN

    def __init__(self, settings: VolMinNetSettings, task: Task) -> None:
        super().__init__(settings, task)
        classes = task.num_classes
        self.transition_weights = nn.Parameter(torch.full((classes, classes), first_weight(classes)))

    def optimizers(self, stage: int) -> dict[str, OptimizerPlan]:
        """One for the network, one for T; both take a step in each update."""
        group = ParameterGroup((self.transition_weights,), weight_decay=0.0)
        return {
            **super().optimizers(stage),
            "transition": OptimizerPlan((group,), lr=self.settings.transition_lr),
        }

    @property
    def transition(self) -> Tensor:
        """T[true, given], (C, C), as learned so far."""
        return volume_transition(self.transition_weights)

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Mean forward-corrected cross-entropy, and the volume of T."""
        labels = self.task.given_labels[batch.index].to(self.task.device)
        transition = self.transition
        fit = forward_loss(self.task.networks[0](batch.view()).float(), labels, transition).mean()
        return fit + self.settings.volume_weight * log_volume(transition)

    def validation_loss(self, logits: Tensor, given_labels: Tensor) -> Tensor:
        """Forward-corrected cross-entropy (B,): held-out labels are as noisy as all others."""
        return forward_loss(logits, given_labels, self.transition)

    def metrics(self) -> dict[str, float]:
        """The noise rate that T implies, for classes as frequent as in the given labels."""
        return {"estimated_noise_rate": implied_noise_rate(self.transition, self.task.given_labels)}
