"""Residual networks (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016).

Images of up to 64 px get the CIFAR stem (one 3 x 3 convolution, no pooling), larger ones the usual
7 x 7 stem. With the wrong stem the same method loses 4 to 17 points on 32 px images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from labelmend.models.classifier import FeatureExtractor

CIFAR_STEM_UP_TO = 64


def _norm_conv(channels_in: int, channels: int, side: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, side, stride, padding=side // 2, bias=False),
        nn.BatchNorm2d(channels),
    )


class Block(nn.Module):
    """A residual block that says how many channels it gives."""

    channels_out: int


def block_groups(
    make: Callable[[int, int, int], Block], channels_in: int, widths: Sequence[int], counts: Sequence[int]
) -> tuple[nn.Sequential, int]:
    """Groups of residual blocks, one after another; each group but the first halves the side.

    Args:
        make: a block from its input channels, width and stride.
        channels_in: of the first block.
        widths: of the blocks of each group.
        counts: blocks in each group.

    Returns:
        The blocks, and the channels that the last one gives.
    """
    blocks: list[Block] = []
    for group, (width, count) in enumerate(zip(widths, counts, strict=True)):
        for i in range(count):
            blocks.append(make(channels_in, width, 2 if group > 0 and i == 0 else 1))
            channels_in = blocks[-1].channels_out
    return nn.Sequential(*blocks), channels_in


class ResidualBlock(Block):
    """A basic block (two 3 x 3 convolutions) or a bottleneck (1 x 1, 3 x 3, 1 x 1)."""

    def __init__(self, channels_in: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        self.channels_out = channels_out = 4 * width if bottleneck else width
        if bottleneck:
            layers = [
                _norm_conv(channels_in, width, 1),
                _norm_conv(width, width, 3, stride),
                _norm_conv(width, channels_out, 1),
            ]
        else:
            layers = [_norm_conv(channels_in, width, 3, stride), _norm_conv(width, width, 3)]
        self.layers = nn.ModuleList(layers)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = _norm_conv(channels_in, channels_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) to (B, channels_out, H / stride, W / stride)."""
        y = x
        for layer in self.layers[:-1]:
            y = torch.relu(layer(y))
        return torch.relu(self.layers[-1](y) + self.shortcut(x))


class ResNet(FeatureExtractor):
    """Feature extractor of a residual network: stem, four groups of blocks, average pooling.

    Args:
        image_size: side of the square images; decides the stem.
        channels: 1 or 3.
        blocks: blocks in each of the four groups, e.g. ``(3, 4, 6, 3)``.
        bottleneck: whether the blocks are bottlenecks (ResNet-50).
    """

    def __init__(
        self, image_size: int, channels: int, blocks: tuple[int, int, int, int], bottleneck: bool
    ) -> None:
        super().__init__()
        if image_size <= CIFAR_STEM_UP_TO:
            stem: list[nn.Module] = [_norm_conv(channels, 64, 3), nn.ReLU()]
        else:
            stem = [_norm_conv(channels, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)]
        self.stem = nn.Sequential(*stem)
        make = partial(ResidualBlock, bottleneck=bottleneck)
        self.blocks, self.feature_dim = block_groups(make, 64, (64, 128, 256, 512), blocks)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) to non-negative features (B, feature_dim)."""
        features: Tensor = self.blocks(self.stem(images)).mean((2, 3))
        return features
