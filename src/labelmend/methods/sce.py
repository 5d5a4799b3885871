"""Symmetric cross-entropy: cross-entropy, and the same with label and prediction changed over.

Wang et al., "Symmetric Cross Entropy for Robust Learning with Noisy Labels", ICCV 2019. Where the paper sets
log 0 = A, the released code raises absent labels to 1e-4, which is A = -9.21.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from labelmend.config import MethodSettings, Range, require
from labelmend.methods.base import LEARNS_AS_GIVEN, Batch, Method
from labelmend.methods.plan import Progress


def reverse_cross_entropy(logits: Tensor, labels: Tensor, log_zero: float) -> Tensor:
    """``-sum_c p_c log q_c`` of each sample, q being its label and log 0 = A: ``-A (1 - p_y)``.

    Args:
        logits: (B, C).
        labels: int64 (B,).
        log_zero: A, below 0; -2 gives the mean absolute error.

    Returns:
        (B,), in [0, -A].
    """
    return -log_zero * (1 - logits.softmax(1).gather(1, labels[:, None])[:, 0])


@dataclass
class SceSettings(MethodSettings):
    """Settings of symmetric cross-entropy."""

    name: ClassVar[str] = "sce"
    RANGES: ClassVar = {
        "alpha": Range(0),
        "beta": Range(0),
        "log_zero": Range(high=0, high_open=True),
    }

    alpha: float = 0.1
    """Weight of cross-entropy, which learns fast and learns wrong labels too."""
    beta: float = 1.0
    """Weight of reverse cross-entropy, which bears noise."""
    log_zero: float = -9.21
    """A: what the logarithm of 0 counts as in the reverse cross-entropy."""

    def __post_init__(self) -> None:
        """Validate the values."""
        super().__post_init__()
        require(
            self.alpha + self.beta > 0, "beta", self.beta, "above 0 where --alpha is 0: there is no loss else"
        )


class Sce(Method):
    """``alpha H(y~, p) + beta H(p, y~)`` on the given labels."""

    Settings: ClassVar[type[MethodSettings]] = SceSettings
    settings: SceSettings
    refuses_smoothing: ClassVar[str] = LEARNS_AS_GIVEN

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Mean loss of one step."""
        settings = self.settings
        labels = self.task.given_labels[batch.index].to(self.task.device)
        logits = self.task.networks[0](batch.view()).float()
        reverse = reverse_cross_entropy(logits, labels, settings.log_zero).mean()
        return settings.alpha * functional.cross_entropy(logits, labels) + settings.beta * reverse
