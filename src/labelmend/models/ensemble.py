"""Several classifiers as one, at test time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from labelmend.models.classifier import Classifier


class Ensemble(nn.Module):
    """Classifiers whose logits are averaged, with the face of one ``Classifier``.

    Args:
        networks: one or more, with features of any dimension d each and the same number of outputs K.

    Raises:
        ValueError: If there is none, or their outputs differ.
    """

    def __init__(self, networks: Iterable[Classifier]) -> None:
        super().__init__()
        members = list(networks)
        outputs = sorted({member.num_outputs for member in members})
        if len(outputs) != 1:
            raise ValueError(f"an ensemble needs networks with one number of outputs, not {outputs}")
        self.networks = nn.ModuleList(members)
        self._dims = [member.feature_dim for member in members]
        self.feature_dim = sum(self._dims)
        self.num_outputs = outputs[0]

    def _members(self) -> list[Classifier]:
        return cast(list[Classifier], list(self.networks))

    def features(self, images: Tensor) -> Tensor:
        """The features of all networks side by side, shape (B, sum of d)."""
        return torch.cat([network.features(images) for network in self._members()], 1)

    def head(self, features: Tensor) -> Tensor:
        """Mean logits of the networks, each on its own part of the features, shape (B, K)."""
        parts = zip(self._members(), features.split(self._dims, 1), strict=True)
        return torch.stack([network.head(part) for network, part in parts]).mean(0)

    def forward(self, images: Tensor) -> Tensor:
        """Mean logits of images (B, channels, H, W), shape (B, K)."""
        return self.head(self.features(images))
