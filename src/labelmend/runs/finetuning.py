"""From a run on frozen features to one whose backbone is trained too, on labels that the first believes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from labelmend.config import Settings
from labelmend.data.image_set import ImageSet
from labelmend.errors import RunError
from labelmend.models.pretrained import Backbone
from labelmend.models.registry import describe_heads
from labelmend.models.unfrozen import WarmStart, heads_of, mean_head
from labelmend.runs.backbone import describe_frozen
from labelmend.runs.run import Run
from labelmend.training.arithmetic import choose_arithmetic, find_device
from labelmend.training.embedder import FrozenBackbone
from labelmend.training.finetune import Finetuned
from labelmend.training.probe import images_per_second
from labelmend.training.setup import resolve_batch_size
from labelmend.verdicts import issues

FROM_FROZEN = ("test_accuracy_last", "epochs", "flops", "seconds")
"""Numbers of the run on frozen features that the summary repeats, under ``frozen``."""


@dataclass(frozen=True)
class Photographs:
    """The images of a run as pixels, with a margin around what its backbone looks at.

    Attributes:
        train: the training images, noise included.
        test: images whose labels are true, or None.
    """

    train: ImageSet
    test: ImageSet | None


def without_finetuning(settings: Settings) -> Settings:
    """Settings of the run on frozen features that comes first."""
    return replace(settings, network=replace(settings.network, finetune=0.0))


def believed(run: Run, photographs: ImageSet) -> ImageSet:
    """The images with the labels that a run believes: suggested ones, and given ones that it does not flag.

    What it flags without a suggestion is left out.

    Args:
        run: on the features of the same images.
        photographs: the images.

    Raises:
        RunError: If these are of fewer than two classes.
    """
    table = run.verdicts.table
    number = {name: index for index, name in enumerate(photographs.class_names)}
    suggested = table.suggested_label.map(number).to_numpy(dtype=np.int64)
    given = photographs.given_labels
    trusted = np.zeros(len(given), dtype=bool) if photographs.trusted is None else photographs.trusted
    labels = issues.believed(table.is_label_issue.to_numpy(), suggested, given, trusted)
    kept = np.flatnonzero(labels >= 0)
    if len(np.unique(labels[kept])) < 2:
        raise RunError(
            f"the run on frozen features believes {len(kept)} labels, of fewer than two classes, so that its "
            "network cannot be trained further; leave --finetune out"
        )
    return photographs.subset(kept).with_labels(labels[kept])


def start_of(run: Run, frozen: FrozenBackbone) -> WarmStart:
    """What a run on frozen features leaves to the training of their network."""
    return WarmStart(frozen.backbone, mean_head(run.network, len(run.classes)))


def finetuned_run(before: Run, tuned: Finetuned, settings: Settings, frozen: FrozenBackbone) -> Run:
    """A run of which backbone and heads are the trained ones.

    Its verdicts are those of the run before it: heads that have not seen a label can judge it, and a backbone
    that has learned it cannot.

    Args:
        before: the run on frozen features.
        tuned: what became of it.
        settings: of the whole run.
        frozen: the backbone as it was.
    """
    backbone, description = tuned.network.extractor, before.description
    assert isinstance(backbone, Backbone)
    trained = FrozenBackbone(backbone, frozen.arithmetic)
    classes, outputs = description["num_classes"], description["num_outputs"]
    heads = describe_heads(backbone.feature_dim, classes, outputs)
    own = {name: tuned.description[name] for name in ("mirroring", "batch_size", "lr", "weight_decay")}
    took = {name: before.summary[name] + tuned.summary[name] for name in ("flops", "seconds")}
    known = {name: before.summary[name] for name in FROM_FROZEN if name in before.summary}
    return Run(
        before.verdicts,
        settings,
        {**before.summary, **tuned.summary, **took, "frozen": known},
        heads_of(tuned.network, heads),
        {**description, **own, **heads.to_dict(), "members": 1, "backbone": describe_frozen(trained)},
        before.folder,
        trained,
    )


def estimated_seconds(settings: Settings, frozen: FrozenBackbone, images: int) -> float:
    """About how long the training of the backbone takes on this machine.

    Args:
        settings: of the run.
        frozen: the backbone.
        images: number of training images.
    """
    training = settings.training
    arithmetic = choose_arithmetic(find_device(training.device), training.precision, training.memory_format)
    shape, batch_size = (3, frozen.size, frozen.size), resolve_batch_size(training, images, frozen.size)
    speed = images_per_second(frozen.backbone, shape, arithmetic, batch_size)
    return settings.network.finetune * images / speed
