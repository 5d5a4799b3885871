"""Settings that somebody gave and that do nothing, because of what another one says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from labelmend.config import NO_TEST, Settings
from labelmend.methods import METHODS
from labelmend.settings.names import find_leaf


@dataclass(frozen=True)
class Idleness:
    """When settings do nothing.

    Attributes:
        names: flat names of the settings.
        holds: whether they do nothing in a run.
        because: why, to be said after "has no effect: ".
    """

    names: tuple[str, ...]
    holds: Callable[[Settings], bool]
    because: str


def _has(name: str, value: object) -> Callable[[Settings], bool]:
    return lambda settings: getattr(settings.method, name, None) == value


def _on_weak_views(settings: Settings) -> bool:
    # Neither features nor the further training of their network have strong views.
    return settings.network.frozen or not METHODS[settings.method.name].learns_strong_views(settings.method)


def _on_features(settings: Settings) -> bool:
    return settings.network.frozen and not settings.network.finetune


IDLENESS = (
    Idleness(
        ("lr_milestones", "lr_drop"),
        lambda settings: settings.training.lr_schedule != "step",
        "the rate falls in steps with --lr-schedule step only",
    ),
    Idleness(
        ("crop", "padding"),
        _on_features,
        "features of a frozen network are of images as they are",
    ),
    Idleness(
        ("flip", "memory_format"),
        _on_features,
        "features of a frozen network are of images as they are, and its heads are small",
    ),
    Idleness(
        ("flip_average",),
        lambda settings: settings.network.frozen,
        "with a frozen network nothing is averaged over mirror images",
    ),
    Idleness(("cutout", "jitter"), _on_weak_views, "this run learns no strong views"),
    Idleness(
        (
            "hallucinator",
            "hallucinator_first_steps",
            "hallucinator_steps",
            "lambda_p",
            "anchors_per_sample",
            "lambda_conf",
            "surrounding",
            "max_votes",
            "min_votes",
            "min_agreement",
        ),
        _has("correction", False),
        "nothing is hallucinated with --correction false",
    ),
    Idleness(
        ("hallucinator_first_steps", "hallucinator_steps"),
        _has("hallucinator", "closed_form"),
        "nothing is trained with --hallucinator closed_form",
    ),
    Idleness(("easy_percent",), _has("selection", "gmm"), "--selection gmm takes no share"),
    Idleness(("padding",), lambda settings: settings.augmentation.crop == 0, "--crop is 0"),
    Idleness(
        ("nesterov", "forget_momentum"), lambda settings: settings.training.momentum == 0, "--momentum is 0"
    ),
    Idleness(
        ("test_every",), lambda settings: settings.data.test == NO_TEST, "nothing is scored with --test none"
    ),
    Idleness(
        ("flip_average",),
        lambda settings: settings.augmentation.flip is False,
        "images are not mirrored with --flip false",
    ),
    Idleness(
        ("partial", "min_confidence"),
        lambda settings: settings.data.labels is None,
        "there are no labels of --labels",
    ),
    Idleness(
        (
            "alpha",
            "strong_views",
            "mixup_alpha",
            "temperature",
            "refresh",
            "lambda_unlabelled",
            "ramp",
            "prior_penalty",
            "double_softmax",
            "expand",
            "debias_loss",
            "debias_guess",
            "bias_memory",
            "d_threshold",
            "discrepancy_steps",
            "discrepancy_weight",
        ),
        _has("warmup", 1),
        "the warm-up never ends with --warmup 1",
    ),
    Idleness(
        ("lambda_unlabelled", "ramp"),
        lambda settings: settings.method.name == "dividemix" and _has("p_threshold", 0)(settings),
        "every sample is labelled with --p-threshold 0",
    ),
    Idleness(("ramp",), _has("lambda_unlabelled", 0), "--lambda-unlabelled is 0"),
    Idleness(("warmup_mixup", "confidence_penalty", "tuning_lr"), _has("warmup", 0), "--warmup is 0"),
    Idleness(("forget_ramp",), _has("forget_rate", 0), "nothing is left out with --forget-rate 0"),
    Idleness(("discrepancy_steps",), _has("discrepancy_weight", 0), "--discrepancy-weight is 0"),
    Idleness(("log_zero",), _has("beta", 0), "--beta is 0"),
    Idleness(
        ("warmup", "anchor_percentile"),
        lambda settings: getattr(settings.method, "transition_file", None) is not None,
        "T is not estimated, but read from --transition-file",
    ),
)


def idle_lines(settings: Settings, given: Iterable[str]) -> list[str]:
    """A line for each setting that was given and does nothing.

    Args:
        settings: of the run.
        given: flat or dotted names of what somebody gave.
    """
    lines = []
    for leaf in (find_leaf(name, settings.method.name) for name in given):
        reasons = [rule.because for rule in IDLENESS if leaf.name in rule.names and rule.holds(settings)]
        if reasons:
            lines.append(f"{leaf.flag} has no effect: {reasons[0]}")
    return lines
