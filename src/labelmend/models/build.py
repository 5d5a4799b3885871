"""Backbones by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from labelmend.config import NetworkSettings
from labelmend.errors import SettingsError
from labelmend.models.classifier import Classifier
from labelmend.models.fastnet import FastNet
from labelmend.models.resnet import CIFAR_STEM_UP_TO, ResNet

RESNETS: dict[str, tuple[tuple[int, int, int, int], bool]] = {
    "resnet18": ((2, 2, 2, 2), False),
    "resnet34": ((3, 4, 6, 3), False),
    "resnet50": ((3, 4, 6, 3), True),
}
NETWORKS = ("fastnet", *RESNETS)


@dataclass(frozen=True)
class NetworkDescription:
    """All that is needed to build a network again, as JSON-able values."""

    network: str
    image_size: int
    channels: int
    num_classes: int
    widths: tuple[int, ...]
    depth: int
    activation: str = "relu"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "widths": list(self.widths)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkDescription:
        """The inverse of ``to_dict``; other keys are ignored."""
        names = cls.__dataclass_fields__
        return cls(**{**{k: v for k, v in values.items() if k in names}, "widths": tuple(values["widths"])})


def describe_network(
    settings: NetworkSettings, image_size: int, channels: int, num_classes: int
) -> NetworkDescription:
    """Resolve ``network: auto`` for the data at hand.

    Raises:
        SettingsError: If the network is not known.
    """
    name = settings.network
    if name == "auto":
        name = "fastnet" if image_size <= CIFAR_STEM_UP_TO else "resnet18"
    if name not in NETWORKS:
        raise SettingsError(f"--network is {name!r}, but must be one of auto, {', '.join(NETWORKS)}")
    return NetworkDescription(
        name,
        image_size,
        channels,
        num_classes,
        tuple(settings.widths),
        settings.depth,
        settings.activation,
    )


def build_network(description: NetworkDescription, generator: torch.Generator | None = None) -> Classifier:
    """Build a network; its weights are drawn from ``generator``, or meant to be loaded where it is None."""
    # torch's layers draw their first weights from the global generator, which is put back.
    with torch.random.fork_rng(devices=[]):
        network = _untrained(description)
    if generator is not None:
        initialise(network, generator)
    return network


def _untrained(description: NetworkDescription) -> Classifier:
    size, channels, classes = description.image_size, description.channels, description.num_classes
    if description.network == "fastnet":
        widths = list(description.widths)
        extractor = FastNet(size, channels, widths, description.depth, description.activation)
        return Classifier(extractor, widths[-1], classes)
    blocks, bottleneck = RESNETS[description.network]
    resnet = ResNet(size, channels, blocks, bottleneck)
    return Classifier(resnet, resnet.feature_dim, classes)


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights anew from ``generator``: He-normal convolutions, LeCun-uniform linear layers."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(layer, nn.Linear):
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
