"""Averaged soft labels: what a network trained on clean labels thinks of each image, over all its epochs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.data.image_set import ImageSet
from labelmend.methods.cross_entropy import CrossEntropySettings
from labelmend.models.registry import missing_options
from labelmend.noise.classifier import SoftLabelRecipe
from labelmend.training.trainer import Trainer


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
    """
    trainer = Trainer(recipe_settings(recipe, seed), train_set)
    total = torch.zeros(len(train_set), train_set.num_classes)
    while trainer.share < 1:
        trainer.run_epoch()
        total += trainer.score(trainer.setup.networks[0]).probabilities
    mean: np.ndarray = (total / trainer.epoch).numpy()
    return mean
