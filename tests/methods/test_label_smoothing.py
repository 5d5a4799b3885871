from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from labelmend.errors import SettingsError
from labelmend.methods.label_smoothing import LabelSmoothing, LabelSmoothingSettings
from labelmend.methods.plan import Progress

GIVEN, INDEX = [0, 1, 2, 0, 1], [4, 0, 2, 1]


def images():
    return 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_loss_is_that_of_torch(smoothing, make_task, logits_network, views):
    method = LabelSmoothing(LabelSmoothingSettings(smoothing=smoothing), make_task(GIVEN, logits_network()))
    loss = method.loss(views(INDEX, [images()]), Progress(1, 0.5))
    labels = torch.tensor(GIVEN)[INDEX]
    expected = functional.cross_entropy(images(), labels, label_smoothing=smoothing)
    assert torch.allclose(loss, expected, atol=1e-6)


def test_by_default_labels_are_smoothed():
    assert LabelSmoothingSettings().smoothing > 0


def test_two_rates_at_once_are_refused(make_task, logits_network):
    task = replace(make_task(GIVEN, logits_network()), label_smoothing=0.1)
    with pytest.raises(SettingsError, match=r"--label-smoothing is 0\.1, but .*--smoothing"):
        LabelSmoothing(LabelSmoothingSettings(), task)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_rates_out_of_range_are_refused(smoothing):
    with pytest.raises(SettingsError, match="--smoothing"):
        LabelSmoothingSettings(smoothing=smoothing)
