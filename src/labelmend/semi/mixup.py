"""Mixup of images and their soft labels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def mixup_coefficients(alpha: float, generator: torch.Generator) -> float:
    """``max(l, 1 - l)`` with ``l ~ Beta(alpha, alpha)``: one coefficient for a batch (MixMatch).

    Args:
        alpha: 0 or more; 0 gives 1, no mixing.
        generator: source of the draw. It seeds NumPy's exact sampler, as torch's takes no generator.

    Returns:
        In [0.5, 1].
    """
    if alpha == 0:
        return 1.0
    seed = torch.randint(2**62, (1,), generator=generator, device=generator.device).item()
    drawn = float(np.random.default_rng(int(seed)).beta(alpha, alpha))
    return max(drawn, 1 - drawn)


def mixed_at_random(
    inputs: Tensor, targets: Tensor, alpha: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """``mixup`` with one coefficient of Beta(alpha, alpha) and one permutation, drawn in this order.

    Args:
        inputs: (B, ...).
        targets: (B, C), on the device of the inputs.
        alpha: 0 or more.
        generator: source of both, on the CPU.

    Returns:
        Mixed inputs and mixed targets, of the same shapes.
    """
    coefficient = mixup_coefficients(alpha, generator)
    permutation = torch.randperm(len(inputs), generator=generator).to(inputs.device)
    return mixup(inputs, targets, coefficient, permutation)


def mixup(inputs: Tensor, targets: Tensor, coefficient: float, permutation: Tensor) -> tuple[Tensor, Tensor]:
    """Mix each sample with the one that the permutation puts in its place.

    Args:
        inputs: (B, ...).
        targets: (B, C).
        coefficient: weight of the sample itself, in [0.5, 1].
        permutation: int64 (B,).

    Returns:
        Mixed inputs and mixed targets, of the same shapes.
    """
    return (
        torch.lerp(inputs[permutation], inputs, coefficient),
        torch.lerp(targets[permutation], targets, coefficient),
    )
