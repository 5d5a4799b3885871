"""What a run was started on, in a few checksums: enough to say later what has changed."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelmend.data.decode import DecodedOnDemand, num_threads
from labelmend.data.image_file import Encoded
from labelmend.data.image_set import Images, ImageSet, Subset
from labelmend.errors import DataError
from labelmend.files import reason

BLOCK = 512
"""Images fetched at a time."""

ENDS = 2**16
"""Bytes looked at from either end of a file that is decoded again each time it is needed."""


def fingerprint(image_set: ImageSet) -> dict[str, str]:
    """SHA-256 (hex) of each part of a set of images that a run depends on, by what it is.

    Of images in memory the pixels count. Of files that are decoded again each time they are needed, their
    size and their first and last 64 KiB do: to read a million photographs whole takes as long as an epoch.
    """
    return {
        "class names": of_json(image_set.class_names),
        "ids": of_json(image_set.ids),
        "given labels": _of_array(image_set.given_labels.astype("<i8")),
        "trusted flags": _of_array(image_set.trusted),
        "groups": of_json(image_set.groups),
        "true labels": _of_array(image_set.true_labels),
        "images": _of_images(image_set.images),
    }


def changes(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Names of the parts that differ between two fingerprints."""
    return [name for name in now if before.get(name) != now[name]]


def of_json(value: Any) -> str:
    """SHA-256 (hex) of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _of_array(values: np.ndarray | None) -> str:
    return hashlib.sha256(b"" if values is None else np.ascontiguousarray(values).tobytes()).hexdigest()


def _of_images(images: Images) -> str:
    digest = hashlib.sha256(str(images.shape).encode())
    index = torch.arange(images.shape[0])
    while isinstance(images, Subset):
        index = images.index[index]
        images = images.images
    items = images.items if isinstance(images, DecodedOnDemand) else ()
    if all(isinstance(item, Path | bytes) for item in items) and items:
        with ThreadPoolExecutor(num_threads()) as pool:
            for part in pool.map(_of_item, (items[row] for row in index.tolist())):
                digest.update(part)
    else:
        for rows in index.split(BLOCK):
            digest.update(_bytes(images.gather(rows)))
    return digest.hexdigest()


def _bytes(pixels: Tensor) -> memoryview:
    return pixels.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _of_item(item: Encoded) -> bytes:
    if isinstance(item, bytes):
        return hashlib.sha256(item).digest()
    assert isinstance(item, Path)
    try:
        with item.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.sha256(f"{size}\n".encode() + file.read(ENDS))
            file.seek(max(ENDS, size - ENDS))
            digest.update(file.read(ENDS))
    except OSError as error:
        raise DataError(f"{item}: could be read at first, but no longer ({reason(error)})") from error
    return digest.digest()
