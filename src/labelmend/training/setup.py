"""What of a run is settled before its first step: sizes, rates, views, networks, arithmetic."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from labelmend.config import AugmentationSettings, Settings, TrainingSettings
from labelmend.data.features import stored_once
from labelmend.data.image_set import ImageSet
from labelmend.errors import DataError, LabelmendWarning
from labelmend.methods.base import Method
from labelmend.models.classifier import Classifier
from labelmend.models.frozen import FOLDS
from labelmend.models.preprocessing import Preprocessing
from labelmend.models.registry import (
    NetworkDescription,
    build_network,
    describe_heads,
    describe_network,
    preprocessing_of,
    redraw,
)
from labelmend.models.unfrozen import WarmStart
from labelmend.selection.folds import stratified_folds
from labelmend.text import first_of
from labelmend.training.arithmetic import Arithmetic, choose_arithmetic, find_device
from labelmend.training.crops import CentreView, RandomCrops
from labelmend.training.machine import machine
from labelmend.training.mirroring import Mirroring, decide_mirroring
from labelmend.training.probe import images_per_second
from labelmend.training.scoring import View, area_factor
from labelmend.training.seeds import Purpose, stream
from labelmend.training.views import Augmentation, Normalisation, Views, feature_views, mean_view

# Enough images for channel statistics and whitening; more change nothing that is visible.
STATISTICS_IMAGES = 2000
STATISTICS_FEATURES = 20_000

# Images of a class from which on its labels are judged: fewer have few neighbours of their own.
JUDGED_FROM = 5

AUTO_BATCH = (32, 250)
LR_OF_125 = 0.2
# Images for which --weight-decay is meant where heads learn on features: a linear classifier wants one
# penalty for the sum of the losses of all images, so that of their mean falls as their number grows.
DECAY_FOR_IMAGES = 2000


def resolve_augmentation(
    settings: AugmentationSettings, normalisation: Normalisation, image_size: int, flip: bool
) -> Augmentation:
    """Fill in the settings that depend on the data; ``flip`` is what was decided on mirroring."""
    return Augmentation(
        normalisation,
        crop=max(1, image_size // 8) if settings.crop is None else min(settings.crop, image_size - 1),
        flip=flip,
        cutout=round(settings.cutout * image_size),
        jitter=settings.jitter,
        padding=settings.padding,
    )


def resolve_batch_size(settings: TrainingSettings, count: int, image_size: int) -> int:
    """Images a step: as set, or an 80th of all within ``AUTO_BATCH``; never more than there are.

    Above 64 px the upper bound falls with the area of the images, as memory does.
    """
    low, high = AUTO_BATCH
    high = max(low, int(high * area_factor(image_size)))
    size = min(max(count // 80, low), high) if settings.batch_size is None else settings.batch_size
    return min(size, count)


def resolve_lr(settings: TrainingSettings, batch_size: int) -> float:
    """Peak learning rate: as set, or growing with the root of the batch size."""
    return LR_OF_125 * math.sqrt(batch_size / 125) if settings.lr is None else settings.lr


def warn_of_small_classes(train_set: ImageSet) -> None:
    """Say which classes have too few images for anything to be told of their labels.

    Warns:
        LabelmendWarning: If a class has fewer than ``JUDGED_FROM`` images.
    """
    sizes = np.bincount(train_set.given_labels, minlength=train_set.num_classes)
    small = [
        f"{name!r} ({size})"
        for name, size in zip(train_set.class_names, sizes.tolist(), strict=True)
        if 0 < size < JUDGED_FROM
    ]
    if small:
        warnings.warn(
            f"{len(small)} of {train_set.num_classes} classes have fewer than {JUDGED_FROM} images, too few "
            f"to judge their labels by: {first_of(small, 5)}; look at these labels yourself",
            LabelmendWarning,
            stacklevel=2,
        )


def resolve_normalisation(preprocessing: Preprocessing, pixels: Tensor) -> Normalisation:
    """Mean and deviation that a network was made for, or else those of the images.

    Args:
        preprocessing: of the network; where the images are grey, its colours are averaged.
        pixels: some training images, uint8 (M, H, W, channels).
    """
    if preprocessing.mean is None or preprocessing.std is None:
        return Normalisation.of(pixels)
    mean, std = (255 * torch.tensor([preprocessing.mean, preprocessing.std], dtype=torch.float64)).unbind()
    if pixels.shape[3] == 1:
        mean, std = mean.mean(0, keepdim=True), std.mean(0, keepdim=True)
    return Normalisation(tuple(mean.tolist()), tuple(std.tolist()))


def hold_out(count: int, share: float, generator: torch.Generator, together: Tensor | None = None) -> Tensor:
    """Which images choose the epoch instead of being trained on, bool (N,); at least one if ``share`` > 0.

    Args:
        count: N.
        share: of the images to hold out; where some belong together, at most this share, and at least
            one group.
        generator: of the choice.
        together: int64 (N,), as ``Setup`` has it; images of one number are held out together or not at
            all. None where each image is on its own.

    Raises:
        DataError: If all images belong together.
    """
    held = torch.zeros(count, dtype=torch.bool)
    if share <= 0:
        return held
    number = max(1, round(share * count))
    if together is None:
        held[torch.randperm(count, generator=generator)[:number]] = True
        return held
    codes = together.cpu().numpy()
    if codes.max() == 0:
        raise DataError("all images are of one group, so that none can be held out; leave --validation out")
    sizes = np.bincount(codes)
    chosen: list[int] = []
    left = number
    for group in torch.randperm(len(sizes), generator=generator).tolist():
        if sizes[group] <= left:
            chosen.append(group)
            left -= sizes[group]
    return torch.from_numpy(np.isin(codes, chosen or [int(sizes.argmin())]))


@dataclass(frozen=True)
class Setup:
    """A run before its first step.

    Attributes:
        normalisation: what images are scored by, without a random view.
        sample: float32 (M, channels, H, W) or (M, d), some training images, which networks are fitted to.
        description: of each network.
        arithmetic: device, precision and memory format.
        speed: about how many images a second it trains on; see ``training.probe``.
        augmentation: draws views.
        mirroring: what was decided on mirroring, and why.
        flip_average: whether predictions are averaged over each image and its mirror image.
        batch_size: images a step.
        lr: peak learning rate.
        weight_decay: of weights.
        networks: placed, and fitted to the data.
        fold_of: int64 (N,), which head is kept from each image, where heads are; else None.
        together: int64 (N,), of ``belonging_together``: the same number for images that must not judge each
            other; or None.
    """

    normalisation: View
    sample: Tensor
    description: NetworkDescription
    arithmetic: Arithmetic
    speed: float
    augmentation: Views
    mirroring: Mirroring
    flip_average: bool
    batch_size: int
    lr: float
    weight_decay: float
    networks: list[Classifier]
    fold_of: Tensor | None = None
    together: Tensor | None = None

    def redraw(self, network: Classifier, generator: torch.Generator, part: str = "") -> None:
        """Draw a network anew and fit it to the data, or draw a part of it anew; in place."""
        redraw(network.get_submodule(part), generator)
        if not part:
            network.prepare(self.sample)


def set_up(
    settings: Settings,
    train_set: ImageSet,
    method: type[Method],
    generator: torch.Generator,
    chosen: tuple[str, str] | None = None,
    mirroring: Mirroring | None = None,
    start: WarmStart | None = None,
) -> Setup:
    """Settle everything that the settings leave to the data and the machine.

    Args:
        settings: of the run.
        train_set: its images.
        method: which says how many networks there are and how many outputs they have.
        generator: source of the sample and of the initial weights.
        chosen: precision and memory format of a run that goes on.
        mirroring: what that run decided on mirroring.
        start: the network to train further, if it is not drawn; images then have a margin around what it
            looks at.

    Raises:
        DataError: If there are fewer than two classes.
        SettingsError: If a setting cannot be used on this machine or data.
    """
    if train_set.num_classes < 2:
        raise DataError(f"{train_set.name}: only one class; a classifier needs at least two")
    if start is not None:
        return _set_up_further_training(settings, train_set, start, chosen, mirroring)
    warn_of_small_classes(train_set)
    if train_set.has_features:
        return _set_up_heads(settings, train_set, method, generator)
    count, image_size, _, channels = train_set.images.shape
    enough = max(100, int(STATISTICS_IMAGES * area_factor(image_size)))
    some = torch.randperm(count, generator=generator)[:enough]
    pixels = train_set.images.gather(some)
    normalisation = resolve_normalisation(preprocessing_of(settings.network.network), pixels)
    sample = normalisation(pixels)
    outputs = method.num_outputs(train_set.num_classes)
    description = describe_network(settings.network, image_size, channels, train_set.num_classes, outputs)
    number = method.num_networks(settings.method)
    networks = [build_network(description, generator) for _ in range(number)]
    for network in networks:
        network.prepare(sample)

    training = settings.training
    arithmetic = _arithmetic(training, chosen)
    for network in networks:
        arithmetic.place_module(network)
    batch_size = resolve_batch_size(training, count, image_size)
    mirroring = mirroring or _mirroring(settings, train_set)
    augmentation = resolve_augmentation(settings.augmentation, normalisation, image_size, mirroring.on)
    together = belonging_together(train_set)
    return Setup(
        normalisation=normalisation,
        sample=sample,
        description=description,
        arithmetic=arithmetic,
        speed=images_per_second(networks[0], (channels, image_size, image_size), arithmetic, batch_size),
        augmentation=augmentation,
        mirroring=mirroring,
        flip_average=training.flip_average and augmentation.flip,
        batch_size=batch_size,
        lr=resolve_lr(training, batch_size),
        weight_decay=training.weight_decay,
        networks=networks,
        together=None if together is None else together.to(arithmetic.device),
    )


def _arithmetic(training: TrainingSettings, chosen: tuple[str, str] | None) -> Arithmetic:
    precision, memory_format = chosen or (training.precision, training.memory_format)
    return choose_arithmetic(find_device(training.device), precision, memory_format)


def _mirroring(settings: Settings, train_set: ImageSet) -> Mirroring:
    return decide_mirroring(
        settings.augmentation.flip,
        train_set.mirror_safe,
        train_set.images,
        torch.from_numpy(train_set.given_labels),
        train_set.class_names,
        stream(settings.seed, Purpose.MIRRORING),
    )


def _set_up_further_training(
    settings: Settings,
    train_set: ImageSet,
    start: WarmStart,
    chosen: tuple[str, str] | None,
    mirroring: Mirroring | None,
) -> Setup:
    """As ``set_up``, for a network that goes on from weights it has, with the preparation it was made for."""
    training, preparation = settings.training, start.backbone.preprocessing
    size = preparation.size
    assert size  # every library says it
    some = train_set.images.gather(torch.arange(1))
    normalisation = resolve_normalisation(preparation, some)
    description = describe_network(settings.network, size, some.shape[3], train_set.num_classes)
    network, arithmetic = start.network(description), _arithmetic(training, chosen)
    arithmetic.place_module(network)
    batch_size = resolve_batch_size(training, len(train_set), size)
    mirroring = mirroring or _mirroring(settings, train_set)
    view, together = CentreView(normalisation, size), belonging_together(train_set)
    sample = view(some)
    return Setup(
        normalisation=view,
        sample=sample,
        description=description,
        arithmetic=arithmetic,
        speed=images_per_second(network, sample.shape[1:], arithmetic, batch_size),
        augmentation=RandomCrops(normalisation, size, mirroring.on),
        mirroring=mirroring,
        flip_average=False,
        batch_size=batch_size,
        lr=resolve_lr(training, batch_size),
        weight_decay=training.weight_decay,
        networks=[network],
        together=None if together is None else together.to(arithmetic.device),
    )


def _set_up_heads(
    settings: Settings, train_set: ImageSet, method: type[Method], generator: torch.Generator
) -> Setup:
    """As ``set_up``, for features of a frozen backbone: small networks, so float32, and heads in folds."""
    count, _, dim = train_set.images.shape
    some = torch.randperm(count, generator=generator)[:STATISTICS_FEATURES]
    sample = mean_view(train_set.images.gather(some))
    description = describe_heads(dim, train_set.num_classes, method.num_outputs(train_set.num_classes))
    networks = [build_network(description, generator) for _ in range(method.num_networks(settings.method))]
    arithmetic = Arithmetic(find_device(settings.training.device), "float32", "contiguous")
    for network in networks:
        network.prepare(sample)
        arithmetic.place_module(network)
    batch_size = resolve_batch_size(settings.training, count, 1)
    together = belonging_together(train_set)
    if together is not None and together.max() == 0:
        raise DataError(
            "all images are of one group, so that none can be judged by others; leave --group-column out"
        )
    return Setup(
        normalisation=mean_view,
        sample=sample,
        description=description,
        arithmetic=arithmetic,
        speed=images_per_second(networks[0], (dim,), arithmetic, batch_size),
        augmentation=feature_views,
        mirroring=Mirroring(False, "frozen"),
        flip_average=False,
        batch_size=batch_size,
        lr=resolve_lr(settings.training, batch_size),
        weight_decay=settings.training.weight_decay * DECAY_FOR_IMAGES / count,
        networks=networks,
        fold_of=stratified_folds(torch.from_numpy(train_set.given_labels), FOLDS, generator, together),
        together=None if together is None else together.to(arithmetic.device),
    )


def _group_numbers(groups: Sequence[object]) -> np.ndarray:
    """int64 (N,): the same number for images of one group."""
    return np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)[1]


def belonging_together(train_set: ImageSet) -> Tensor | None:
    """Which images say the same: of one group, or equal pixel by pixel.

    Returns:
        int64 (N,), from 0, the same number for images that belong together; None where each is on its own.
    """
    if train_set.has_features:
        equal = stored_once(train_set.images).numpy()
    else:
        equal = np.arange(len(train_set))
        for rows in train_set.same_pictures:
            equal[rows] = rows[0]
    if train_set.groups is None:
        together = np.unique(equal, return_inverse=True)[1]
    else:
        # Equal images of two groups join them: images, groups and pictures are the nodes of a graph.
        codes = _group_numbers(train_set.groups)
        count, groups = len(codes), int(codes.max()) + 1
        images = np.tile(np.arange(count), 2)
        linked = np.concatenate([count + codes, count + groups + equal])
        nodes = count + groups + int(equal.max()) + 1
        graph = coo_array((np.ones(2 * count, dtype=np.int8), (images, linked)), shape=(nodes, nodes))
        together = connected_components(graph, directed=False)[1][:count].astype(np.int64)
    return torch.from_numpy(together) if together.max() + 1 < len(train_set) else None


def describe(setup: Setup, train_set: ImageSet, members: int) -> dict[str, Any]:
    """A run as it is set up, as JSON-able values; enough to build and feed its model again.

    Args:
        setup: of the run.
        train_set: its images.
        members: networks of the finished model.
    """
    return {
        **setup.description.to_dict(),
        "classes": train_set.class_names,
        **_statistics(setup.normalisation),
        "pixel_range": None if train_set.pixel_range is None else list(train_set.pixel_range),
        "flip_average": setup.flip_average,
        "mirroring": str(setup.mirroring),
        "precision": setup.arithmetic.precision,
        "memory_format": setup.arithmetic.memory_format,
        "device": str(setup.arithmetic.device),
        "images_per_second": setup.speed,
        "parameters": sum(p.numel() for p in setup.networks[0].parameters()),
        "networks": len(setup.networks),
        "members": members,
        "images": len(train_set),
        "batch_size": setup.batch_size,
        "lr": setup.lr,
        "weight_decay": setup.weight_decay,
        **machine(),
    }


def _statistics(normalisation: View) -> dict[str, list[float]]:
    """Mean and spread of pixels; features carry theirs in the network."""
    if not isinstance(normalisation, Normalisation):
        return {}
    return {"mean": list(normalisation.mean), "std": list(normalisation.std)}
