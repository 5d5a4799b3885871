"""The settings tree that the Python API, YAML recipes and command-line flags share.

Every leaf has a name that is unique in the tree, so ``--epochs 10`` on the command line,
``epochs=10`` in Python and ``budget: {epochs: 10}`` in a recipe are the same setting.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from labelmend.errors import SettingsError


def require(condition: bool, flag: str, value: Any, expected: str) -> None:
    """Raise a SettingsError that names the flag unless the condition holds."""
    if not condition:
        raise SettingsError(f"--{flag.replace('_', '-')} is {value!r}, but must be {expected}")


@dataclass
class DataSettings:
    """Where images and labels come from."""

    labels: str | None = None
    """A file whose labels replace those of the source (CSV, TSV, JSONL, Parquet or npz)."""
    noise: str | None = None
    """Noise to add to the training labels, e.g. ``symmetric:0.4:seed=0`` or ``cifar10n:worse``."""
    test: str | None = None
    """A source of images with true labels, scored every epoch; its labels choose nothing. By default
    the source's own test split, where it has one."""
    label_column: str = "label"
    """Column of a manifest that holds the given labels."""
    split: str | None = None
    """Which split of the source to train on; by default its training split, or all of it."""
    image_size: int | None = None
    """Side in pixels that images are resized to; by default taken from the data."""
    root: str | None = None
    """Folder that holds a named data set (``cifar10``, ``clothing1m``, ...)."""
    limit: int | None = None
    """Use only this many images, the first ones."""

    def __post_init__(self) -> None:
        """Validate the values."""
        if self.image_size is not None:
            require(4 <= self.image_size <= 1024, "image_size", self.image_size, "from 4 to 1024")
        if self.limit is not None:
            require(self.limit >= 2, "limit", self.limit, "at least 2")


@dataclass
class NetworkSettings:
    """Which network is trained, and the options of the networks that have any (``models/registry.py``)."""

    network: str = "auto"
    """Name of the backbone; ``auto`` is ``fastnet`` up to 64 px and ``resnet18`` above. Others are
    ``resnet34``, ``resnet50`` and, up to 64 px, ``preact_resnet18`` and ``wrn28_10``."""
    widths: list[int] = field(default_factory=lambda: [64, 256, 256])
    """Channels of each stage of ``fastnet``; each stage halves the side."""
    depth: int = 2
    """3 x 3 convolutions in each stage of ``fastnet``; a third and later ones are residual."""
    activation: Literal["relu", "gelu"] = "relu"
    """Of ``fastnet``, all but its last, which is always a ReLU."""

    def __post_init__(self) -> None:
        """Validate the values."""
        require(
            len(self.widths) > 0 and all(w >= 4 for w in self.widths),
            "widths",
            self.widths,
            "a list of widths of at least 4",
        )
        require(1 <= self.depth <= 8, "depth", self.depth, "from 1 to 8")


@dataclass
class AugmentationSettings:
    """Random views of the training images."""

    crop: int | None = None
    """Largest shift in pixels, filled by reflection; by default an eighth of the side."""
    flip: bool | None = None
    """Mirror left and right at random; by default on, except for the built-in digits."""
    cutout: float = 0.0
    """Side of a square blanked in strong views, as a share of the image's; 0 for none."""
    jitter: float = 0.0
    """Strength of brightness, contrast and saturation jitter in strong views, in [0, 1]."""

    def __post_init__(self) -> None:
        """Validate the values."""
        if self.crop is not None:
            require(self.crop >= 0, "crop", self.crop, "0 or more")
        require(0 <= self.cutout <= 1, "cutout", self.cutout, "in [0, 1]")
        require(0 <= self.jitter <= 1, "jitter", self.jitter, "in [0, 1]")


@dataclass
class BudgetSettings:
    """How long to train: exactly one of the three."""

    epochs: float | None = None
    """Passes over the training images (with ``unlabelled: equal``, over the labelled ones)."""
    flops: float | None = None
    """Counted floating-point operations, forward and backward, scoring passes included."""
    minutes: float | None = None
    """Wall-clock minutes; the only rule whose result depends on the speed of the machine."""

    RULES: ClassVar[tuple[str, ...]] = ("epochs", "flops", "minutes")

    def __post_init__(self) -> None:
        """Validate the values."""
        given = [rule for rule in self.RULES if getattr(self, rule) is not None]
        if len(given) > 1:
            raise SettingsError(f"--{given[0]} and --{given[1]} are both set; give one budget rule only")
        for rule in given:
            require(getattr(self, rule) > 0, rule, getattr(self, rule), "above 0")

    @property
    def rule(self) -> str:
        """Name of the rule that is set.

        Raises:
            SettingsError: If none is.
        """
        for rule in self.RULES:
            if getattr(self, rule) is not None:
                return rule
        raise SettingsError("no budget is set; give --epochs, --flops or --minutes")


@dataclass
class TrainingSettings:
    """The optimiser, its schedule and the machine."""

    batch_size: int | None = None
    """Images a step, labelled and unlabelled together; by default an 80th of all, 32 to 250 up to 64 px."""
    lr: float | None = None
    """Peak learning rate of Nesterov SGD; by default 0.2 for 125 images a step, and as its root."""
    momentum: float = 0.9
    """Nesterov momentum."""
    weight_decay: float = 5e-4
    """Decay of all weights except biases and batch-norm parameters."""
    lr_warmup: float = 0.1
    """Share of the budget over which the learning rate rises linearly from 0."""
    lr_schedule: Literal["linear", "cosine", "step"] = "linear"
    """Fall of the rate after its rise: to 0 linearly or by a cosine, or divided by 10 at half-way."""
    label_smoothing: float = 0.0
    """Share of each given-label target that is spread evenly over the classes."""
    ema_decay: float = 0.99
    """Decay a step of the weight average that scores and becomes the final model; 0 for none."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the network; ``auto`` takes what the processor is built for, unless a trial is slow."""
    memory_format: Literal["auto", "channels_last", "contiguous"] = "auto"
    """Layout of the images in memory; ``auto`` is as for ``precision``."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``mps``."""
    flip_average: bool = True
    """Average predictions of test and new images over each and its mirror image, where mirroring is on."""
    test_every: int = 1
    """Epochs between two scorings of the test set, when there is one."""

    def __post_init__(self) -> None:
        """Validate the values."""
        if self.batch_size is not None:
            require(self.batch_size >= 2, "batch_size", self.batch_size, "at least 2")
        if self.lr is not None:
            require(self.lr > 0, "lr", self.lr, "above 0")
        require(0 <= self.momentum < 1, "momentum", self.momentum, "in [0, 1)")
        require(self.weight_decay >= 0, "weight_decay", self.weight_decay, "0 or more")
        require(0 <= self.lr_warmup < 1, "lr_warmup", self.lr_warmup, "in [0, 1)")
        require(0 <= self.label_smoothing < 1, "label_smoothing", self.label_smoothing, "in [0, 1)")
        require(0 <= self.ema_decay < 1, "ema_decay", self.ema_decay, "in [0, 1)")
        require(self.test_every >= 1, "test_every", self.test_every, "at least 1")


@dataclass
class MethodSettings:
    """Base of each method's own settings; a method declares its subclass beside its code."""

    name: ClassVar[str] = ""


@dataclass
class Settings:
    """All settings of a run."""

    method: MethodSettings
    """Settings of the method, an instance of ``METHODS[name].Settings``."""
    data: DataSettings = field(default_factory=DataSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    seed: int = 0
    """Seed of every random choice of the run."""
