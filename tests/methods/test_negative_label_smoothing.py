from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.errors import SettingsError
from labelmend.methods.negative_label_smoothing import (
    NegativeLabelSmoothing,
    NegativeLabelSmoothingSettings,
)
from labelmend.methods.plan import Progress
from labelmend.training.trainer import Trainer

GIVEN, INDEX = [0, 1, 2, 0, 1], [4, 0, 2, 1]
TUNING = Progress(9, 0.8, stage=1, stage_share=0.2)


def images():
    return 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(3))


def labels():
    return torch.tensor(GIVEN)[INDEX]


@pytest.fixture
def method(make_task, logits_network):
    def make(**settings):
        task = make_task(GIVEN, logits_network())
        return NegativeLabelSmoothing(NegativeLabelSmoothingSettings(**settings), task)

    return make


@pytest.mark.parametrize("rate", [0.4, 0.0, -0.6, -4.0])
def test_loss_by_hand(method, views, rate):
    loss = method(rate=rate).loss(views(INDEX, [images()]), TUNING)
    log_p = images().log_softmax(1)
    own = log_p[torch.arange(4), labels()]
    expected = -((1 - rate) * own + rate * log_p.mean(1)).mean()
    assert torch.allclose(loss, expected, atol=1e-6)


def test_at_rate_zero_it_is_cross_entropy(method, views):
    loss = method(rate=0.0).loss(views(INDEX, [images()]), TUNING)
    assert torch.allclose(loss, functional.cross_entropy(images(), labels()), atol=1e-6)


@pytest.mark.parametrize("rate", [0.2, -0.8])
def test_the_gradient_of_the_logits_by_hand(method, views, rate):
    inputs = images().requires_grad_(True)
    (4 * method(rate=rate).loss(views(INDEX, [inputs]), TUNING)).backward()
    targets = (1 - rate) * functional.one_hot(labels(), 3) + rate / 3
    assert torch.allclose(inputs.grad, images().softmax(1) - targets, atol=1e-6)


def test_the_warm_up_is_cross_entropy(method, views):
    loss = method(rate=-4.0).loss(views(INDEX, [images()]), Progress(1, 0.1))
    assert torch.allclose(loss, functional.cross_entropy(images(), labels()), atol=1e-6)


def test_without_a_warm_up_the_rate_counts_at_once_at_the_usual_learning_rate(method, views):
    m = method(rate=0.5, warmup=0.0)
    loss = m.loss(views(INDEX, [images()]), Progress(1, 0.0))
    expected = functional.cross_entropy(images(), labels(), label_smoothing=0.5)
    assert torch.allclose(loss, expected, atol=1e-6)
    (only,) = m.stages()
    assert (only.share, m.optimizers(0)["networks"].lr) == (1, None)


def test_the_tuning_is_slow_and_constant(noisy_digits):
    settings = Settings(
        NegativeLabelSmoothingSettings(warmup=0.5, tuning_lr=0.002),
        network=NetworkSettings(widths=[8, 16]),
        budget=BudgetSettings(epochs=4),
        training=TrainingSettings(batch_size=50, lr=0.3, precision="float32"),
    )
    rows = Trainer(settings, noisy_digits).run().rows
    assert [row["stage"] for row in rows] == [0, 0, 1, 1]
    # The warm-up's own schedule ends at 0; the tuning starts anew.
    assert rows[1]["lr"] < 0.05
    assert [row["lr"] for row in rows[2:]] == [0.002, 0.002]


def test_two_rates_at_once_are_refused(make_task, logits_network):
    task = replace(make_task(GIVEN, logits_network()), label_smoothing=0.1)
    with pytest.raises(SettingsError, match=r"--label-smoothing is 0\.1, but .*--rate"):
        NegativeLabelSmoothing(NegativeLabelSmoothingSettings(), task)


@pytest.mark.parametrize(("setting", "value"), [("rate", 1.0), ("warmup", 1.0), ("tuning_lr", 0.0)])
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(SettingsError, match="--" + setting.replace("_", "-")):
        NegativeLabelSmoothingSettings(**{setting: value})
