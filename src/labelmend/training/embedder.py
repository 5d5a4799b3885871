"""A frozen backbone as features are computed with it: prepared pixels in, features out."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from labelmend.models.pretrained import Backbone
from labelmend.training.arithmetic import Arithmetic
from labelmend.training.machine import has_bfloat16


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
        mean, std = (
            torch.tensor(values, device=arithmetic.device)[:, None, None]
            for values in (preparation.mean, preparation.std)
        )
        # From pixels in 0..255 to normalised ones in one step.
        self._scale, self._offset = 1 / (255 * std), -mean / std

    @cached_property
    def fingerprint(self) -> str:
        """That of the backbone, and the precision that it computes in."""
        return f"{self.backbone.name} {self.backbone.fingerprint} {self.arithmetic.precision}"

    @torch.inference_mode()
    def __call__(self, pixels: Tensor) -> Tensor:
        """Features float32 (B, d) of images uint8 (B, size, size, 3)."""
        images = pixels.to(self.arithmetic.device).permute(0, 3, 1, 2).float()
        images = torch.addcmul(self._offset, images, self._scale)
        with self.arithmetic.autocast():
            features: Tensor = self.backbone(self.arithmetic.place_images(images))
        return features.float()
