"""All anchors of the easy set, made some at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

AnchorBlock = tuple[Tensor, Tensor, Tensor]
"""Some anchors: features (B, d), labels int64 (B,), index int64 (B,) of the easy sample behind each."""

AnchorMaker = Callable[[Tensor, Tensor], Tensor]
"""From features s_u (B, d) and s_v (B, d) to anchors (B, d)."""

BLOCK = 8192


@torch.no_grad()
def anchor_blocks(
    features: Tensor, labels: Tensor, partners: Tensor, make: AnchorMaker
) -> Iterator[AnchorBlock]:
    """Anchors ``s_a = h(s_u, s_v)`` of every easy sample with each of its partners (section 3.2).

    Args:
        features: (M, d), of the easy samples.
        labels: int64 (M,), which the anchors take.
        partners: int64 (M, R), positions in ``features``, from ``sample_partners``.
        make: the hallucinator, or another maker of anchors.

    Yields:
        About ``BLOCK`` anchors at a time, R for each sample, in the order of the samples.
    """
    per_sample = partners.shape[1]
    if per_sample == 0:
        return
    for rows in torch.arange(len(labels)).split(max(BLOCK // per_sample, 1)):
        source = rows.repeat_interleave(per_sample)
        yield make(features[source], features[partners[rows].flatten()]), labels[source], source
