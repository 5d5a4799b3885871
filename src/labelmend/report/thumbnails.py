"""Thumbnails as text inside a page, as large as there is room for."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from labelmend.data.decode import num_threads
from labelmend.errors import DataError
from labelmend.runs.pictures import RunPictures

SIDES = (256, 192, 160, 128, 112, 96, 80, 64, 48, 32)
PROBED = 24
"""Pictures whose sizes say how large all will be."""


def fitting_side(pictures: RunPictures, ids: Sequence[str], room: int) -> int:
    """The largest of ``SIDES`` at which the pictures fit into ``room`` bytes, by what some of them take."""
    probed = ids[:: max(len(ids) // PROBED, 1)]
    for side in SIDES[:-1]:
        sizes = [len(text) for text in thumbnails(pictures, probed, side) if text]
        if not sizes or sum(sizes) / len(sizes) * len(ids) <= room:
            return side
    return SIDES[-1]


def thumbnails(pictures: RunPictures, ids: Sequence[str], side: int) -> list[str]:
    """WebP files in base64, of at most ``side`` pixels; "" for a picture that cannot be had."""

    def encoded(image_id: str) -> str:
        try:
            return base64.b64encode(pictures.thumbnail(image_id, side, "webp")).decode("ascii")
        except DataError:
            return ""

    with ThreadPoolExecutor(num_threads()) as pool:
        return list(pool.map(encoded, ids))
