"""Decode many images with a pool of threads: into memory, or on demand."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from itertools import islice
from typing import ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from labelmend.data.image_file import (
    DEEP_MODES,
    Encoded,
    failure_reason,
    fetch,
    is_cut,
    is_grey,
    square_pixels,
)
from labelmend.data.same_pictures import picture_key
from labelmend.errors import DataError, LabelmendWarning

ProgressCallback = Callable[[int, int], None]
"""Called with (images done, images in all) from time to time."""
T = TypeVar("T")
_CHUNK = 32
SMALLEST = 4
"""Side in pixels of the smallest images that are trained on by default, as of ``--image-size``."""


@dataclass(frozen=True)
class Header:
    """What the head of an image file says.

    Attributes:
        width: in pixels.
        height: in pixels.
        grey: whether it is stored as grey.
        deep: whether it is read with more than 8 bits a pixel.
        cut: whether it has more, of which 8 are read.
        floats: whether its values are floats.
    """

    width: int
    height: int
    grey: bool
    deep: bool = False
    cut: bool = False
    floats: bool = False


def num_threads() -> int:
    """Threads that decode at the same time."""
    return min(32, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def in_threads(
    work: Callable[[Encoded], T], items: Sequence[Encoded], progress: ProgressCallback | None = None
) -> Generator[T | str]:
    """``work(item)`` for each item in order, or the reason why it failed.

    Runs ahead of the caller by a few chunks, so that neither waits and memory does not grow with the items.
    """

    def attempt(item: Encoded) -> T | str:
        try:
            return work(item)
        except (DataError, MemoryError):
            raise
        except Exception as error:  # image decoders raise whatever they like
            return failure_reason(error)

    def chunk(start: int) -> list[T | str]:
        return [attempt(items[row]) for row in range(start, min(start + _CHUNK, len(items)))]

    threads = num_threads()
    starts = iter(range(0, len(items), _CHUNK))
    done = 0
    if progress is not None:
        progress(0, len(items))
    # Filters are global: they are set once, around all threads, not in each of them.
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", LabelmendWarning)
        ahead = deque(pool.submit(chunk, start) for start in islice(starts, threads + 2))
        try:
            while ahead:
                results = ahead.popleft().result()
                ahead.extend(pool.submit(chunk, start) for start in islice(starts, 1))
                yield from results
                done += len(results)
                if progress is not None:
                    progress(done, len(items))
        finally:
            for future in ahead:
                future.cancel()


@cache
def _has_torchvision() -> bool:
    return find_spec("torchvision") is not None


def read_headers(items: Sequence[Encoded]) -> list[Header | str]:
    """Size and greyness of each image, or the reason why it cannot be opened."""

    def header(item: Encoded) -> Header:
        image = fetch(item)
        if isinstance(image, np.ndarray):
            height, width, channels = image.shape
            return Header(width, height, channels == 1, deep=True, floats=image.dtype.kind == "f")
        with image:
            cut = is_cut(image)
            # Pillow has no mode for them, but the decoder of torchvision reads them from PNG.
            deep = image.mode in DEEP_MODES or (cut and image.format == "PNG" and _has_torchvision())
            return Header(*image.size, is_grey(image), deep, cut and not deep, image.mode == "F")

    return list(in_threads(header, items))


def default_image_size(headers: Sequence[Header]) -> int:
    """Side in pixels for a set of images.

    Images that all have the same square size of 4 to 64 keep it, and smaller ones are enlarged to 4.
    Otherwise it is the median of the shorter sides, rounded to a multiple of 8 and brought into [32, 224].
    """
    sizes = {(header.width, header.height) for header in headers}
    if len(sizes) == 1:
        width, height = sizes.pop()
        if width == height <= 64:
            return max(width, SMALLEST)
    median = float(np.median([min(header.width, header.height) for header in headers]))
    return int(np.clip(8 * round(median / 8), 32, 224))


def look_through(
    items: Sequence[Encoded], channels: int, progress: ProgressCallback | None = None
) -> tuple[dict[int, str], list[bytes]]:
    """Decode every image once at a small size (JPEG files at an eighth of theirs), keeping nothing.

    Returns:
        Rows whose image cannot be decoded, with the reason; and of the others, in order, a key that equal
        images share.
    """
    outcomes = list(in_threads(lambda item: picture_key(square_pixels(item, 8, channels)), items, progress))
    unreadable = {row: outcome for row, outcome in enumerate(outcomes) if isinstance(outcome, str)}
    return unreadable, [outcome for outcome in outcomes if isinstance(outcome, bytes)]


def decode_into_memory(
    items: Sequence[Encoded],
    size: int,
    channels: int,
    progress: ProgressCallback | None = None,
    *,
    interpolation: str = "bilinear",
    keep_aspect: bool = True,
) -> tuple[Tensor, dict[int, str]]:
    """Decode all images.

    Args:
        items: N encoded images.
        size: side in pixels.
        channels: 1 (grey) or 3 (RGB).
        progress: called with (images done, images in all).
        interpolation: as for ``square_pixels``.
        keep_aspect: as for ``square_pixels``.

    Returns:
        uint8 tensor (readable images, size, size, channels), and the rows of the unreadable ones with
        the reason.
    """

    def decode(item: Encoded) -> np.ndarray:
        return square_pixels(item, size, channels, interpolation=interpolation, keep_aspect=keep_aspect)

    pixels = np.empty((len(items), size, size, channels), dtype=np.uint8)
    unreadable: dict[int, str] = {}
    kept = 0
    for row, outcome in enumerate(in_threads(decode, items, progress)):
        if isinstance(outcome, str):
            unreadable[row] = outcome
        else:
            pixels[kept] = outcome
            kept += 1
    return torch.from_numpy(pixels[:kept]), unreadable


@dataclass(frozen=True)
class DecodedOnDemand:
    """Images decoded by a pool of threads each time they are asked for.

    Gives the same pixels as decoding into memory.

    Attributes:
        items: N encoded images.
        size: side in pixels.
        channels: 1 (grey) or 3 (RGB).
        interpolation: as for ``square_pixels``.
        keep_aspect: as for ``square_pixels``.
    """

    items: Sequence[Encoded]
    size: int
    channels: int
    interpolation: str = "bilinear"
    keep_aspect: bool = True
    in_memory: ClassVar[bool] = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, size, size, channels)."""
        return len(self.items), self.size, self.size, self.channels

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(num_threads())

    def gather(self, index: Tensor) -> Tensor:
        """Images at ``index``, uint8, (B, size, size, channels).

        Raises:
            DataError: If a file has become unreadable since the set was loaded.
        """

        def decode(row: int) -> np.ndarray:
            item = self.items[row]
            try:
                return square_pixels(
                    item,
                    self.size,
                    self.channels,
                    interpolation=self.interpolation,
                    keep_aspect=self.keep_aspect,
                )
            except Exception as error:
                what = item if isinstance(item, os.PathLike) else f"image {row}"
                raise DataError(
                    f"{what}: could be read at first, but no longer ({failure_reason(error)}); "
                    "leave the images in place while a run uses them"
                ) from error

        rows = list(self._pool.map(decode, index.tolist()))
        if not rows:
            return torch.empty((0, self.size, self.size, self.channels), dtype=torch.uint8)
        return torch.from_numpy(np.stack(rows))
