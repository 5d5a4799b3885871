"""Images that are equal pixel by pixel."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from hashlib import blake2b

import numpy as np
import torch

from labelmend.data.image_set import Images

_CHUNK = 256


def picture_key(pixels: np.ndarray) -> bytes:
    """What two arrays of one shape share if they are equal."""
    return blake2b(np.ascontiguousarray(pixels).data, digest_size=16).digest()


def groups_of(keys: Iterable[Hashable]) -> list[list[int]]:
    """Positions of equal keys, in groups of at least two."""
    places: dict[Hashable, list[int]] = {}
    for position, key in enumerate(keys):
        places.setdefault(key, []).append(position)
    return [group for group in places.values() if len(group) > 1]


def same_pictures(images: Images, like: Sequence[Hashable] | None = None) -> list[list[int]]:
    """Rows of equal images, in groups of at least two.

    Args:
        images: N images.
        like: N keys that equal images share, e.g. of small copies; only images of equal keys are compared.
    """
    rows = (
        range(images.shape[0]) if like is None else sorted(row for group in groups_of(like) for row in group)
    )
    keys: list[bytes] = []
    for start in range(0, len(rows), _CHUNK):
        chunk = torch.as_tensor(list(rows[start : start + _CHUNK]), dtype=torch.int64)
        keys += [picture_key(pixels) for pixels in images.gather(chunk).cpu().numpy()]
    return [[rows[place] for place in group] for group in groups_of(keys)]
