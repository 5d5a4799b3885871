import math

import pytest
import torch
from torch.nn import functional

from labelmend.errors import SettingsError
from labelmend.methods.base import Scores
from labelmend.methods.jocor import Jocor, JocorSettings, joint_losses
from labelmend.methods.plan import Progress

GIVEN, INDEX = [0, 1, 2, 0, 1], [4, 0, 2, 1]


def images():
    return 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(3))


def labels():
    return torch.tensor(GIVEN)[INDEX]


@pytest.fixture
def two(make_task, logits_network):
    def make(score=None, trusted=None, **settings):
        networks = logits_network(1.0), logits_network(-0.5)
        return Jocor(JocorSettings(**settings), make_task(GIVEN, *networks, score=score, trusted=trusted))

    return make


def scored(first, second):
    """Scores by which the networks of ``two`` give these probabilities, (5, 3)."""

    def score(network):
        return Scores(first if float(network.factor.detach()) > 0 else second, torch.zeros(5, 1))

    return score


def log_probabilities():
    return images().log_softmax(1), (-0.5 * images()).log_softmax(1)


def test_joint_loss_by_hand():
    first, second = torch.tensor([[0.75, 0.25]]).log(), torch.tensor([[0.5, 0.5]]).log()
    entropies = math.log(4 / 3) + math.log(2)
    divergences = 0.75 * math.log(1.5) + 0.25 * math.log(0.5) + 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(2)
    found = joint_losses(first, second, torch.tensor([0]), 0.3)
    assert float(found) == pytest.approx(0.7 * entropies + 0.3 * divergences, abs=1e-6)


def test_joint_loss_by_the_functions_of_torch():
    first, second = log_probabilities()
    entropies = sum(functional.nll_loss(log_p, labels(), reduction="none") for log_p in (first, second))
    divergences = sum(
        functional.kl_div(b, a, reduction="none", log_target=True).sum(1)
        for a, b in ((first, second), (second, first))
    )
    expected = 0.35 * entropies + 0.65 * divergences
    assert torch.allclose(joint_losses(first, second, labels(), 0.65), expected, atol=1e-6)


@pytest.mark.parametrize(("share", "kept"), [(0.0, 4), (0.25, 3), (0.9, 2)])
def test_the_smallest_joint_losses_are_learned(two, views, share, kept):
    method = two(forget_rate=0.5, forget_ramp=0.5, agreement=0.4)
    loss = method.loss(views(INDEX, [images()]), Progress(1, share))
    each = joint_losses(*log_probabilities(), labels(), 0.4).sort().values
    assert torch.allclose(loss, each[:kept].mean(), atol=1e-6)
    loss.backward()
    assert all(network.factor.grad.abs() > 0 for network in method.task.networks)


def test_trusted_labels_are_learned_whatever_their_joint_loss(two, views):
    each = joint_losses(*log_probabilities(), labels(), 0.4)
    worst = int(each.argmax())
    method = two(trusted=torch.arange(5) == INDEX[worst], forget_rate=0.5, forget_ramp=0.0, agreement=0.4)
    loss = method.loss(views(INDEX, [images()]), Progress(1, 0.9))
    assert torch.allclose(loss, each.sort().values[[0, 1, 3]].mean(), atol=1e-6)


def test_forgetting_nothing_without_agreement_is_two_networks_apart(two, views):
    loss = two(forget_rate=0.0, agreement=0.0).loss(views(INDEX, [images()]), Progress(1, 0.9))
    expected = sum(functional.nll_loss(log_p, labels()) for log_p in log_probabilities())
    assert torch.allclose(loss, expected, atol=1e-6)


def test_both_networks_move_towards_each_other(two, views):
    """No gradient is stopped: by agreement alone the first falls back and the second comes up."""
    method = two(forget_rate=0.0, agreement=0.999999)
    method.loss(views(INDEX, [images()]), Progress(1, 0.9)).backward()
    first, second = (float(network.factor.grad) for network in method.task.networks)
    assert first > 0 > second


def test_easy_is_what_has_a_small_joint_loss_and_what_is_trusted(two):
    # Of the sample they disagree on, both give the label a higher probability than of the third.
    first = torch.tensor(
        [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.49, 0.01], [0.9, 0.1, 0]]
    )
    second = first.clone()
    second[3] = torch.tensor([0.5, 0.01, 0.49])
    score = scored(first, second)
    easy = two(score, forget_rate=0.4, agreement=0.5).record().easy
    assert easy.tolist() == [True, True, True, False, False]
    without = two(score, forget_rate=0.4, agreement=0.0).record().easy
    assert without.tolist() == [True, True, False, True, False]
    trusted = two(score, trusted=torch.arange(5) == 4, forget_rate=0.4).record()
    assert trusted.easy.tolist() == [True, True, True, False, True]
    assert float(trusted.label_quality[4]) == 1


def test_easy_is_by_the_product_of_both_probabilities_where_agreement_has_no_weight(two):
    # 0.9 x 0.2 is less than 0.45 x 0.45, and 0.9 + 0.2 more than 0.45 + 0.45.
    first = torch.tensor([[0.9, 0.1, 0], [0.55, 0.45, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]])
    second = torch.tensor([[0.2, 0.8, 0], [0.55, 0.45, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]])
    easy = two(scored(first, second), forget_rate=0.8, agreement=0.0).record().easy
    assert easy.tolist() == [False, True, False, False, False]


@pytest.mark.parametrize(("setting", "value"), [("forget_rate", 1.0), ("agreement", 1.0), ("forget_ramp", 2)])
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(SettingsError, match="--" + setting.replace("_", "-")):
        JocorSettings(**{setting: value})
