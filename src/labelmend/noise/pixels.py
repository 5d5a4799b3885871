"""Images as the vectors that instance-dependent noise models project."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool2d

from labelmend.data.image_set import Images

SIDE = 32
CHUNK = 2500
Layout = Literal["chw", "hwc"]
Scaling = Literal["raw", "unit", "standardised"]


def reduced_pixels(images: Images, side: int = SIDE) -> np.ndarray:
    """All images, area-averaged to at most ``side`` x ``side``.

    Images that are no larger stay as they are, bit for bit. Larger ones would need a projection of
    gigabytes (C x pixels x C numbers); their area means are rounded to uint8.

    Args:
        images: N images (height, width, channels).
        side: largest height and width of the result.

    Returns:
        uint8 (N, min(height, side), min(width, side), channels).
    """
    n, height, width, channels = images.shape
    target = (min(height, side), min(width, side))
    pixels = np.empty((n, *target, channels), dtype=np.uint8)
    # A chunk of large images is decoded at full size, so it is kept near 100 MB of uint8.
    chunk = max(1, min(CHUNK, 100_000_000 // (height * width * channels)))
    for start in range(0, n, chunk):
        index = torch.arange(start, min(start + chunk, n))
        batch = images.gather(index)
        if target != (height, width):
            pooled = adaptive_avg_pool2d(batch.permute(0, 3, 1, 2).float(), target)
            batch = pooled.round().to(torch.uint8).permute(0, 2, 3, 1)
        pixels[start : start + len(index)] = batch.cpu().numpy()
    return pixels


def affine(pixels: np.ndarray, scaling: Scaling) -> tuple[np.ndarray, np.ndarray]:
    """What to subtract from each channel, and then to divide it by.

    Args:
        pixels: uint8 (N, height, width, channels).
        scaling: ``raw`` (0 to 255), ``unit`` (0 to 1) or ``standardised`` (each channel's mean over all
            images is subtracted and its standard deviation divided by).

    Returns:
        (shift, scale), float64 (channels,) each.
    """
    channels = pixels.shape[-1]
    if scaling == "standardised":
        return channel_moments(pixels)
    return np.zeros(channels), np.full(channels, 255.0 if scaling == "unit" else 1.0)


def vectors(
    pixels: np.ndarray, rows: np.ndarray, layout: Layout, shift: np.ndarray, scale: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The images at ``rows`` as float64 vectors, a chunk at a time.

    Args:
        pixels: uint8 (N, height, width, channels).
        rows: int64 (M,), which images.
        layout: order of the flattened axes, ``chw`` or ``hwc``.
        shift: float64 (channels,), subtracted.
        scale: float64 (channels,), divided by.

    Yields:
        (indices (B,), vectors float64 (B, channels * height * width)).
    """
    for start in range(0, len(rows), CHUNK):
        index = rows[start : start + CHUNK]
        batch = (pixels[index] - shift) / scale
        if layout == "chw":
            batch = batch.transpose(0, 3, 1, 2)
        yield index, batch.reshape(len(index), -1)


def channel_moments(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel of uint8 images (N, height, width, channels).

    A channel without any variation has standard deviation 1.
    """
    values = np.arange(256.0)
    means, deviations = [], []
    for channel in range(pixels.shape[-1]):
        counts = np.bincount(pixels[..., channel].ravel(), minlength=256)
        mean = float(counts @ values) / counts.sum()
        deviation = float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum()))
        means.append(mean)
        deviations.append(deviation or 1.0)
    return np.array(means), np.array(deviations)
