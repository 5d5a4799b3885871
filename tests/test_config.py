import math

import pytest

from labelmend.config import (
    AugmentationSettings,
    BudgetSettings,
    DataSettings,
    MethodSettings,
    NetworkSettings,
    Range,
    Settings,
    TrainingSettings,
    moved,
)
from labelmend.errors import SettingsError


@pytest.mark.parametrize(
    ("allowed", "words", "inside", "outside"),
    [
        (Range(0, 1), "in [0, 1]", [0, 0.5, 1], [-1e-9, 1.001]),
        (Range(0.5, 1), "in [0.5, 1]", [0.5], [0.4]),
        (Range(0, 1, high_open=True), "in [0, 1)", [0, 0.999], [1, -1]),
        (Range(0, 1, low_open=True, high_open=True), "in (0, 1)", [0.5], [0, 1]),
        (Range(0, low_open=True), "above 0", [1e-30, 1e30], [0, -1]),
        (Range(1), "at least 1", [1, 10**400], [0]),
        (Range(0), "0 or more", [0, 5], [-1]),
        (Range(high=3), "at most 3", [3, -9], [3.5]),
        (Range(high=3, high_open=True), "below 3", [2], [3]),
        (Range(4, 1024, whole=True), "from 4 to 1024", [4, 1024], [3, 1025]),
        (Range(0, 100, low_open=True), "above 0, at most 100", [1, 100], [0, 101]),
    ],
)
def test_ranges_know_their_ends_and_their_words(allowed, words, inside, outside):
    assert str(allowed) == words
    assert all(value in allowed for value in inside)
    assert not any(value in allowed for value in [*outside, math.nan, math.inf, -math.inf])


@pytest.mark.parametrize(
    ("cls", "name", "value", "words"),
    [
        (DataSettings, "image_size", 3, "from 4 to 1024"),
        (DataSettings, "limit", 1, "at least 2"),
        (DataSettings, "min_confidence", 1.1, r"in [0, 1]"),
        (NetworkSettings, "depth", 9, "from 1 to 8"),
        (NetworkSettings, "widths", [], "a list of up to 10 widths from 4 to 8192"),
        (NetworkSettings, "widths", [8, 3], "a list of up to 10 widths from 4 to 8192"),
        (NetworkSettings, "widths", [100_000], "a list of up to 10 widths from 4 to 8192"),
        (NetworkSettings, "widths", [8] * 11, "a list of up to 10 widths from 4 to 8192"),
        (DataSettings, "limit", 2**63, "from -9223372036854775807 to 9223372036854775807"),
        (BudgetSettings, "minutes", 3.1e38, "at most 3e+38"),
        (TrainingSettings, "lr", 1e39, "at most 3e+38"),
        (AugmentationSettings, "crop", -1, "0 or more"),
        (AugmentationSettings, "cutout", 1.5, "in [0, 1]"),
        (AugmentationSettings, "jitter", -0.5, "in [0, 1]"),
        (BudgetSettings, "epochs", 0, "above 0"),
        (BudgetSettings, "flops", -1.0, "above 0"),
        (BudgetSettings, "minutes", 0.0, "above 0"),
        (TrainingSettings, "batch_size", 1, "at least 2"),
        (TrainingSettings, "lr", 0.0, "above 0"),
        (TrainingSettings, "momentum", 1.0, "in [0, 1)"),
        (TrainingSettings, "weight_decay", -1e-4, "0 or more"),
        (TrainingSettings, "lr_warmup", 1.0, "in [0, 1)"),
        (TrainingSettings, "lr_drop", 1.0, "above 1"),
        (TrainingSettings, "lr_milestones", [0.6, 0.5], "a rising list of shares in (0, 1)"),
        (TrainingSettings, "lr_milestones", [0.0], "a rising list of shares in (0, 1)"),
        (TrainingSettings, "lr_milestones", [0.5, 1.0], "a rising list of shares in (0, 1)"),
        (TrainingSettings, "lr_milestones", [math.nan], "a rising list of shares in (0, 1)"),
        (TrainingSettings, "label_smoothing", 1.0, "in [0, 1)"),
        (TrainingSettings, "ema_decay", -0.1, "in [0, 1)"),
        (TrainingSettings, "test_every", 0, "at least 1"),
        (TrainingSettings, "validation", 0.6, "in [0, 0.5]"),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_its_flag(cls, name, value, words):
    with pytest.raises(SettingsError) as caught:
        cls(**{name: value})
    assert str(caught.value) == f"--{name.replace('_', '-')} is {value!r}, but must be {words}"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "cls", [AugmentationSettings, BudgetSettings, DataSettings, NetworkSettings, TrainingSettings]
)
def test_what_is_no_finite_number_is_refused_by_every_range(cls, value):
    for name, allowed in cls.RANGES.items():
        with pytest.raises(SettingsError) as caught:
            cls(**{name: value})
        flag = name.replace("_", "-")
        assert str(caught.value) == f"--{flag} is {value!r}, but must be finite and {allowed}"


def test_values_at_the_ends_and_none_are_taken():
    DataSettings(image_size=4, limit=2)
    NetworkSettings(widths=[4], depth=8)
    AugmentationSettings(crop=0, cutout=1.0, jitter=0.0)
    TrainingSettings(momentum=0.0, lr_warmup=0.0, ema_decay=0.0, validation=0.5, lr_milestones=[])
    TrainingSettings(batch_size=None, lr=None, lr_milestones=[0.3, 0.6, 0.8])


def test_numbers_off_their_defaults_are_named_as_flags():
    assert moved(TrainingSettings(), NetworkSettings(depth=3)) == []
    settings = TrainingSettings(lr=0.4, weight_decay=1.0, nesterov=False, batch_size=8)
    assert moved(settings) == ["--lr 0.4", "--weight-decay 1"]


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_is_a_number_that_every_generator_takes(seed):
    Settings(MethodSettings(), seed=2**63 - 1)
    with pytest.raises(SettingsError, match=f"--seed is {seed}, but must be from 0 to 9223372036854775807"):
        Settings(MethodSettings(), seed=seed)
