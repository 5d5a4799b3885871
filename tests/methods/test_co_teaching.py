from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.errors import SettingsError
from labelmend.methods.co_teaching import CoTeaching, CoTeachingSettings
from labelmend.methods.plan import Progress
from labelmend.training.trainer import train

GIVEN, INDEX = [0, 1, 2, 0, 1], [4, 0, 2, 1]


@pytest.fixture
def two(make_task, logits_network):
    """Two networks whose images are their logits, the second of another opinion."""

    def make(trusted=None, **settings):
        task = make_task(GIVEN, logits_network(1.0), logits_network(-1.0), trusted=trusted)
        return CoTeaching(CoTeachingSettings(**settings), task)

    return make


def images():
    return 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(3))


def entropies(factor):
    labels = torch.tensor(GIVEN)[INDEX]
    return functional.cross_entropy(factor * images(), labels, reduction="none")


@pytest.mark.parametrize(("share", "kept"), [(0.0, 4), (0.25, 3), (0.5, 2), (0.9, 2)])
def test_each_learns_what_the_other_finds_easy_by_hand(two, views, share, kept):
    method = two(forget_rate=0.5, forget_ramp=0.5)
    loss = method.loss(views(INDEX, [images()]), Progress(1, share))
    first, second = entropies(1.0).tolist(), entropies(-1.0).tolist()
    of_first = sorted(range(4), key=lambda i: second[i])[:kept]
    of_second = sorted(range(4), key=lambda i: first[i])[:kept]
    if kept < 4:
        assert set(of_first) != set(of_second)
    expected = sum(first[i] for i in of_first) / kept + sum(second[i] for i in of_second) / kept
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    loss.backward()
    factor = torch.ones(4, requires_grad=True)
    labels = torch.tensor(GIVEN)[INDEX]
    each = functional.cross_entropy(factor[:, None] * images(), labels, reduction="none")
    (slope,) = torch.autograd.grad(each[of_first].mean(), factor)
    assert float(method.task.networks[0].factor.grad) == pytest.approx(float(slope.sum()), rel=1e-4)


def test_forgetting_nothing_is_two_networks_apart(two, views):
    loss = two(forget_rate=0.0).loss(views(INDEX, [images()]), Progress(1, 0.9))
    assert torch.allclose(loss, entropies(1.0).mean() + entropies(-1.0).mean())


def test_trusted_labels_are_learned_by_both_whatever_their_loss(two, views):
    first, second = entropies(1.0).tolist(), entropies(-1.0).tolist()
    worst = max(range(4), key=lambda i: first[i])
    method = two(trusted=torch.arange(5) == INDEX[worst], forget_rate=0.5, forget_ramp=0.0)
    loss = method.loss(views(INDEX, [images()]), Progress(1, 0.9))
    picks = [sorted(range(4), key=lambda i, by=by: by[i])[:2] for by in (second, first)]
    assert worst not in picks[1]
    of_first, of_second = (sorted({*kept, worst}) for kept in picks)
    expected = torch.tensor(first)[of_first].mean() + torch.tensor(second)[of_second].mean()
    assert torch.allclose(loss, expected)


def test_labels_are_smoothed_as_set(two, views):
    method = two(forget_rate=0.0)
    method.task = replace(method.task, label_smoothing=0.3)
    loss = method.loss(views(INDEX, [images()]), Progress(1, 0.9))
    labels = torch.tensor(GIVEN)[INDEX]
    expected = sum(functional.cross_entropy(f * images(), labels, label_smoothing=0.3) for f in (1, -1))
    assert torch.allclose(loss, expected)


def test_two_networks_are_trained_and_the_first_is_final(two):
    method = two()
    assert CoTeaching.num_networks(CoTeachingSettings()) == 2
    assert list(method.final_networks()) == [method.task.averages[0]]
    (plan,) = method.optimizers(0).values()
    assert len(plan.groups[0].parameters) == 2


def test_leaving_out_wrong_labels_beats_learning_them(noisy_digits, digits_test):
    def accuracy(rate):
        settings = Settings(
            CoTeachingSettings(forget_rate=rate, forget_ramp=0.3),
            network=NetworkSettings(widths=[16, 32]),
            budget=BudgetSettings(epochs=20),
            training=TrainingSettings(batch_size=50, lr=0.3, precision="float32"),
        )
        return train(settings, noisy_digits, digits_test).summary["test_accuracy_last"]

    assert accuracy(0.3) > max(0.75, accuracy(0.0))


def test_forgetting_everything_is_refused():
    with pytest.raises(SettingsError, match="--forget-rate"):
        CoTeachingSettings(forget_rate=1.0)
