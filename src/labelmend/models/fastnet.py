"""``fastnet``: a small convolutional network with a whitening stem, for images of up to 64 px.

In the spirit of Keller Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (2024): the first
layer is fixed to the whitening transform of 2 x 2 patches, so that training starts on decorrelated
inputs, and the rest is plain 3 x 3 convolutions.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmend.models.classifier import FeatureExtractor

STEM_SIDE = 2
Activation = Callable[[Tensor], Tensor]

# In place: each follows a batch norm, a sum or the stem, none of which needs its own output again.
ACTIVATIONS: dict[str, Activation] = {"relu": torch.relu_, "gelu": functional.gelu}


def whitening_filters(patches: Tensor, eps: float = 5e-4) -> Tensor:
    """Filters that whiten image patches, and their negatives.

    Args:
        patches: (M, channels, k, k), normalised pixels.
        eps: added to the eigenvalues, so that directions without variance do not blow up.

    Returns:
        (2 * channels * k * k, channels, k, k): eigenvectors of the patch covariance, each divided by
        the root of its eigenvalue, followed by the same filters with the opposite sign.
    """
    _, channels, height, width = patches.shape
    flat = patches.flatten(1).double()
    flat = flat - flat.mean(0)
    eigenvalues, eigenvectors = torch.linalg.eigh(flat.T @ flat / max(len(flat) - 1, 1))
    filters = (eigenvectors / torch.sqrt(eigenvalues.clamp(min=0) + eps)).T
    filters = filters.reshape(-1, channels, height, width).float()
    return torch.cat([filters, -filters])


class WhiteningStem(nn.Conv2d):
    """The first convolution, whose weights come from the data and are not trained."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 2 * channels * STEM_SIDE**2, STEM_SIDE, bias=False)
        self.weight.requires_grad_(False)

    def fit(self, images: Tensor) -> None:
        """Take the whitening filters of some normalised images (M, channels, H, W)."""
        patches = images.unfold(2, STEM_SIDE, STEM_SIDE).unfold(3, STEM_SIDE, STEM_SIDE)
        patches = patches.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
        with torch.no_grad():
            self.weight.copy_(whitening_filters(patches))


class Stage(nn.Module):
    """Convolution, pooling, then ``depth - 1`` further convolutions; from the third on, residual."""

    def __init__(self, channels_in: int, channels: int, pool: bool, activations: list[Activation]) -> None:
        super().__init__()
        depth, self.activations = len(activations), activations
        sizes = [channels_in] + [channels] * depth
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairwise(sizes)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(depth))
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) to (B, channels, H // 2, W // 2), or unpooled."""
        layers = zip(self.convolutions, self.norms, self.activations, strict=True)
        for i, (convolution, norm, activation) in enumerate(layers):
            y = convolution(x)
            y = norm(self.pool(y) if i == 0 else y)
            x = activation(y + x if i >= 2 else y)
        return x


class FastNet(FeatureExtractor):
    """Feature extractor: whitening stem, one ``Stage`` per width, global pooling.

    Args:
        image_size: side of the square images.
        channels: 1 or 3.
        widths: channels of each stage.
        depth: convolutions in each stage.
        activation: a key of ``ACTIVATIONS``; the last one is a ReLU whatever it is, so that features
            are not negative.
    """

    def __init__(
        self, image_size: int, channels: int, widths: list[int], depth: int, activation: str = "relu"
    ) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.feature_dim = widths[-1]
        self.stem = WhiteningStem(channels)
        side = image_size - STEM_SIDE + 1
        stages: list[Stage] = []
        for channels_in, width in zip([self.stem.out_channels, *widths], widths, strict=False):
            pool = side >= 4
            activations = [self.activation] * depth
            if len(stages) == len(widths) - 1:
                activations[-1] = ACTIVATIONS["relu"]
            stages.append(Stage(channels_in, width, pool, activations))
            side = side // 2 if pool else side
        self.stages = nn.Sequential(*stages)

    def prepare(self, images: Tensor) -> None:
        """Fix the stem from some normalised training images (M, channels, H, W)."""
        self.stem.fit(images)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) to non-negative features (B, widths[-1])."""
        x: Tensor = self.stages(self.activation(self.stem(images)))
        return x.mean((2, 3))
