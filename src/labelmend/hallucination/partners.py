"""Which easy features are mixed with which."""

from __future__ import annotations

import torch
from torch import Tensor


def sample_partners(labels: Tensor, per_sample: int, generator: torch.Generator) -> Tensor:
    """Draw partners ``s_v`` of another class for every easy sample ``s_u`` (section 3.2).

    The first ``min(per_sample, C - 1)`` partners of a sample are of different classes, hence one from
    each other class when ``per_sample >= C - 1``; the classes of further ones are drawn at random.
    Which classes, and which sample of a class, is uniform. C counts the classes among ``labels``.

    Args:
        labels: int64 (M,), labels of the easy samples.
        per_sample: partners of each.
        generator: source of the draws.

    Returns:
        int64 (M, per_sample), positions in ``labels``; (M, 0) when there are fewer than two classes.
    """
    device = generator.device
    classes, members = torch.unique(labels.to(device), return_inverse=True)
    others = len(classes) - 1
    if others < 1:
        return torch.empty(len(labels), 0, dtype=torch.int64, device=labels.device)
    shape = (len(labels), per_sample)
    # A cycle through the classes in random order, which each sample enters at random.
    cycle = torch.randperm(others + 1, generator=generator, device=device)
    step = torch.arange(per_sample, device=device).expand(shape)
    entry = torch.randint(others, (len(labels), 1), generator=generator, device=device)
    free = torch.randint(others, shape, generator=generator, device=device)
    offset = torch.where(step < others, (entry + step) % others, free)
    partner_class = cycle[(torch.argsort(cycle)[members][:, None] + 1 + offset) % (others + 1)]
    counts = torch.bincount(members)
    starts = counts.cumsum(0) - counts
    uniform = torch.rand(shape, generator=generator, device=device, dtype=torch.float64)
    within = (uniform * counts[partner_class]).long()
    positions = torch.argsort(members, stable=True)[starts[partner_class] + within]
    return positions.to(labels.device)
