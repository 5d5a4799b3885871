import pytest
import torch
from torch.nn import functional

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.methods.plan import Progress
from labelmend.methods.volminnet import VolMinNet, VolMinNetSettings
from labelmend.training.optimizers import build_optimizer
from labelmend.training.trainer import Trainer
from labelmend.transition.forward import forward_loss
from labelmend.transition.volume import log_volume

GIVEN, INDEX = [0, 1, 2, 0, 1], [4, 0, 2, 1]


@pytest.fixture
def method(make_task, logits_network):
    def make(**settings):
        return VolMinNet(VolMinNetSettings(**settings), make_task(GIVEN, logits_network()))

    return make


def images():
    return 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("weight", [0.0, 1e-4, 0.5])
def test_loss_by_hand(method, views, weight):
    m = method(volume_weight=weight)
    with torch.no_grad():
        m.transition_weights += torch.randn(3, 3, generator=torch.Generator().manual_seed(1))
    loss = m.loss(views(INDEX, [images()]), Progress(1, 0.5))
    mixed = images().softmax(1) @ m.transition
    labels = torch.tensor(GIVEN)[INDEX]
    fit = -mixed[torch.arange(4), labels].log().mean()
    expected = fit + weight * torch.linalg.det(m.transition).abs().log()
    assert torch.allclose(loss, expected)
    loss.backward()
    assert m.task.networks[0].factor.grad.abs() > 0
    assert m.transition_weights.grad.abs().sum() > 0
    assert (m.transition_weights.grad.diagonal() == 0).all()


def test_predictions_are_of_the_true_class(method):
    assert torch.allclose(method().probabilities(images()), images().softmax(1))


def test_held_out_labels_are_as_noisy_as_the_others(method):
    m, labels = method(), torch.tensor([0, 1, 2, 0])
    assert torch.allclose(m.validation_loss(images(), labels), forward_loss(images(), labels, m.transition))
    assert not torch.allclose(
        m.validation_loss(images(), labels), functional.cross_entropy(images(), labels, reduction="none")
    )


def test_the_matrix_has_an_optimiser_of_its_own_without_decay(method):
    m = method(transition_lr=0.25)
    plans = m.optimizers(0)
    assert list(plans) == ["networks", "transition"]
    (group,) = plans["transition"].groups
    assert group.parameters == (m.transition_weights,)
    assert (plans["transition"].lr, group.weight_decay, plans["transition"].every_step) == (0.25, 0.0, True)


def test_the_noise_rate_that_the_matrix_implies_by_hand(method):
    m = method()
    kept = m.transition.detach().diagonal().double()
    # Given labels 0, 0, 1, 1, 2.
    expected = 1 - float((2 * kept[0] + 2 * kept[1] + kept[2]) / 5)
    assert m.metrics()["estimated_noise_rate"] == pytest.approx(expected, rel=1e-5)


def test_the_matrix_is_learned_from_labels_of_known_classes(make_task, logits_network, views):
    """A third of the twos are given as ones: T says so, and keeps the classes that are labelled right."""
    draw = torch.Generator().manual_seed(0)
    true = torch.arange(300) % 3
    given = torch.where((true == 2) & (torch.rand(300, generator=draw) < 0.35), 1, true)
    m = VolMinNet(VolMinNetSettings(), make_task(given, logits_network()))
    optimizer = build_optimizer(m.optimizers(0)["transition"], TrainingSettings(momentum=0.9), 0.1, 5e-4)
    for group in optimizer.param_groups:
        group["lr"] = 5.0
    images, started = 30 * torch.eye(3)[true], m.transition.detach()
    for _ in range(300):
        optimizer.zero_grad()
        m.loss(views(torch.arange(300), [images]), Progress(1, 0.5)).backward()
        optimizer.step()
    share = float((given[true == 2] == 1).double().mean())
    expected = torch.tensor([[1, 0, 0], [0, 1, 0], [0, share, 1 - share]])
    assert torch.allclose(m.transition.detach(), expected, atol=0.02)
    assert float(log_volume(m.transition.detach())) > float(log_volume(started))


def test_network_and_matrix_take_a_step_together(noisy_digits):
    settings = Settings(
        VolMinNetSettings(),
        network=NetworkSettings(widths=[8, 16]),
        budget=BudgetSettings(epochs=2),
        training=TrainingSettings(batch_size=50, lr=0.1, precision="float32"),
    )
    run = Trainer(settings, noisy_digits)
    started = run.method.transition.detach().clone()
    weight = run.setup.networks[0].classifier.weight.detach().clone()
    row = run.run_epoch()
    assert not torch.equal(run.method.transition, started)
    assert not torch.equal(run.setup.networks[0].classifier.weight, weight)
    assert row["estimated_noise_rate"] == run.method.metrics()["estimated_noise_rate"]
