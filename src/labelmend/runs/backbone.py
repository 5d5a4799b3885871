"""The frozen backbone of a run: loaded before it, kept with it, and what embeds images on the way in."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from labelmend.config import NetworkSettings, TrainingSettings
from labelmend.data.assemble import EmbedListing
from labelmend.data.decode import ProgressCallback
from labelmend.errors import RunError
from labelmend.models.pretrained import Backbone, load_backbone
from labelmend.tensors import load_tensors, save_tensors
from labelmend.training.arithmetic import Arithmetic, find_device
from labelmend.training.embedder import FrozenBackbone, embed_frozen, embedding_arithmetic

CACHE = ".features"
"""Folder beside the runs that holds the features of all images, and the soft labels behind classifier noise;
may be deleted at any time."""


def cache_beside(folder: Path) -> Path:
    """Where the features of the images of a run are kept, given its folder."""
    return folder.absolute().parent / CACHE


def cache_to_read(folder: Path) -> Path | None:
    """As ``cache_beside``, for who looks at a run that lies where nothing can be written: None there."""
    cache = cache_beside(folder)
    return cache if os.access(cache if cache.exists() else cache.parent, os.W_OK) else None


def load_frozen(
    network: NetworkSettings, training: TrainingSettings, image_size: int | None = None
) -> FrozenBackbone:
    """The backbone that the settings name, with its weights, on the device of the run.

    Args:
        network: names the backbone and its weights.
        training: names device and precision.
        image_size: side of its images; by default the one that it was trained with.

    Raises:
        SettingsError: If it or its weights cannot be loaded, or it does not take images of this size.
    """
    backbone = load_backbone(
        network.network,
        weights=None if network.weights is None else Path(network.weights),
        pretrained=network.pretrained,
        image_size=image_size,
    )
    return FrozenBackbone(backbone, embedding_arithmetic(find_device(training.device), training.precision))


def describe_frozen(frozen: FrozenBackbone) -> dict[str, Any]:
    """What is needed to build a frozen backbone again beside its weights, as JSON-able values."""
    return {
        "name": frozen.backbone.name,
        "precision": frozen.arithmetic.precision,
        "fingerprint": frozen.fingerprint,
        **asdict(frozen.backbone.preprocessing),
    }


def save_frozen(frozen: FrozenBackbone, file: Path) -> None:
    """Write the weights of a frozen backbone: its run predicts without fetching any."""
    save_tensors(file, frozen.backbone.model.state_dict(), {})


def restore_frozen(description: dict[str, Any], file: Path, device: str) -> FrozenBackbone:
    """The inverse of ``save_frozen``.

    Raises:
        RunError: If the weights are not those that the run was trained with.
    """
    backbone = Backbone(description["name"], pretrained=False, image_size=description["size"])
    tensors, _ = load_tensors(file)
    try:
        backbone.model.load_state_dict(tensors)
    except RuntimeError as error:
        raise RunError(f"{file} holds no weights of {description['name']}: {error}") from None
    frozen = FrozenBackbone(
        backbone, Arithmetic(find_device(device), description["precision"], "channels_last")
    )
    if frozen.fingerprint != description["fingerprint"]:
        raise RunError(
            f"{file} holds other weights than the run was trained with; take it from a copy of the run"
        )
    return frozen


def embedding(
    frozen: FrozenBackbone, cache: Path | None, progress: ProgressCallback | None = None
) -> EmbedListing:
    """What makes features of the images of a listing.

    Args:
        frozen: the backbone.
        cache: folder of features; None keeps none beyond the process.
        progress: called with (images done, images in all).
    """
    return partial(embed_frozen, frozen=frozen, cache=cache or Path(_of_process().name), progress=progress)


@lru_cache
def _of_process() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="labelmend-features-")
