"""A network in two parts: a feature extractor and a linear head."""

from __future__ import annotations

from torch import Tensor, nn


class Classifier(nn.Module):
    """Feature extractor f and linear head g (section 3 of the paper).

    Args:
        extractor: maps images (B, channels, height, width) to features (B, d).
        feature_dim: d.
        num_classes: C.
    """

    def __init__(self, extractor: nn.Module, feature_dim: int, num_classes: int) -> None:
        super().__init__()
        self.extractor = extractor
        self.classifier = nn.Linear(feature_dim, num_classes)
        self.feature_dim = feature_dim
        self.num_classes = num_classes

    def features(self, images: Tensor) -> Tensor:
        """Features s = f(x), shape (B, d)."""
        features: Tensor = self.extractor(images)
        return features

    def head(self, features: Tensor) -> Tensor:
        """Logits g(s), shape (B, C)."""
        logits: Tensor = self.classifier(features)
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Logits g(f(x)), shape (B, C)."""
        return self.head(self.features(images))
