"""Averaged soft labels: what a network trained on clean labels thinks of each image, over all its epochs."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import torch

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.data.image_set import ImageSet
from labelmend.errors import LabelmendWarning
from labelmend.methods.cross_entropy import CrossEntropySettings
from labelmend.models.registry import missing_options
from labelmend.noise.classifier import SoftLabelRecipe
from labelmend.text import count, duration
from labelmend.training.trainer import Trainer

SAID_FROM = 10.0
"""Seconds of training that are announced."""


def recipe_settings(recipe: SoftLabelRecipe, seed: int) -> Settings:
    """A recipe as settings of the training loop."""
    network = NetworkSettings(recipe.network)
    if recipe.widths and "widths" not in missing_options(recipe.network):
        network = replace(network, widths=list(recipe.widths))
    return Settings(
        method=CrossEntropySettings(),
        network=network,
        budget=BudgetSettings(epochs=recipe.epochs),
        training=TrainingSettings(
            batch_size=recipe.batch_size,
            lr=recipe.lr,
            lr_schedule=recipe.lr_schedule,  # type: ignore[arg-type]
            ema_decay=0.0,
            flip_average=False,
            # Probed by speed otherwise, so that the same seed could give other labels on a busy day.
            precision="float32",
            memory_format="channels_last",
        ),
        seed=seed,
    )


def averaged_softmax(train_set: ImageSet, recipe: SoftLabelRecipe, seed: int) -> np.ndarray:
    """Train on clean labels and average the softmax of every training image over the epochs.

    After each epoch all images are scored in evaluation mode, without augmentation (Chen et al. score one
    augmented view). The result depends on seed, recipe and, through rounding, on the machine: keep it
    (``noise.classifier.save_soft_labels``) to make the same labels elsewhere.

    Args:
        train_set: N images; their given labels are taken for clean.
        recipe: network and epochs.
        seed: of initial weights, order and augmentation.

    Returns:
        float32 (N, C), rows sum to 1.

    Warns:
        LabelmendWarning: How long it takes, before it begins, unless that is seconds.
    """
    trainer = Trainer(recipe_settings(recipe, seed), train_set)
    seconds = trainer.seconds_left()
    if seconds >= SAID_FROM:
        warnings.warn(
            f"classifier noise: {recipe.network} is trained on the clean labels of {len(train_set):,} images "
            f"first, {count(recipe.epochs, 'epoch')}, about {duration(seconds)} on this machine; its "
            "labels are made from what it says",
            LabelmendWarning,
            stacklevel=2,
        )
    total = torch.zeros(len(train_set), train_set.num_classes)
    while trainer.share < 1:
        trainer.run_epoch()
        total += trainer.score(trainer.setup.networks[0]).probabilities
    mean: np.ndarray = (total / trainer.epoch).numpy()
    return mean
