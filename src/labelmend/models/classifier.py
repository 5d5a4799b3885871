"""A network in two parts: a feature extractor and a linear head."""

from __future__ import annotations

from torch import Tensor, nn


class FeatureExtractor(nn.Module):
    """Maps images (B, channels, height, width) to features (B, d).

    Attributes:
        feature_dim: d.
    """

    feature_dim: int

    def prepare(self, images: Tensor) -> None:
        """Fit to some normalised training images (M, channels, H, W) before training; here, do nothing."""


class Classifier(nn.Module):
    """Feature extractor f and linear head g (section 3 of the paper).

    Args:
        extractor: maps images (B, channels, height, width) to features (B, d).
        classifier: the head: features (B, d) to logits (B, K).
        feature_dim: d.
        num_outputs: logits of the head, K: the number of classes, or more where a method adds outputs.
    """

    extractor: FeatureExtractor

    def __init__(
        self, extractor: FeatureExtractor, classifier: nn.Module, feature_dim: int, num_outputs: int
    ) -> None:
        super().__init__()
        self.extractor = extractor
        self.classifier = classifier
        self.feature_dim = feature_dim
        self.num_outputs = num_outputs

    def prepare(self, images: Tensor) -> None:
        """Let the extractor fit itself to the data before training.

        Args:
            images: some normalised training images (M, channels, H, W).
        """
        self.extractor.prepare(images)

    def features(self, images: Tensor) -> Tensor:
        """Features s = f(x), shape (B, d)."""
        features: Tensor = self.extractor(images)
        return features

    def head(self, features: Tensor) -> Tensor:
        """Logits g(s), shape (B, K)."""
        logits: Tensor = self.classifier(features)
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Logits g(f(x)), shape (B, K)."""
        return self.head(self.features(images))
