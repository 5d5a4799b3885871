"""Training a pretrained network further, on labels that a run on its features believes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labelmend.config import BudgetSettings, Settings, TrainingSettings
from labelmend.data.image_set import ImageSet
from labelmend.methods.cross_entropy import CrossEntropySettings
from labelmend.models.classifier import Classifier
from labelmend.models.unfrozen import WarmStart
from labelmend.training.listener import Listener
from labelmend.training.memory import kept_memory
from labelmend.training.metrics import test_accuracies
from labelmend.training.trainer import Trainer

LR = 1e-4
"""Peak learning rate. Batch norms keep their statistics, so nothing holds back too large a step: at 0.01 the
loss of EfficientNet-Lite0 on photographs explodes in two steps, at 0.001 it forgets what it knows."""


@dataclass(frozen=True)
class Finetuned:
    """The result.

    Attributes:
        network: of pixels, in evaluation mode.
        description: of the training as it was set up, as JSON-able values.
        rows: one dictionary of metrics per epoch.
        summary: test accuracies where they are known, and what it took.
    """

    network: Classifier
    description: dict[str, Any]
    rows: list[dict[str, Any]]
    summary: dict[str, Any]


def finetuning_settings(settings: Settings) -> Settings:
    """Settings of the further training in a run: its own budget and optimiser, cross-entropy."""
    training = settings.training
    return replace(
        settings,
        method=CrossEntropySettings(),
        budget=BudgetSettings(epochs=settings.network.finetune),
        training=TrainingSettings(
            lr=LR,
            precision=training.precision,
            memory_format=training.memory_format,
            device=training.device,
        ),
    )


def finetune(
    settings: Settings,
    train_set: ImageSet,
    test_set: ImageSet | None,
    start: WarmStart,
    *,
    folder: Path | None = None,
    listener: Listener | None = None,
    resume: bool = False,
) -> Finetuned:
    """Train a network further.

    Args:
        settings: of the run.
        train_set: images with a margin around what the network looks at, and labels that are believed.
        test_set: such images whose labels are true; nothing is chosen by it.
        start: the network.
        folder: as for ``trainer.train``, as the rest.
        listener: told of the progress.
        resume: go on from the checkpoint in ``folder``.
    """
    with kept_memory():
        trainer = Trainer(finetuning_settings(settings), train_set, test_set, folder, listener, resume, start)
        trainer.train()
    network = trainer.final_model()
    assert isinstance(network, Classifier)
    summary = {**test_accuracies(trainer.rows), **trainer.effort}
    return Finetuned(network, trainer.description, trainer.rows, summary)
