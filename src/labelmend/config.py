"""The settings tree that the Python API, YAML recipes and command-line flags share.

Every leaf has a name that is unique in the tree, so ``--epochs 10`` on the command line,
``epochs=10`` in Python and ``budget: {epochs: 10}`` in a recipe are the same setting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, ClassVar, Literal

from labelmend.errors import SettingsError


def require(condition: bool, flag: str, value: Any, expected: str) -> None:
    """Raise a SettingsError that names the flag unless the condition holds."""
    if not condition:
        raise SettingsError(f"--{flag.replace('_', '-')} is {value!r}, but must be {expected}")


@dataclass(frozen=True)
class Range:
    """Finite numbers between two ends; printed, it is what an error says of them.

    Attributes:
        low: lower end.
        high: upper end.
        low_open: whether the lower end itself is left out.
        high_open: whether the upper end itself is left out.
        whole: of counts, said as "from 4 to 8" instead of as an interval.
    """

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    whole: bool = False

    def __contains__(self, value: float) -> bool:
        """Whether a number is in the range; NaN and infinities never are."""
        above = self.low < value if self.low_open else self.low <= value
        below = value < self.high if self.high_open else value <= self.high
        return above and below and abs(value) < math.inf

    def __str__(self) -> str:
        """The range in words, as after "must be"."""
        if self.high == math.inf:
            if self.low_open:
                return f"above {self.low}"
            return "0 or more" if self.low == 0 else f"at least {self.low}"
        if self.low == -math.inf:
            return f"below {self.high}" if self.high_open else f"at most {self.high}"
        if self.whole:
            return f"from {self.low} to {self.high}"
        if self.low_open and not self.high_open:
            return f"above {self.low}, at most {self.high}"
        return f"in {'(' if self.low_open else '['}{self.low}, {self.high}{')' if self.high_open else ']'}"

    def check(self, flag: str, value: float) -> None:
        """Raise a SettingsError that names the flag unless the value is in the range."""
        # Infinity is above 0 and still refused: the error has to say why.
        words = str(self) if abs(value) < math.inf else f"finite and {self}"
        require(value in self, flag, value, words)


POSITIVE = Range(0, low_open=True)
NOT_NEGATIVE = Range(0)
AT_LEAST_1 = Range(1)
SHARE = Range(0, 1)
SHARE_BELOW_1 = Range(0, 1, high_open=True)


WIDTH, MOST_STAGES = Range(4, 8192, whole=True), 10
LARGEST_WHOLE = 2**63 - 1
"""Whole numbers beyond it fit into no tensor."""
LARGEST_REAL = 3e38
"""Other numbers beyond it fit into no float32 tensor."""


class Checked:
    """Base of settings whose numbers are checked on construction; None is always allowed."""

    RANGES: ClassVar[Mapping[str, Range]] = {}
    """Range of each setting that has one, by its name."""

    def __post_init__(self) -> None:
        """Validate the values."""
        for name, allowed in self.RANGES.items():
            value = getattr(self, name)
            if value is not None:
                allowed.check(name, value)
                if isinstance(value, int):
                    Range(-LARGEST_WHOLE, LARGEST_WHOLE, whole=True).check(name, value)
                else:
                    Range(high=LARGEST_REAL).check(name, value)
                    Range(-LARGEST_REAL).check(name, value)


NO_TEST, TRUSTED = "none", "trusted"
"""Given as a test set: there is none, whatever the source has; the training images with a trusted label."""


@dataclass
class DataSettings(Checked):
    """Where images and labels come from."""

    labels: str | None = None
    """A file whose labels replace those of the source (CSV, TSV, JSONL, Parquet or npz), or the folder of a
    run, whose suggested labels do."""
    partial: bool = False
    """Images that the file of labels does not name keep the label they have."""
    min_confidence: float = 0.9
    """Where the labels are those of a run: confidence from which its suggestions are taken."""
    decisions: str | None = None
    """Folder of a run that was reviewed: labels that a person decided on are taken, and trusted."""
    noise: str | None = None
    """Noise to add to the training labels, e.g. ``symmetric:0.4:seed=0`` or ``cifar10n:worse``."""
    test: str | None = None
    """A source of images with true labels, scored every epoch; its labels choose nothing. By default
    the source's own test split, where it has one with labels; ``none`` for no test set, and ``trusted`` for
    the training images whose label a person has confirmed, which are then not trained on (``./trusted`` is
    a folder of that name)."""
    label_column: str = "label"
    """Column of a table that holds the given labels; by default also another of a usual name."""
    image_column: str | None = None
    """Column of a table that names the images; by default one of a usual name."""
    image_root: str | None = None
    """Folder that the file names in a table are relative to; by default that of the table."""
    group_column: str | None = None
    """Column of a table whose equal values belong together (patient, camera): no such group is divided
    between training and what ``validation`` holds out."""
    skip_missing: bool = False
    """Leave out rows of a table whose file is missing, and count them."""
    pixel_range: list[float] = field(default_factory=list)
    """Two values, e.g. ``0,4095``, that become black and white where images have more than 8 bits; by
    default taken from the data."""
    split: str | None = None
    """Which split of the source to train on; by default its training split, or all of it.
    ``none`` says that all subfolders are classes, whatever they are called."""
    image_size: int | None = None
    """Side in pixels that images are resized to; by default taken from the data."""
    root: str | None = None
    """Folder that holds a named data set (``cifar10``, ``clothing1m``, ...)."""
    limit: int | None = None
    """Use only this many images, the first ones."""

    RANGES: ClassVar[Mapping[str, Range]] = {
        "image_size": Range(4, 1024, whole=True),
        "limit": Range(2),
        "min_confidence": SHARE,
    }

    def __post_init__(self) -> None:
        """Validate the values."""
        super().__post_init__()
        ends = self.pixel_range
        require(
            not ends or (len(ends) == 2 and -math.inf < ends[0] < ends[1] < math.inf),
            "pixel_range",
            ends,
            "two values, the lower first, e.g. 0,4095",
        )

    @property
    def test_source(self) -> str | None:
        """Where test images are read from; None where that is not said, or there is no such source."""
        return None if self.test in (NO_TEST, TRUSTED) else self.test


@dataclass
class NetworkSettings(Checked):
    """Which network is trained, and the options of the networks that have any (``models/registry.py``)."""

    network: str = "auto"
    """Name of the backbone; ``auto`` is ``fastnet`` up to 64 px and ``resnet18`` above. Others are
    ``resnet34``, ``resnet50`` and, up to 64 px, ``preact_resnet18`` and ``wrn28_10``. Trained on ImageNet
    (``labelmend[photos]``) are ``efficientnet_lite0``, and any classifier ``timm:NAME`` or
    ``torchvision:NAME``, whose weights are fetched once."""
    widths: list[int] = field(default_factory=lambda: [64, 256, 256])
    """Channels of each stage of ``fastnet``; each stage halves the side."""
    depth: int = 2
    """3 x 3 convolutions in each stage of ``fastnet``; a third and later ones are residual."""
    activation: Literal["relu", "gelu"] = "relu"
    """Of ``fastnet``, all but its last, which is always a ReLU."""
    pretrained: bool = True
    """Start from published weights, where the network has any; off, from random ones."""
    frozen: bool = False
    """Embed each image once with the network as it is, and train heads on these features alone. ``auto`` is
    then the best network whose weights can be had."""
    weights: str | None = None
    """A file of weights to start from instead: safetensors, or a state dictionary as ``.pt`` or ``.pth``."""
    finetune: float = 0.0
    """Epochs in which a frozen network is trained too, after the run on its features, on the labels that this
    run believes; 0 for none, 3 where no number is given."""

    RANGES: ClassVar[Mapping[str, Range]] = {"depth": Range(1, 8, whole=True), "finetune": NOT_NEGATIVE}

    def __post_init__(self) -> None:
        """Validate the values."""
        super().__post_init__()
        require(
            0 < len(self.widths) <= MOST_STAGES and all(w in WIDTH for w in self.widths),
            "widths",
            self.widths,
            f"a list of up to {MOST_STAGES} widths {WIDTH}",
        )


@dataclass
class AugmentationSettings(Checked):
    """Random views of the training images."""

    crop: int | None = None
    """Largest shift in pixels; by default an eighth of the side."""
    padding: Literal["reflect", "zero"] = "reflect"
    """What fills the border of a shifted image."""
    flip: bool | None = None
    """Mirror left and right at random; by default where mirror images of the data look like their class."""
    cutout: float = 0.0
    """Side of a square blanked in strong views, as a share of the image's; 0 for none."""
    jitter: float = 0.0
    """Strength of brightness, contrast and saturation jitter in strong views, in [0, 1]."""

    RANGES: ClassVar[Mapping[str, Range]] = {"crop": NOT_NEGATIVE, "cutout": SHARE, "jitter": SHARE}


