"""Labels that noise leaves alone, as if a person had confirmed them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from labelmend.data.image_set import ImageSet
from labelmend.errors import SettingsError
from labelmend.noise.inputs import check_seed


def draw_trusted(image_set: ImageSet, count: int, seed: int) -> ImageSet:
    """A clean data set of which some labels, drawn at random, are trusted.

    Args:
        image_set: N images; the true labels become the given ones, where they are known.
        count: of trusted labels, from 1 to N - 1.
        seed: of the draw.

    Raises:
        SettingsError: If the count or the seed is out of range, or some labels are trusted already.
    """
    check_seed(seed)
    if image_set.trusted is not None and image_set.trusted.any():
        raise SettingsError(
            f"--trusted {count}: {image_set.trusted.sum():,} labels of {image_set.name} are trusted already "
            "and stay as they are; leave it out"
        )
    if not 0 < count < len(image_set):
        raise SettingsError(f"--trusted is {count}, but must be from 1 to {len(image_set) - 1}")
    clean = image_set.given_labels if image_set.true_labels is None else image_set.true_labels
    drawn = np.random.default_rng(seed).permutation(len(image_set)) < count
    return replace(image_set.with_labels(clean), trusted=drawn)
