"""Generalised cross-entropy, between cross-entropy (q -> 0) and mean absolute error (q = 1).

Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels",
NeurIPS 2018. Its variant with a truncated loss, which leaves samples out, is not built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import LEARNS_AS_GIVEN, Batch, Method
from labelmend.methods.plan import Progress


def generalised_cross_entropy(logits: Tensor, labels: Tensor, q: float) -> Tensor:
    """``L_q = (1 - p_y^q) / q`` of each sample (equation 6 of the paper).

    Args:
        logits: (B, C).
        labels: int64 (B,).
        q: in (0, 1].

    Returns:
        (B,), in [0, 1 / q].
    """
    own = logits.log_softmax(1).gather(1, labels[:, None])[:, 0]
    # As an exponential less one: for a small q the difference would be all rounding.
    return -(q * own).expm1() / q


@dataclass
class GceSettings(MethodSettings):
    """Settings of generalised cross-entropy."""

    name: ClassVar[str] = "gce"
    RANGES: ClassVar = {"q": Range(0, 1, low_open=True)}

    q: float = 0.7
    """q: near 0 cross-entropy, 1 mean absolute error, which bears more noise and learns more slowly."""


class Gce(Method):
    """Generalised cross-entropy on the given labels."""

    Settings: ClassVar[type[MethodSettings]] = GceSettings
    settings: GceSettings
    refuses_smoothing: ClassVar[str] = LEARNS_AS_GIVEN

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Mean loss of one step."""
        labels = self.task.given_labels[batch.index].to(self.task.device)
        logits = self.task.networks[0](batch.view()).float()
        return generalised_cross_entropy(logits, labels, self.settings.q).mean()
