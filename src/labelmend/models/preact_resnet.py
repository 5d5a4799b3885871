"""Pre-activation residual networks (He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016).

For images of up to 64 px. Of the variants in use, this one has the 3 x 3 stem without a norm and the norm
and ReLU before the average pool of the paper, so that features are not negative; a shortcut that changes
shape is a 1 x 1 convolution, without a norm, of the pre-activated input, as in DivideMix (Li et al., ICLR
2020), and any other shortcut is the untouched input, as in the paper. DivideMix's code has norm and ReLU
after the stem instead of before the pool, and its identity shortcuts carry the pre-activated input.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from labelmend.models.classifier import FeatureExtractor
from labelmend.models.resnet import Block, block_groups


class PreActBlock(Block):
    """Norm, ReLU, 3 x 3 convolution, twice, added to the shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.channels_out = channels
        self.norm1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.shortcut: nn.Conv2d | None = None
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) to (B, channels, H / stride, W / stride)."""
        activated = torch.relu(self.norm1(x))
        shortcut = x if self.shortcut is None else self.shortcut(activated)
        y: Tensor = self.conv2(torch.relu(self.norm2(self.conv1(activated))))
        return y + shortcut


class PreActResNet(FeatureExtractor):
    """Feature extractor: 3 x 3 stem, groups of pre-activation blocks, norm, ReLU, average pooling.

    Args:
        channels: 1 or 3.
        stem: channels of the stem.
        widths: channels of each group; each but the first halves the side.
        blocks: blocks in each group.
    """

    def __init__(
        self,
        channels: int,
        stem: int = 64,
        widths: Sequence[int] = (64, 128, 256, 512),
        blocks: Sequence[int] = (2, 2, 2, 2),
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, stem, 3, padding=1, bias=False)
        self.blocks, self.feature_dim = block_groups(PreActBlock, stem, widths, blocks)
        self.norm = nn.BatchNorm2d(self.feature_dim)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) to non-negative features (B, feature_dim)."""
        features: Tensor = torch.relu(self.norm(self.blocks(self.stem(images)))).mean((2, 3))
        return features
