"""The trainable part of a network whose backbone is frozen: heads on features that are cached."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from labelmend.models.classifier import FeatureExtractor

FOLDS = 5


class StandardFeatures(FeatureExtractor):
    """Features in units of their own spread over the training images, about 1 long.

    Args:
        dim: d, of the cached features.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.feature_dim = dim
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def prepare(self, images: Tensor) -> None:
        """Take mean and spread from the features (M, d) of training images; constant ones become 0."""
        std, mean = torch.std_mean(images.double(), 0, correction=0)
        varies = std > 1e-6 * std.max().clamp(min=1e-12)
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(varies, 1 / (std * math.sqrt(self.feature_dim)), 0))

    def forward(self, images: Tensor) -> Tensor:
        """Cached features (B, d) to features (B, d)."""
        return (images - self.mean) * self.scale


class FoldedHeads(nn.Module):
    """Linear heads, each of which is kept from one part ("fold") of the training samples.

    A head that has learned a label cannot judge it; the one that has not seen the sample can.

    Args:
        feature_dim: d.
        num_outputs: K.
        folds: number of heads, two or more.

    Attributes:
        which: the head in use; an int64 tensor (B,) of one for each sample; or None for the mean of all,
            which is for samples that none has seen.
    """

    which: int | Tensor | None

    def __init__(self, feature_dim: int, num_outputs: int, folds: int = FOLDS) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(feature_dim, num_outputs) for _ in range(folds))
        self.which = None

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, d) to logits (B, K) of the heads in use."""
        if isinstance(self.which, int):
            logits: Tensor = self.heads[self.which](features)
            return logits
        every = torch.stack([head(features) for head in self.heads])
        if self.which is None:
            return every.mean(0)
        return every[self.which.to(every.device), torch.arange(len(features), device=every.device)]


def use_heads(network: nn.Module, which: int | Tensor | None) -> None:
    """Choose the head of every ``FoldedHeads`` in a network; see its attribute ``which``."""
    for module in network.modules():
        if isinstance(module, FoldedHeads):
            module.which = which
