import math

import pytest
import torch
from torch.nn import functional

from labelmend.errors import SettingsError
from labelmend.methods.plan import Progress
from labelmend.methods.sce import Sce, SceSettings, reverse_cross_entropy

GIVEN, INDEX = [0, 1, 2, 0, 1], [4, 0, 2, 1]


def images():
    return 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(3))


def labels():
    return torch.tensor(GIVEN)[INDEX]


@pytest.fixture
def loss(make_task, logits_network, views):
    def of(**settings):
        method = Sce(SceSettings(**settings), make_task(GIVEN, logits_network()))
        return method.loss(views(INDEX, [images()]), Progress(1, 0.5))

    return of


def test_reverse_cross_entropy_by_hand():
    # Of two classes, probabilities 3/4 and 1/4; log 0 is -4.
    each = torch.tensor([[math.log(3.0), 0.0]]).repeat(2, 1)
    found = reverse_cross_entropy(each, torch.tensor([0, 1]), -4.0)
    assert found.tolist() == pytest.approx([0.25 * 4, 0.75 * 4], abs=1e-6)


@pytest.mark.parametrize("log_zero", [-2.0, -4.0, math.log(1e-4)])
def test_reverse_cross_entropy_by_its_definition(log_zero):
    log_of_labels = torch.where(functional.one_hot(labels(), 3).bool(), 0.0, log_zero)
    expected = -(images().softmax(1) * log_of_labels).sum(1)
    assert torch.allclose(reverse_cross_entropy(images(), labels(), log_zero), expected, atol=1e-6)


def test_with_minus_two_it_is_the_mean_absolute_error():
    expected = (images().softmax(1) - functional.one_hot(labels(), 3)).abs().sum(1)
    assert torch.allclose(reverse_cross_entropy(images(), labels(), -2.0), expected, atol=1e-6)


def test_the_sum_of_both(loss):
    forward = functional.cross_entropy(images(), labels())
    reverse = reverse_cross_entropy(images(), labels(), -3.0).mean()
    assert torch.allclose(loss(alpha=0.3, beta=0.7, log_zero=-3.0), 0.3 * forward + 0.7 * reverse)


def test_without_the_reverse_it_is_cross_entropy(loss):
    expected = functional.cross_entropy(images(), labels())
    assert torch.allclose(loss(alpha=1.0, beta=0.0), expected, atol=1e-6)


def test_by_default_an_absent_label_counts_as_a_ten_thousandth():
    assert math.exp(SceSettings().log_zero) == pytest.approx(1e-4, rel=0.01)


@pytest.mark.parametrize(
    ("setting", "value"), [("alpha", -1.0), ("beta", -0.1), ("log_zero", 0.0), ("log_zero", 2.0)]
)
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(SettingsError, match="--" + setting.replace("_", "-")):
        SceSettings(**{setting: value})


def test_without_either_part_there_is_no_loss():
    with pytest.raises(SettingsError, match=r"^--beta is 0, but must be above 0 where --alpha is 0"):
        SceSettings(alpha=0, beta=0)
    assert SceSettings(alpha=0, beta=1).alpha == 0
