"""Class probabilities as they would be if all classes were of one size."""

from __future__ import annotations

import torch
from torch import Tensor

# A class weighs at most so many times as much as the largest. What is divided out beyond is less the size of
# a class than what a network leaves to each class that is none: a label misspelt once became everybody's.
MOST = 10


def balanced(probabilities: Tensor, given_labels: Tensor) -> Tensor:
    """Divide out how often each class is given: ``p_c / n_c``, scaled to sum to 1 (logit adjustment).

    A network that sees ten images of one class for each of another thinks little of the smaller one. Its
    losses are then high, its guesses are of other classes, and a network that is trained on them forgets it.
    Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, adjust finished logits alike.

    Args:
        probabilities: (N, C), rows sum to 1.
        given_labels: int64 (N,), in [0, C).

    Returns:
        (N, C), rows sum to 1; the same where all classes are given equally often. A class counts as a tenth
        of the largest if it is smaller; one that is never given counts as the largest.
    """
    sizes = torch.bincount(given_labels, minlength=probabilities.shape[1]).to(probabilities)
    largest = sizes.max().clamp(min=1)
    weighted = probabilities / torch.where(sizes > 0, sizes.clamp(min=largest / MOST), largest)
    return weighted / weighted.sum(1, keepdim=True)
