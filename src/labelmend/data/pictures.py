"""One picture or many: what is handed over to be classified, as a list where it is no batch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from labelmend.errors import DataError, LabelmendWarning

CHANNELS = (1, 3, 4)

# Colour channels of a photograph follow each other more closely than this correlation, two pictures do not.
ALIKE = 0.3


def is_picture(shape: tuple[int, ...], channels: int) -> bool:
    """Whether an array of this shape is one picture, not several.

    Args:
        shape: of the array.
        channels: of the images that the network knows, 1 or 3.

    Returns:
        True for (H, W), for (H, W, C) with C of 1, 3 or 4, and for (C, H, W) with C of 1, or 3 where the
        network knows colours; False for (N, H, W) and for all of four and more dimensions.

    Raises:
        DataError: If it could be one picture of four channels or four grey ones.
    """
    if len(shape) == 2:
        return True
    if len(shape) != 3:
        return False
    # No network takes images less than 4 pixels wide, so a short last axis is one of channels; squares of 4
    # pixels are the one exception.
    if shape[2] in CHANNELS and shape[1] != shape[2]:
        return True
    if channels == 3 and shape[0] == 4 and shape[1] > 4:
        raise DataError(
            f"an array of shape {shape} could be one picture of 4 channels or 4 grey pictures; "
            f"give it as {(1, *shape)} or {(*shape, 1)}"
        )
    return shape[0] == 1 or (channels == 3 and shape[0] == 3)


def as_pictures(source: Any, channels: int) -> Any:
    """A list of one where the source is a single picture; anything else as it is.

    Args:
        source: anything that can be classified.
        channels: of the images that the network knows, 1 or 3.
    """
    if isinstance(source, Image.Image):
        return [source]
    if isinstance(source, list | tuple) and not source:
        raise DataError("the list of images is empty; give at least one picture, file or folder")
    if isinstance(source, list | tuple) and source and not any(map(is_one, source)):
        # Nested lists of numbers.
        try:
            source = np.asarray(source)
        except ValueError:
            raise DataError("nested lists of different lengths are no image; give a list of arrays") from None
    if isinstance(source, list | tuple) and not all(map(is_one, source)):
        place, other = next((place, part) for place, part in enumerate(source) if not is_one(part))
        raise DataError(f"picture {place} of the list is a {type(other).__name__}, not an image or a path")
    if isinstance(source, np.ndarray | Tensor) and is_picture(tuple(source.shape), channels):
        warn_of_planes(source)
        return [source]
    return source


def warn_of_planes(picture: np.ndarray | Tensor) -> None:
    """Warn where one picture, channels first, could be three grey ones: its channels are little alike.

    Warns:
        LabelmendWarning: If that is so.
    """
    shape = tuple(picture.shape)
    if len(shape) != 3 or shape[0] != 3:
        return
    plain = picture.detach().cpu().double() if isinstance(picture, Tensor) else picture
    planes = np.asarray(plain, dtype=np.float64).reshape(3, -1)
    with np.errstate(all="ignore"):
        little_alike = bool(planes.std(axis=1).all() and np.corrcoef(planes).min() < ALIKE)
    if little_alike:
        warnings.warn(
            f"an array of shape {shape} is taken for one picture of 3 channels, which are little alike; "
            f"if it is 3 grey pictures, give it as {(*shape, 1)}",
            LabelmendWarning,
            stacklevel=4,
        )


def one_or_several(images: np.ndarray, channels: int | None, name: str) -> np.ndarray:
    """Images of an array file (N, ...): of a single picture, a stack of one.

    Args:
        images: as the file holds them.
        channels: of the images that the network knows, 1 or 3; None where there is none, and all arrays are
            stacks.
        name: of the file.

    Raises:
        DataError: If it could be one picture of four channels or four grey ones.
    """
    if channels is None:
        return images
    try:
        one = is_picture(images.shape, channels)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    if one:
        warn_of_planes(images)
    return images[None] if one else images


def is_one(part: Any) -> bool:
    """Whether a member of a list is a picture in memory or a path."""
    if isinstance(part, np.ndarray | Tensor):
        return part.ndim > 1
    return isinstance(part, Image.Image | str | Path | bytes)
