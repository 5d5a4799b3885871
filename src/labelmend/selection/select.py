"""Section 3.1 from end to end: class probabilities -> losses -> easiness -> easy set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from labelmend.selection.easiness import given_label_losses, loss_mixture
from labelmend.selection.easy_set import select_by_threshold, select_easy


@dataclass(frozen=True)
class EasySet:
    """What section 3.1 makes of N samples.

    Attributes:
        easy: bool (N,), S_e.
        easiness: float32 (N,), in [0, 1], high = easy.
        collapsed: whether the losses form one group; see ``loss_mixture``.
    """

    easy: Tensor
    easiness: Tensor
    collapsed: bool


def select(
    probabilities: Tensor,
    given_labels: Tensor,
    trusted: Tensor,
    *,
    rule: Literal["balanced", "gmm"],
    percent: float,
) -> EasySet:
    """Choose the easy samples.

    Args:
        probabilities: (N, C), of a network in evaluation mode; rows sum to 1.
        given_labels: int64 (N,).
        trusted: bool (N,), samples that are easy whatever their loss.
        rule: ``balanced`` takes equal shares of the classes (eq. 1), ``gmm`` all of easiness above one half.
        percent: P of eq. 1; not used by ``gmm``.
    """
    losses = given_label_losses(probabilities, given_labels)
    mixture = loss_mixture(losses)
    if rule == "gmm":
        easy = select_by_threshold(mixture.easiness) | trusted
    else:
        classes = probabilities.shape[1]
        easy = select_easy(given_labels, mixture.easiness, losses, classes, percent, trusted)
    return EasySet(easy, mixture.easiness, mixture.collapsed)
