"""Random views of training images, made for a whole batch at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

GREY_WEIGHTS = (0.299, 0.587, 0.114)

# Share of the features of a frozen backbone that a strong view leaves out.
FEATURE_DROPOUT = 0.1


Views = Callable[[Tensor, torch.Generator, bool], Tensor]
"""Draws one random view of each image of a batch, ready for the network; strong where the last is set."""


@dataclass(frozen=True)
class Normalisation:
    """Per-channel mean and standard deviation of the training images, in pixel units (0 to 255)."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 or float (B, H, W, channels) to float32 (B, channels, H, W), channels last in memory."""
        mean = torch.tensor(self.mean, device=images.device)
        std = torch.tensor(self.std, device=images.device)
        normalised: Tensor = (images.float() - mean) / std
        return normalised.permute(0, 3, 1, 2)

    @classmethod
    def of(cls, images: Tensor) -> Normalisation:
        """Statistics of uint8 images (M, H, W, channels); a constant channel gets deviation 1."""
        flat = images.flatten(0, 2).double()
        std = flat.std(0, unbiased=False)
        std = torch.where(std < 1e-3, torch.ones_like(std), std)
        return cls(tuple(flat.mean(0).tolist()), tuple(std.tolist()))


def reflect(index: Tensor, size: int) -> Tensor:
    """Mirror positions outside [0, size) back inside, the border pixel not repeated."""
    index = index.abs()
    return (size - 1) - ((size - 1) - index).abs()


def crop_flip(
    images: Tensor,
    max_shift: int,
    flip: bool,
    generator: torch.Generator,
    padding: Literal["reflect", "zero"] = "reflect",
) -> Tensor:
    """Shift each image at random and mirror half of them.

    Args:
        images: (B, H, W, channels), any dtype.
        max_shift: largest shift in pixels, less than H and W; 0 for none.
        flip: whether to mirror left and right.
        generator: source of the draws, on the CPU.
        padding: what fills the border: the image mirrored, or black.

    Returns:
        A new tensor of the same shape.
    """
    count, height, width, _ = images.shape
    shifts = torch.randint(-max_shift, max_shift + 1, (2, count, 1), generator=generator)
    rows, columns = torch.arange(height) + shifts[0], torch.arange(width) + shifts[1]
    seen = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    rows, columns = reflect(rows, height), reflect(columns, width)
    if flip:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
        seen = torch.where(mirrored[:, :, None], seen.flip(2), seen)
    batch = torch.arange(count)[:, None, None]
    device = images.device
    moved = images[batch.to(device), rows[:, :, None].to(device), columns[:, None, :].to(device)]
    return moved if padding == "reflect" else moved * seen[..., None].to(device)


def cutout(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Blank a square at a random place of each normalised image, in place (DeVries & Taylor, 2017).

    Args:
        images: (B, channels, H, W); 0 is the mean colour.
        side: side of the square, clipped at the border as its centre may lie anywhere.
        generator: source of the draws, on the CPU.
    """
    count, _, height, width = images.shape
    centres = torch.rand(2, count, 1, generator=generator)
    rows = (torch.arange(height) - (centres[0] * height).floor() + side // 2).to(images.device)
    columns = (torch.arange(width) - (centres[1] * width).floor() + side // 2).to(images.device)
    inside = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]
    return images.masked_fill_(inside[:, None], 0.0)


def colour_jitter(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast and saturation of each image at random.

    Args:
        images: (B, H, W, channels) in [0, 255].
        strength: largest relative change of each, in [0, 1].
        generator: source of the draws, on the CPU.

    Returns:
        float32 images of the same shape, clipped to [0, 255].
    """
    factors = 1 + strength * (2 * torch.rand(3, len(images), 1, 1, 1, generator=generator) - 1)
    brightness, contrast, saturation = factors.to(images.device)
    pixels = images.float() * brightness
    if images.shape[3] == 3:
        grey = (pixels * torch.tensor(GREY_WEIGHTS, device=pixels.device)).sum(3, keepdim=True)
        pixels = grey + saturation * (pixels - grey)
    mean = pixels.mean((1, 2, 3), keepdim=True)
    jittered: Tensor = mean + contrast * (pixels - mean)
    return jittered.clamp_(0, 255)


@dataclass(frozen=True)
class Augmentation:
    """Draws views of uint8 batches.

    Attributes:
        normalisation: applied last.
        crop: largest shift in pixels.
        flip: whether to mirror.
        cutout: side in pixels of the square blanked in strong views; 0 for none.
        jitter: strength of colour jitter in strong views; 0 for none.
        padding: what fills the border of a shifted image.
    """

    normalisation: Normalisation
    crop: int
    flip: bool
    cutout: int
    jitter: float
    padding: Literal["reflect", "zero"] = "reflect"

    def __call__(self, images: Tensor, generator: torch.Generator, strong: bool) -> Tensor:
        """One view of each image: uint8 (B, H, W, channels) to normalised (B, channels, H, W).

        A weak view is shifted and mirrored; a strong view also has its colours jittered and a square
        cut out.
        """
        pixels = crop_flip(images, self.crop, self.flip, generator, self.padding)
        if strong and self.jitter > 0:
            pixels = colour_jitter(pixels, self.jitter, generator)
        view = self.normalisation(pixels)
        if strong and self.cutout > 0:
            cutout(view, self.cutout, generator)
        return view


def mean_view(features: Tensor) -> Tensor:
    """Mean of the stored views of each image, (B, V, d) to (B, d)."""
    return features.mean(1)


def feature_views(features: Tensor, generator: torch.Generator, strong: bool) -> Tensor:
    """One stored view of each image at random, cached features (B, V, d) to (B, d).

    In a strong view some features of each image are those of the mean image.
    """
    count, stored, dim = features.shape
    drawn = torch.randint(stored, (count,), generator=generator).to(features.device)
    view = features[torch.arange(count, device=features.device), drawn]
    if strong:
        kept = torch.rand(count, dim, generator=generator) >= FEATURE_DROPOUT
        view = torch.where(kept.to(view.device), view, view.mean(0))
    return view
