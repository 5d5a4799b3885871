"""Networks by name: how each is built, which options it has and how its images are prepared.

A new network is a file with its feature extractor and one line in ``NETWORKS``. Those of timm and
torchvision have none: their names say where they come from.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from labelmend.config import NetworkSettings
from labelmend.errors import SettingsError
from labelmend.memory import fits_in_memory, in_words
from labelmend.models.classifier import Classifier, FeatureExtractor
from labelmend.models.fastnet import FastNet, WhiteningStem
from labelmend.models.frozen import FoldedHeads, StandardFeatures
from labelmend.models.libraries import OFFLINE_BACKBONE, PREFIXES, find_architecture
from labelmend.models.preact_resnet import PreActResNet
from labelmend.models.preprocessing import Preprocessing
from labelmend.models.pretrained import AUTO_PHOTO_BACKBONE, Backbone, obtain
from labelmend.models.resnet import CIFAR_STEM_UP_TO, ResNet
from labelmend.models.wide_resnet import WideResNet

AUTO = "auto"
FEATURES = "features"
COPIES = 4
"""Of the weights, while they are trained: themselves, gradients, momentum, average."""
OF_LIBRARIES = tuple(f"{library}:NAME" for library in PREFIXES)


@dataclass(frozen=True)
class Network:
    """What is known of a network before it is built.

    Attributes:
        build: the feature extractor, from the side of the images, their channels and the options by name.
        options: its own settings, fields of ``NetworkSettings``.
        preprocessing: of its images, when it is called.
        max_size: largest side in pixels of the images that it is made for, or None.
        head: from the dimension of the features and the number of outputs.
    """

    build: Callable[..., FeatureExtractor]
    options: tuple[str, ...] = ()
    preprocessing: Callable[[], Preprocessing] = Preprocessing
    max_size: int | None = None
    head: Callable[[int, int], nn.Module] = nn.Linear


def _of_library(name: str) -> Network:
    def build(image_size: int, _channels: int, pretrained: bool, weights: str | None) -> Backbone:
        file = None if weights is None else Path(weights)
        return Backbone(name, pretrained=pretrained, weights=file, image_size=image_size)

    return Network(build, ("pretrained", "weights"), lambda: find_architecture(name).preprocessing)


NETWORKS: dict[str, Network] = {
    "fastnet": Network(FastNet, options=("widths", "depth", "activation")),
    "resnet18": Network(partial(ResNet, blocks=(2, 2, 2, 2), bottleneck=False)),
    "resnet34": Network(partial(ResNet, blocks=(3, 4, 6, 3), bottleneck=False)),
    "resnet50": Network(partial(ResNet, blocks=(3, 4, 6, 3), bottleneck=True)),
    "preact_resnet18": Network(lambda _size, channels: PreActResNet(channels), max_size=CIFAR_STEM_UP_TO),
    "wrn28_10": Network(lambda _size, channels: WideResNet(channels, 28, 10), max_size=CIFAR_STEM_UP_TO),
    OFFLINE_BACKBONE: _of_library(OFFLINE_BACKBONE),
    # Of a frozen backbone: not chosen by name, but what any backbone whose features are cached comes to.
    FEATURES: Network(lambda dim, _channels: StandardFeatures(dim), head=FoldedHeads),
}
NAMES = [name for name in NETWORKS if name != FEATURES]
"""Networks that a user can ask for."""


@dataclass(frozen=True)
class NetworkDescription:
    """All that is needed to build a network again, as JSON-able values.

    Attributes:
        network: a key of ``NETWORKS``, or a network of a library.
        image_size: side of the square images in pixels; of ``features``, their dimension.
        channels: 1 or 3.
        num_classes: C.
        num_outputs: logits of the head; at least C.
        options: the network's own settings by name.
    """

    network: str
    image_size: int
    channels: int
    num_classes: int
    num_outputs: int
    options: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkDescription:
        """The inverse of ``to_dict``; other keys are ignored.

        Descriptions written before networks had options of their own, with fastnet's beside the rest and
        as many outputs as classes, are read too.

        Raises:
            SettingsError: If the network is not known.
        """
        network = find_network(values["network"])
        flat = {name: values[name] for name in network.options if name in values}
        known = {f.name: values[f.name] for f in fields(cls) if f.name in values}
        return cls(**{"num_outputs": values["num_classes"], "options": flat, **known})


def find_network(name: str) -> Network:
    """The network of this name.

    Raises:
        SettingsError: If there is none; the message has the names and the closest match.
    """
    if name.partition(":")[0] in PREFIXES and ":" in name:
        return _of_library(name)
    if name not in NETWORKS:
        near = difflib.get_close_matches(name, [AUTO, *NAMES], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        known = ", ".join([AUTO, *NAMES, *OF_LIBRARIES])
        raise SettingsError(f"--network is {name!r}, but must be one of {known}{hint}")
    return NETWORKS[name]


def obtain_network(settings: NetworkSettings) -> NetworkSettings:
    """See to it that the first weights of a network of a library are on this machine.

    Returns:
        The settings with the network's full name, or with the offline default where its weights cannot be
        fetched (``pretrained.obtain``); of other networks as they are.

    Raises:
        SettingsError: If there is no such network, or the weights that are asked for.
    """
    if settings.network == AUTO and settings.frozen:
        settings = replace(settings, network=AUTO_PHOTO_BACKBONE)
    of_library = is_of_library(settings.network)
    if settings.frozen and not of_library:
        raise SettingsError(
            f"--network {settings.network} cannot be frozen: only pretrained networks of a library can; take "
            f"--network auto, {OFFLINE_BACKBONE} or {' or '.join(OF_LIBRARIES)}, or --frozen false"
        )
    if not of_library:
        return settings
    weights = None if settings.weights is None else Path(settings.weights)
    return replace(
        settings, network=obtain(settings.network, weights=weights, pretrained=settings.pretrained)
    )


def is_of_library(network: str) -> bool:
    """Whether a network is one that a library has weights of; not of ``auto``, which may become any.

    Raises:
        SettingsError: If there is no such network.
    """
    return network != AUTO and "weights" in find_network(network).options


def preprocessing_of(network: str) -> Preprocessing:
    """How images are prepared for a network; nothing is asked of them for ``auto``."""
    return Preprocessing() if network == AUTO else find_network(network).preprocessing()


def missing_options(network: str) -> list[str]:
    """Network settings that a network does not have; none for ``auto``, which may become any."""
    if network == AUTO:
        return []
    options = find_network(network).options
    of_any = ("network", "frozen", "finetune")
    return [f.name for f in fields(NetworkSettings) if f.name not in (*of_any, *options)]


def describe_network(
    settings: NetworkSettings,
    image_size: int,
    channels: int,
    num_classes: int,
    num_outputs: int | None = None,
) -> NetworkDescription:
    """Resolve ``network: auto`` for the data at hand.

    Args:
        settings: which network, and its options; those that ``auto`` has no use for are left out.
        image_size: side of the square images in pixels.
        channels: 1 or 3.
        num_classes: C.
        num_outputs: logits of the head; by default C.

    Raises:
        SettingsError: If the network is not known, is not made for images of this size, or has no such
            option as one that is set.
    """
    name = settings.network
    check_options(settings)
    if name == AUTO:
        name = "fastnet" if image_size <= CIFAR_STEM_UP_TO else "resnet18"
        if settings.weights is not None:
            raise SettingsError(f"--weights {settings.weights} is of which network? name it with --network")
    network = find_network(name)
    if network.max_size is not None and image_size > network.max_size:
        raise SettingsError(
            f"--network {name} is made for images of up to {network.max_size} px, not {image_size}; "
            f"give --image-size {network.max_size}, or --network resnet18"
        )
    return NetworkDescription(
        name,
        image_size,
        channels,
        num_classes,
        num_classes if num_outputs is None else num_outputs,
        {option: getattr(settings, option) for option in network.options},
    )


def describe_heads(dim: int, num_classes: int, num_outputs: int) -> NetworkDescription:
    """The trainable part of a network whose backbone is frozen.

    Args:
        dim: d, of the cached features.
        num_classes: C.
        num_outputs: logits; at least C.
    """
    return NetworkDescription(FEATURES, dim, 1, num_classes, num_outputs, {})


def check_options(settings: NetworkSettings) -> None:
    """Refuse an option of other networks than the one that is asked for.

    Raises:
        SettingsError: It names the option, and the networks that have it.
    """
    defaults = NetworkSettings()
    for option in missing_options(settings.network):
        value = getattr(settings, option)
        if value != getattr(defaults, option):
            named = [name for name, network in NETWORKS.items() if option in network.options]
            owners = " or ".join([*named, *(OF_LIBRARIES if OFFLINE_BACKBONE in named else ())])
            raise SettingsError(
                f"--{option} is {value!r}, but --network {settings.network} has no such option; leave it "
                f"out, or take --network {owners}"
            )


def build_network(description: NetworkDescription, generator: torch.Generator | None = None) -> Classifier:
    """Build a network; its weights are drawn from ``generator``, or meant to be loaded where it is None.

    Raises:
        SettingsError: If the network is not known, or could not be held in memory.
    """
    found = find_network(description.network)
    _check_memory(description)
    # torch's layers draw their first weights from the global generator, which is put back.
    with torch.random.fork_rng(devices=[]):
        extractor = found.build(description.image_size, description.channels, **description.options)
        head = found.head(extractor.feature_dim, description.num_outputs)
        network = Classifier(extractor, head, extractor.feature_dim, description.num_outputs)
    if generator is not None:
        _draw(network, generator)
    return network


def _check_memory(description: NetworkDescription) -> None:
    """Refuse a network whose own options make it too large to be trained, before anything is allocated."""
    if "widths" not in description.options:
        return
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        build = find_network(description.network).build
        extractor = build(description.image_size, description.channels, **description.options)
    weights = sum(parameter.numel() for parameter in extractor.parameters())
    weights += extractor.feature_dim * description.num_outputs
    if not fits_in_memory(COPIES * 4 * weights):
        options = "".join(f" --{name} {value}" for name, value in description.options.items())
        raise SettingsError(
            f"--network {description.network}{options} has {weights:,} weights; training takes "
            f"{in_words(COPIES * 4 * weights)}, more than this machine's memory"
        )


def drawn_linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer whose weights are drawn as those of a network's head.

    Args:
        inputs: of the layer.
        outputs: of the layer.
        generator: on the CPU.
    """
    # Born without values: torch's own initialisation would draw from the global generator.
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device=generator.device)
    _draw(layer, generator)
    return layer


