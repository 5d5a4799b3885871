"""Views of photographs that a pretrained network is trained further on: random crops, and the middle."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.training.views import Normalisation

SMALLEST_CROP = 0.4
"""Share of the area of an image. A network that knows photographs already has little to learn from less."""

MOST_STRETCHED = 4 / 3
"""Ratio of the sides of a crop, and of its inverse."""


def centre(images: Tensor, size: int) -> Tensor:
    """The middle ``size`` x ``size`` pixels of images (B, H, W, channels)."""
    top, left = ((side - size) // 2 for side in images.shape[1:3])
    return images[:, top : top + size, left : left + size]


def draw_boxes(count: int, smallest: float, generator: torch.Generator) -> Tensor:
    """Random boxes inside an image (Szegedy et al., "Going deeper with convolutions", CVPR 2015).

    Their area is uniform in [``smallest``, 1], the logarithm of their ratio of sides uniform up to
    ``MOST_STRETCHED`` either way, and sides that would be longer than the image are cut.

    Args:
        count: B.
        smallest: share of the area of the image, in (0, 1].
        generator: source of the draws, on the CPU.

    Returns:
        (B, 4): left, top, width, height, as shares of the image.
    """
    area, stretch, *place = torch.rand(4, count, generator=generator)
    area = smallest + (1 - smallest) * area
    ratio = ((2 * stretch - 1) * math.log(MOST_STRETCHED)).exp()
    sides = [(area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)]
    corners = [share * (1 - side) for share, side in zip(place, sides, strict=True)]
    return torch.stack([*corners, *sides], 1)


def cut_out(images: Tensor, boxes: Tensor, size: int, mirrored: Tensor) -> Tensor:
    """What is in a box of each image, resized bilinearly to ``size`` x ``size`` pixels.

    Args:
        images: (B, H, W, channels), any dtype.
        boxes: (B, 4), see ``draw_boxes``.
        size: side in pixels of the result.
        mirrored: bool (B,), images that are mirrored left and right.

    Returns:
        float32 (B, size, size, channels), in the unit of the images.
    """
    boxes, mirrored = boxes.to(images.device), mirrored.to(images.device)
    middles = (torch.arange(size, device=images.device) + 0.5) / size
    across = torch.where(mirrored[:, None], 1 - middles, middles)
    x = boxes[:, 0, None] + boxes[:, 2, None] * across
    y = boxes[:, 1, None] + boxes[:, 3, None] * middles
    grid = torch.stack([x[:, None, :].expand(-1, size, -1), y[:, :, None].expand(-1, -1, size)], 3)
    pixels = images.permute(0, 3, 1, 2).float()
    found = functional.grid_sample(pixels, 2 * grid - 1, padding_mode="border", align_corners=False)
    return found.permute(0, 2, 3, 1)


@dataclass(frozen=True)
class CentreView:
    """What a network looks at of images with a margin: uint8 (B, H, W, channels) to normalised images.

    Attributes:
        normalisation: of the pixels.
        size: side of what it looks at, in pixels.
    """

    normalisation: Normalisation
    size: int

    def __call__(self, images: Tensor) -> Tensor:
        """float32 (B, channels, size, size)."""
        return self.normalisation(centre(images, self.size))


@dataclass(frozen=True)
class RandomCrops:
    """Draws views of images with a margin: a random box of each, resized, and mirrored at random.

    Attributes:
        normalisation: applied last.
        size: side of the views in pixels.
        flip: whether to mirror.
    """

    normalisation: Normalisation
    size: int
    flip: bool

    def __call__(self, images: Tensor, generator: torch.Generator, strong: bool) -> Tensor:
        """uint8 (B, H, W, channels) to normalised (B, channels, size, size), strong or not alike."""
        boxes = draw_boxes(len(images), SMALLEST_CROP, generator)
        mirrored = (torch.rand(len(images), generator=generator) < 0.5) & self.flip
        return self.normalisation(cut_out(images, boxes, self.size, mirrored))
