"""Thumbnails as text inside a page, as large as there is room for."""

from __future__ import annotations

import base64
from bisect import bisect_left
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from labelmend.data.decode import num_threads
from labelmend.errors import DataError
from labelmend.runs.pictures import RunPictures

SIDES = (256, 192, 160, 128, 112, 96, 80, 64, 48, 32)
PROBED = 24
"""Pictures whose sizes say how large all will be."""


def fitting_side(pictures: RunPictures, ids: Sequence[str], room: int, most: int = SIDES[0]) -> int:
    """The largest of ``SIDES`` at which pictures fit into some room, by what a few of them take.

    Args:
        pictures: of the run.
        ids: of those that are to fit.
        room: bytes in all.
        most: no larger side than that.
    """
    probed = ids[:: max(len(ids) // PROBED, 1)]

    def fits(side: int) -> bool:
        sizes = [len(text) for text in thumbnails(pictures, probed, side) if text]
        return not sizes or sum(sizes) / len(sizes) * len(ids) <= room

    sides = [side for side in SIDES if side <= most]
    return sides[bisect_left(sides[:-1], True, key=fits)]


def thumbnails(pictures: RunPictures, ids: Sequence[str], side: int) -> list[str]:
    """WebP files in base64, of at most ``side`` pixels; "" for a picture that cannot be had."""

    def encoded(image_id: str) -> str:
        try:
            return base64.b64encode(pictures.thumbnail(image_id, side, "webp")).decode("ascii")
        except DataError:
            return ""

    with ThreadPoolExecutor(num_threads()) as pool:
        return list(pool.map(encoded, ids))