def redraw(module: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights of a network, or of a part of one, anew, in place.

    Batch norms start anew too. What ``Classifier.prepare`` has fixed stays as it is.

    Args:
        module: on any device and in any memory format.
        generator: on the CPU; seeded alike it gives the weights that ``build_network`` gives.
    """
    fixed = {layer: layer.weight.clone() for layer in module.modules() if isinstance(layer, WhiteningStem)}
    _draw(module, generator)
    for layer, weight in fixed.items():
        _fill(layer.weight, weight)


def _draw(module: nn.Module, generator: torch.Generator) -> None:
    """He-normal convolutions, LeCun-uniform linear layers, batch norms as they are first.

    The first weights of a network of a library are those that its own library draws, or published ones.
    """
    if isinstance(module, Backbone):
        module.draw(generator)
        return
    if isinstance(module, nn.Conv2d):
        _fill(module.weight, _he_normal(module.weight.shape, generator))
        if module.bias is not None:
            _fill(module.bias, torch.zeros(module.bias.shape))
    elif isinstance(module, nn.Linear):
        for parameter in module.parameters():
            _fill(parameter, _uniform(parameter.shape, module.in_features**-0.5, generator))
    elif isinstance(module, nn.BatchNorm2d):
        module.reset_parameters()
    elif next(module.parameters(recurse=False), None) is not None:
        raise TypeError(f"there is no rule for the first weights of {type(module).__name__}")
    for child in module.children():
        _draw(child, generator)


# Numbers are drawn into a contiguous tensor of the generator's device, then copied: torch draws others
# into a tensor of another memory format, and none into one of another device.
def _fill(parameter: Tensor, values: Tensor) -> None:
    with torch.no_grad():
        parameter.copy_(values)


def _he_normal(shape: torch.Size, generator: torch.Generator) -> Tensor:
    weight = torch.empty(shape, device=generator.device)
    return nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu", generator=generator)


def _uniform(shape: torch.Size, bound: float, generator: torch.Generator) -> Tensor:
    return nn.init.uniform_(torch.empty(shape, device=generator.device), -bound, bound, generator=generator)
