"""Parts of the samples, each of which is judged by what has learned the others."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def stratified_folds(
    labels: Tensor, folds: int, generator: torch.Generator, groups: Tensor | None = None
) -> Tensor:
    """Which fold each sample is in, at random, so that each has its share of each class, up to one sample.

    Of groups each fold has its share by number, up to one group of each class, whatever their sizes; a group
    of several labels counts as the last of them.

    Args:
        labels: int64 (N,), given labels.
        folds: how many.
        generator: source of the order.
        groups: int64 (N,); samples of one group are in one fold. By default each is a group of its own.

    Returns:
        int64 (N,), in [0, folds).
    """
    group_of = torch.arange(len(labels)) if groups is None else groups.unique(return_inverse=True)[1]
    number = int(group_of.max()) + 1 if len(group_of) else 0
    # Not in torch, where threads would race for the label of a group.
    label_of = np.empty(number, dtype=np.int64)
    label_of[group_of.numpy()] = labels.numpy()
    shuffled = torch.randperm(number, generator=generator)
    by_class = shuffled[torch.from_numpy(label_of)[shuffled].argsort(stable=True)]
    fold_of = torch.empty(number, dtype=torch.int64)
    fold_of[by_class] = torch.arange(number) % folds
    return fold_of[group_of]
