"""Pictures that are in two sets: test images that are trained on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import torch

from labelmend.data.image_set import Images, ImageSet, MemoryImages
from labelmend.data.same_pictures import picture_key
from labelmend.errors import LabelmendWarning

_CHUNK = 256
_SAMPLED = 64
"""Values of an image that are looked at first."""


def _keys(images: Images, rows: Sequence[int], step: int = 1) -> list[bytes]:
    """What equal images share, for each of some rows: a key of every ``step``-th of their values."""
    keys: list[bytes] = []
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        if isinstance(images, MemoryImages) and isinstance(chunk, range):
            found = images.pixels[chunk.start : chunk.stop]  # no copy
        else:
            found = images.gather(torch.as_tensor(chunk, dtype=torch.int64))
        keys += [picture_key(pixels.reshape(-1)[::step]) for pixels in found.cpu().numpy()]
    return keys


def _alike(tested: Images, trained: Images) -> tuple[list[int], list[int]]:
    """Rows of two sets that may be equal, as some of their values are."""
    step = max(1, math.prod(tested.shape[1:]) // _SAMPLED)
    of_tested = _keys(tested, range(tested.shape[0]), step)
    of_trained = _keys(trained, range(trained.shape[0]), step)
    common = set(of_tested) & set(of_trained)
    tested_rows, trained_rows = (
        [row for row, key in enumerate(keys) if key in common] for keys in (of_tested, of_trained)
    )
    return tested_rows, trained_rows


def shared_pictures(test_set: ImageSet, train_set: ImageSet) -> list[tuple[int, int]]:
    """Rows of a test set whose pictures are trained on, each with the first such row of the training set.

    Pictures in memory are compared pixel by pixel (features: number by number). Others would have to be
    decoded anew, so of these only pictures of one id are compared.

    Args:
        test_set: M images.
        train_set: N images of the same form.
    """
    tested, trained = test_set.images, train_set.images
    if tested.shape[1:] != trained.shape[1:]:
        return []
    if tested.in_memory and trained.in_memory:
        rows, among = _alike(tested, trained)
        first: dict[bytes, int] = {}
        for row, key in zip(among, _keys(trained, among), strict=True):
            first.setdefault(key, row)
        keys = zip(rows, _keys(tested, rows), strict=True)
        return [(row, first[key]) for row, key in keys if key in first]
    of_id = {identity: row for row, identity in enumerate(train_set.ids)}
    pairs = [(row, of_id[identity]) for row, identity in enumerate(test_set.ids) if identity in of_id]
    own = _keys(tested, [row for row, _ in pairs])
    others = _keys(trained, [row for _, row in pairs])
    return [pair for pair, key, other in zip(pairs, own, others, strict=True) if key == other]


def warn_of_shared_pictures(test_set: ImageSet, train_set: ImageSet) -> None:
    """Warn if test images are trained on: the accuracy on them says nothing of new images.

    Warns:
        LabelmendWarning: With the number of such test images, and the first.
    """
    found = shared_pictures(test_set, train_set)
    if not found:
        return
    tested, trained = found[0]
    warnings.warn(
        f"{test_set.name}: test images that are trained on too: {len(found):,} of {len(test_set):,}, first "
        f"{test_set.ids[tested]} (in training {train_set.ids[trained]}); the test accuracy says little of "
        "new images then (--test SOURCE names others, --test none tests on none)",
        LabelmendWarning,
        stacklevel=3,
    )
