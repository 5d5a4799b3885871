"""Images that are decoded already, in another size or with other channels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from labelmend.data.decode import ProgressCallback, num_threads
from labelmend.data.image_file import square_pixels
from labelmend.data.image_set import Images, MemoryImages

_CHUNK = 256


@dataclass(frozen=True)
class Resized:
    """The images of another collection as squares of ``size`` pixels, made by a pool of threads on demand.

    Attributes:
        images: N images.
        size: side in pixels.
        channels: 1 (grey) or 3 (RGB).
    """

    images: Images
    size: int
    channels: int
    in_memory: ClassVar[bool] = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, size, size, channels)."""
        return self.images.shape[0], self.size, self.size, self.channels

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(num_threads())

    def gather(self, index: Tensor) -> Tensor:
        """Images at ``index``, uint8, (B, size, size, channels)."""

        def square(image: np.ndarray) -> np.ndarray:
            return square_pixels(image, self.size, self.channels)

        pixels = np.empty((len(index), self.size, self.size, self.channels), dtype=np.uint8)
        for row, image in enumerate(self._pool.map(square, self.images.gather(index).cpu().numpy())):
            pixels[row] = image
        return torch.from_numpy(pixels)


def resize(
    images: Images, size: int, channels: int, memory_limit: int, progress: ProgressCallback | None = None
) -> Images:
    """The images in a size and with channels; the very same object where they have both.

    Args:
        images: N images.
        size: side in pixels.
        channels: 1 (grey) or 3 (RGB).
        memory_limit: bytes up to which the result is made at once; above, images are resized each time
            they are asked for.
        progress: told of the images done so far.
    """
    if images.shape[1:] == (size, size, channels):
        return images
    resized = Resized(images, size, channels)
    if resized.shape[0] * size * size * channels > memory_limit:
        return resized
    return _in_memory(resized, progress)


def _in_memory(images: Images, progress: ProgressCallback | None) -> MemoryImages:
    pixels = torch.empty(images.shape, dtype=torch.uint8)
    for start in range(0, len(pixels), _CHUNK):
        index = torch.arange(start, min(start + _CHUNK, len(pixels)))
        pixels[index] = images.gather(index)
        if progress is not None:
            progress(start + len(index), len(pixels))
    return MemoryImages(pixels)