@dataclass
class BudgetSettings(Checked):
    """How long to train: exactly one of the three."""

    epochs: float | None = None
    """Passes over the training images (with ``unlabelled: equal``, over the labelled ones)."""
    flops: float | None = None
    """Counted floating-point operations, forward and backward, scoring passes included."""
    minutes: float | None = None
    """Wall-clock minutes of training, without reading images, features of them and the report; the only rule
    whose result depends on the speed of the machine."""

    RULES: ClassVar[tuple[str, ...]] = ("epochs", "flops", "minutes")
    RANGES: ClassVar[Mapping[str, Range]] = dict.fromkeys(RULES, POSITIVE)

    def __post_init__(self) -> None:
        """Validate the values."""
        given = [rule for rule in self.RULES if getattr(self, rule) is not None]
        if len(given) > 1:
            raise SettingsError(f"--{given[0]} and --{given[1]} are both set; give one budget rule only")
        super().__post_init__()

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

    def check_set(self) -> None:
        """Refuse settings without a rule; as part of others they may have none yet.

        Raises:
            SettingsError: If none is set.
        """
        _ = self.rule


@dataclass
class TrainingSettings(Checked):
    """The optimiser, its schedule and the machine."""

    batch_size: int | None = None
    """Images a step, labelled and unlabelled together; by default an 80th of all, 32 to 250 up to 64 px."""
    lr: float | None = None
    """Peak learning rate of SGD; by default 0.2 for 125 images a step, and as its root."""
    momentum: float = 0.9
    """Share of the last update in the next one."""
    nesterov: bool = True
    """Nesterov's momentum; off, plain momentum."""
    weight_decay: float = 5e-4
    """Decay of all weights except biases and norm parameters; of heads on the features of a frozen network it
    is that for 2,000 images, and falls as their number grows."""
    decay_all: bool = False
    """Decay biases and norm parameters too."""
    lr_warmup: float = 0.1
    """Share of the budget over which the learning rate rises linearly from 0."""
    lr_schedule: Literal["linear", "cosine", "step"] = "linear"
    """Fall of the rate after its rise: to 0 linearly or by a cosine, or divided at ``lr_milestones``."""
    lr_milestones: list[float] = field(default_factory=lambda: [0.5])
    """Shares of the budget at which ``lr_schedule: step`` divides the rate by ``lr_drop``."""
    lr_drop: float = 10.0
    """What ``lr_schedule: step`` divides the rate by at each of ``lr_milestones``."""
    label_smoothing: float = 0.0
    """Share of each given-label target that is spread evenly over the classes."""
    ema_decay: float = 0.99
    """Decay a step of the weight average that scores and becomes the final model; 0 for none."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the network; ``auto`` is bfloat16 where the processor computes in it, else float32."""
    memory_format: Literal["auto", "channels_last", "contiguous"] = "auto"
    """Layout of the images in memory; ``auto`` is channels last."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``mps``."""
    flip_average: bool = True
    """Average predictions of test and new images over each and its mirror image, where mirroring is on."""
    test_every: int = 1
    """Epochs between two scorings of the test set, when there is one."""
    validation: float = 0.0
    """Share of the training images held out, with their given labels, to choose the epoch whose network
    is final; 0 takes the last."""

    RANGES: ClassVar[Mapping[str, Range]] = {
        "batch_size": Range(2),
        "lr": POSITIVE,
        "momentum": SHARE_BELOW_1,
        "weight_decay": NOT_NEGATIVE,
        "lr_warmup": SHARE_BELOW_1,
        "lr_drop": Range(1, low_open=True),
        "label_smoothing": SHARE_BELOW_1,
        "ema_decay": SHARE_BELOW_1,
        "test_every": AT_LEAST_1,
        "validation": Range(0, 0.5),
    }

    def __post_init__(self) -> None:
        """Validate the values."""
        super().__post_init__()
        steps = [0.0, *self.lr_milestones, 1.0]
        require(
            all(earlier < later for earlier, later in pairwise(steps)),
            "lr_milestones",
            self.lr_milestones,
            "a rising list of shares in (0, 1)",
        )


def moved(*sections: Checked) -> list[str]:
    """Flags of the numbers that are not at their defaults, with their values."""
    found = []
    for section in sections:
        for entry in fields(section):  # type: ignore[arg-type]
            value = getattr(section, entry.name)
            if isinstance(value, float) and value != entry.default:
                found.append(f"--{entry.name.replace('_', '-')} {value:g}")
    return found


@dataclass
class MethodSettings(Checked):
    """Base of each method's own settings; a method declares its subclass and its ranges beside its code."""

    name: ClassVar[str] = ""


@dataclass
class Settings(Checked):
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

    RANGES: ClassVar[Mapping[str, Range]] = {"seed": Range(0, 2**63 - 1, whole=True)}
