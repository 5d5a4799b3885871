"""A frozen backbone as features are computed with it: prepared pixels in, features out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from labelmend.data.decode import ProgressCallback
from labelmend.data.features import CachedFeatures, View, embed_listing
from labelmend.data.image_set import Skipped
from labelmend.data.listing import Listing
from labelmend.models.pretrained import Backbone
from labelmend.training.arithmetic import Arithmetic
from labelmend.training.machine import has_bfloat16
from labelmend.training.memory import kept_memory


def embedding_arithmetic(device: torch.device, precision: str = "auto") -> Arithmetic:
    """How features are computed on a device: in bfloat16 where it has that itself.

    Args:
        device: where.
        precision: ``float32`` or ``bfloat16``, or ``auto``. On photographs bfloat16 takes half the time, and
            classifiers of the features are as good (docs/PHOTOS.md).
    """
    if precision == "auto":
        precision = "bfloat16" if has_bfloat16(device) else "float32"
    return Arithmetic(device, precision, "channels_last")


class FrozenBackbone:
    """The ``Embedder`` that a backbone makes, in evaluation mode.

    Args:
        backbone: moved to the device and layout of the arithmetic, in place.
        arithmetic: device, precision and memory format.
    """

    def __init__(self, backbone: Backbone, arithmetic: Arithmetic) -> None:
        self.backbone, self.arithmetic = backbone.eval(), arithmetic
        preparation = backbone.preprocessing
        assert preparation.size and preparation.mean and preparation.std  # every library says them
        self.size, self.crop = preparation.size, preparation.crop
        self.interpolation, self.keep_aspect = preparation.interpolation, preparation.keep_aspect
        self.feature_dim = backbone.feature_dim
        arithmetic.place_module(backbone)
        # From pixels in 0..255 to normalised ones in one step, for a whole row of them: long rows of numbers
        # are several times as fast as triples.
        mean, std = (
            torch.tensor(values, device=arithmetic.device).repeat(self.size)
            for values in (preparation.mean, preparation.std)
        )
        self._scale, self._offset = 1 / (255 * std), -mean / std

    @cached_property
    def fingerprint(self) -> str:
        """That of the backbone, and the precision that it computes in."""
        return f"{self.backbone.name} {self.backbone.fingerprint} {self.arithmetic.precision}"

    @torch.inference_mode()
    def __call__(self, pixels: Tensor) -> Tensor:
        """Features float32 (B, d) of images uint8 (B, size, size, 3)."""
        rows = pixels.to(self.arithmetic.device).flatten(2).float()
        torch.addcmul(self._offset, rows, self._scale, out=rows)
        images = rows.view(pixels.shape).permute(0, 3, 1, 2)
        with self.arithmetic.autocast():
            features: Tensor = self.backbone(self.arithmetic.place_images(images))
        return features.float()


def embed_frozen(
    listing: Listing,
    frozen: FrozenBackbone,
    cache: Path,
    *,
    views: Sequence[View] = ("plain",),
    progress: ProgressCallback | None = None,
) -> tuple[CachedFeatures, list[int], list[Skipped]]:
    """``embed_listing`` as fast as the machine can; see there for arguments, result and errors."""
    with kept_memory():
        return embed_listing(listing, frozen, cache, views=views, progress=progress)
