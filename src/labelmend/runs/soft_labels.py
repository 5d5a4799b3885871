"""Soft labels behind classifier noise, made once for all runs in a folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from labelmend import __version__
from labelmend.data.image_set import ImageSet
from labelmend.noise.classifier import (
    SoftLabelRecipe,
    SoftLabelTrainer,
    describe_recipe,
    kept_soft_labels,
)
from labelmend.runs.fingerprint import fingerprint
from labelmend.training.machine import machine
from labelmend.training.soft_labels import averaged_softmax


def soft_label_trainer(cache: Path | None) -> SoftLabelTrainer:
    """What trains the network behind classifier noise, which takes minutes on 50,000 images.

    Args:
        cache: folder that keeps what it says of the same images, by recipe, seed and machine, as rounding
            depends on it; None keeps nothing.
    """
    return averaged_softmax if cache is None else partial(_kept, cache)


def _kept(cache: Path, train_set: ImageSet, recipe: SoftLabelRecipe, seed: int) -> np.ndarray:
    described = [fingerprint(train_set), asdict(recipe), seed, machine(), __version__]
    name = hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]
    make = partial(averaged_softmax, train_set, recipe, seed)
    made = describe_recipe(recipe) | {"seed": seed}
    return kept_soft_labels(cache / f"soft-labels-{name}.npz", train_set.given_labels, make, made)
