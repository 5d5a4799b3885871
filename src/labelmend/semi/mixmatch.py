"""The batch of a MixMatch step: views of labelled and unlabelled samples, mixed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from labelmend.semi.mixup import mixed_at_random


def mixmatch_batch(
    views: Sequence[Tensor], targets: Tensor, labelled: Tensor, alpha: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, int]:
    """Put labelled samples first and mix all views with one permutation of them (section 3.4).

    Args:
        views: V tensors (B, ...), views of the same samples.
        targets: (B, C), of each sample; rows sum to 1.
        labelled: bool (B,), on the CPU.
        alpha: of Beta(alpha, alpha), 0 or more.
        generator: source of coefficient and permutation, on the CPU.

    Returns:
        Mixed inputs (V B, ...), mixed targets (V B, C), and how many of the first rows come from labelled
        samples.
    """
    of_views = labelled.repeat(len(views))
    order = torch.argsort((~of_views).to(torch.int8), stable=True).to(targets.device)
    inputs, targets = torch.cat(list(views))[order], targets.repeat(len(views), 1)[order]
    return *mixed_at_random(inputs, targets, alpha, generator), int(of_views.sum())


def equal_parts(
    labelled: Tensor, learnable: Tensor, batch_size: int, generator: torch.Generator
) -> list[tuple[Tensor, Tensor]] | None:
    """One pass over the labelled samples in random order, with as many unlabelled ones in each step.

    The unlabelled samples are cycled through, in a new random order each time (DivideMix).

    Args:
        labelled: bool (N,).
        learnable: bool (N,), samples that may be in a step.
        batch_size: samples a step, half of them labelled.
        generator: source of the orders.

    Returns:
        Indices of the labelled and of the unlabelled samples of each step; None where either are missing.
    """
    inside, outside = _both(labelled, learnable)
    if not len(inside) or not len(outside):
        return None
    first = inside[torch.randperm(len(inside), generator=generator)].split(max(batch_size // 2, 1))
    second = cycled(outside, len(inside), generator).split([len(step) for step in first])
    return list(zip(first, second, strict=True))


def parts_by_size(
    labelled: Tensor, learnable: Tensor, batch_size: int, generator: torch.Generator
) -> list[tuple[Tensor, Tensor]]:
    """As many steps as a pass over learnable samples has, each split as they are, at most half unlabelled.

    Both kinds are cycled through, in a new random order each time (PES). Either may be missing.

    Args:
        labelled: bool (N,).
        learnable: bool (N,), samples that may be in a step.
        batch_size: samples a step.
        generator: source of the orders.

    Returns:
        Indices of the labelled and of the unlabelled samples of each step.
    """
    inside, outside = _both(labelled, learnable)
    samples = len(inside) + len(outside)
    steps = max(samples // batch_size, 1)
    share = min(len(outside) / samples, 0.5) if len(inside) else 1.0
    unlabelled = round(share * batch_size)
    first = cycled(inside, steps * (batch_size - unlabelled), generator).reshape(
        steps, batch_size - unlabelled
    )
    second = cycled(outside, steps * unlabelled, generator).reshape(steps, unlabelled)
    return list(zip(first, second, strict=True))


def _both(labelled: Tensor, learnable: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the learnable samples that are labelled, and of those that are not."""
    return (labelled & learnable).nonzero()[:, 0], (~labelled & learnable).nonzero()[:, 0]


def cycled(index: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``count`` of the given indices, each pass over them in a new random order."""
    passes = -(-count // max(len(index), 1))
    orders = [index[torch.randperm(len(index), generator=generator)] for _ in range(passes)]
    return torch.cat([*orders, index[:0]])[:count]
