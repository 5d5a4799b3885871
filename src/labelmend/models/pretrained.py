"""Backbones of libraries, pretrained or fresh, as feature extractors."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Self

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from labelmend.errors import LabelmendWarning, SettingsError
from labelmend.models.classifier import FeatureExtractor
from labelmend.models.downloads import DownloadError, get
from labelmend.models.libraries import OFFLINE_BACKBONE, find_architecture
from labelmend.models.weight_files import check_file, fit_weights

AUTO_PHOTO_BACKBONE = "timm:mobilenetv4_conv_medium.e500_r256_in1k"
"""For photographs, where the hub can be reached; docs/PHOTOS.md says why. ``obtain`` falls back from it."""


class Backbone(FeatureExtractor):
    """A network of a library without its last layer.

    Its weights are random until ``draw``, or until others are loaded.

    Args:
        name: see ``libraries.find_architecture``.
        pretrained: whether ``draw`` gives the published weights.
        weights: a file whose weights ``draw`` gives instead.
        image_size: side of the images it is for; by default that of its preprocessing.

    Attributes:
        name: in full, with the tag of the published weights.
        feature_dim: d.
        preprocessing: of its images, at that size.

    Raises:
        SettingsError: If there is no such network, its library is not installed, or it does not take images
            of this size.
    """

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool = True,
        weights: Path | None = None,
        image_size: int | None = None,
    ) -> None:
        super().__init__()
        self._keeps_statistics = False
        self._architecture = find_architecture(name)
        self._pretrained, self._weights = pretrained, weights
        self.name, self.preprocessing = self._architecture.name, self._architecture.preprocessing
        if image_size is not None:
            self.preprocessing = replace(self.preprocessing, size=image_size)
        # Libraries draw first weights from the global generator, which is put back.
        with torch.random.fork_rng(devices=[]):
            headless = self._architecture.build()
        self.model, self._heads = headless.module, headless.heads
        self.feature_dim = self._measure(self.preprocessing.size or 0)

    def _measure(self, image_size: int) -> int:
        """Features of one image; networks of some kinds take one size only, and say so in many ways."""
        self.model.eval()
        with torch.no_grad():
            try:
                features = self.model(torch.zeros(1, 3, image_size, image_size))
            except Exception as error:
                why = " ".join(str(error).split())[:120]
                raise SettingsError(
                    f"--network {self.name} does not take images of {image_size} px ({why}); give "
                    f"--image-size {self._architecture.preprocessing.size}"
                ) from error
        self.model.train()
        if not isinstance(features, Tensor) or features.ndim != 2:
            raise SettingsError(f"--network {self.name} gives no features (B, d); take another network")
        return features.shape[1]

    def keep_statistics(self) -> None:
        """Let batch norms go by the statistics that they have, in training too."""
        self._keeps_statistics = True
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set the mode, of batch norms only where they do not keep their statistics."""
        super().train(mode)
        if self._keeps_statistics:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def draw(self, generator: torch.Generator) -> None:
        """First weights, in place: the published ones, those of the file, or random ones.

        Args:
            generator: source of the random ones, on the CPU; takes one number of it in any case.

        Raises:
            SettingsError: If the weights cannot be read, or are not those of this network.
            DownloadError: If the published weights are not on this machine and cannot be fetched.
        """
        seed = int(torch.randint(2**62, (), generator=generator))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            if self._weights is not None:
                drawn = self._architecture.build().module
                fit_weights(self._weights, drawn, self._heads, self.name)
            elif self._pretrained and self._architecture.published is not None:
                file = get(self._architecture.published, self.name)
                drawn = self._load(file)
            else:
                drawn = self._architecture.build().module
        self.model.load_state_dict(drawn.state_dict())

    def _load(self, file: Path) -> torch.nn.Module:
        try:
            return self._architecture.load(file)
        # A file that was cut off or is of another network: each reader has its own errors.
        except Exception as error:
            why = " ".join(str(error).split())[:120]
            raise SettingsError(
                f"{file} holds no weights of {self.name} ({why}); remove it to fetch it anew"
            ) from error

    @property
    def fingerprint(self) -> str:
        """SHA-256 of name, preprocessing and all weights as they are now, 64 hexadecimal digits."""
        found = hashlib.sha256(json.dumps([self.name, asdict(self.preprocessing)]).encode())
        for key, value in self.model.state_dict().items():
            found.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
            found.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return found.hexdigest()

    def forward(self, images: Tensor) -> Tensor:
        """Features of normalised images: (B, 3, H, W), or grey (B, 1, H, W), to (B, d)."""
        features: Tensor = self.model(images.expand(-1, 3, -1, -1))
        return features


def obtain(name: str, *, weights: Path | None = None, pretrained: bool = True) -> str:
    """See to it that the first weights of a backbone are on this machine.

    What has to be fetched is announced before it starts. Where it cannot be, the offline default takes the
    backbone's place, and a warning says so.

    Args:
        name: see ``libraries.find_architecture``.
        weights: a file whose weights are used instead of published ones.
        pretrained: whether published weights are wanted.

    Returns:
        The full name of the backbone, or of the one that takes its place.

    Raises:
        SettingsError: If there is no such network, file or library, or nobody published weights of it.
    """
    architecture = find_architecture(name)
    if weights is not None:
        check_file(weights)
    elif pretrained:
        if architecture.published is None:
            raise SettingsError(
                f"nobody published weights of --network {name}; give --pretrained false, or --weights FILE"
            )
        try:
            get(architecture.published, architecture.name)
        except DownloadError as error:
            warnings.warn(
                f"the weights of {architecture.name} cannot be fetched ({error}); going on with "
                f"{OFFLINE_BACKBONE}, whose weights are installed",
                LabelmendWarning,
                stacklevel=2,
            )
            return obtain(OFFLINE_BACKBONE)
    return architecture.name


def load_backbone(
    name: str, *, weights: Path | None = None, pretrained: bool = True, image_size: int | None = None
) -> Backbone:
    """A backbone with its weights, in evaluation mode.

    Args:
        name: ``timm:NAME`` or ``torchvision:NAME``, any classifier of these libraries with or without the
            tag of its weights, or ``efficientnet_lite0``, whose weights need no download.
        weights: a file of weights to use instead of the published ones.
        pretrained: whether to take the published weights; without, and without a file, they are random and
            the same each time.
        image_size: side of the images it is for; by default that of its preprocessing.

    Raises:
        SettingsError: If there is no such network, file or library, the weights are not those of the
            network, or it does not take images of this size.
    """
    backbone = Backbone(
        obtain(name, weights=weights, pretrained=pretrained),
        pretrained=pretrained,
        weights=weights,
        image_size=image_size,
    )
    backbone.draw(torch.Generator().manual_seed(0))
    return backbone.eval()
