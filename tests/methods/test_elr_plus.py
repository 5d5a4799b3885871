import pytest
import torch
from torch.nn import functional

from labelmend.methods.base import Scores
from labelmend.methods.elr import early_learning_penalty, moved_targets
from labelmend.methods.elr_plus import ElrPlus, ElrPlusSettings
from labelmend.methods.plan import Progress
from labelmend.models.ensemble import Ensemble
from labelmend.semi.mixup import mixup_coefficients

GIVEN, INDEX = [0, 1, 2, 0, 1], [4, 0, 2, 1]
LABELS = torch.tensor(GIVEN)[INDEX]
NOW = Progress(1, 0.5)


def draws(seed):
    return 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def method(make_task, logits_network):
    """Networks that multiply images by 1 and -1; their averages by 2 and -2."""

    def make(score=None, **settings):
        averages = [logits_network(2.0), logits_network(-2.0)]
        task = make_task(GIVEN, logits_network(1.0), logits_network(-1.0), averages=averages, score=score)
        return ElrPlus(ElrPlusSettings(**settings), task)

    return make


def test_without_penalty_and_mixing_it_is_cross_entropy_of_two_networks(method, views):
    m = method(elr_weight=0.0, mixup_alpha=0.0)
    loss = m.loss(views(INDEX, [draws(1), draws(2)]), NOW)
    expected = functional.cross_entropy(draws(1), LABELS) + functional.cross_entropy(-draws(2), LABELS)
    assert float(loss.detach()) == pytest.approx(float(expected), abs=1e-6)
    loss.backward()
    assert all(network.factor.grad.abs() > 0 for network in m.task.networks)
    assert all(network.factor.grad is None for network in m.task.averages)


def test_targets_come_from_the_average_of_the_other_network(method, views):
    m = method(elr_memory=0.5, mixup_alpha=0.0)
    m.loss(views(INDEX, [draws(1), draws(2)]), NOW)
    assert torch.allclose(m.targets[0, INDEX], 0.5 * (-2 * draws(1)).softmax(1), atol=1e-3)
    assert torch.allclose(m.targets[1, INDEX], 0.5 * (2 * draws(2)).softmax(1), atol=1e-3)
    assert (m.targets[:, 3] == 0).all()


def test_loss_by_hand_with_mixing(method, views):
    m = method(elr_weight=2.0, elr_memory=0.6)
    old = torch.rand(5, 3, generator=torch.Generator().manual_seed(5)) / 4
    m.targets[1] = old
    generator = torch.Generator().manual_seed(0)
    coefficient = mixup_coefficients(1.0, generator)
    other = torch.randperm(4, generator=generator)
    assert 0.5 < coefficient < 1 and (other != torch.arange(4)).any()
    found = m.loss_of(1, views(INDEX, [draws(1)]))

    targets = moved_targets(old[INDEX], 2 * draws(1), 0.6)
    onehot = functional.one_hot(LABELS, 3).float()

    def mix(values):
        return coefficient * values + (1 - coefficient) * values[other]

    logits = -mix(draws(1))
    fit = -(mix(onehot) * logits.log_softmax(1)).sum(1).mean()
    expected = fit + 2 * early_learning_penalty(logits, mix(targets)).mean()
    assert float(found.detach()) == pytest.approx(float(expected), abs=1e-5)
    assert torch.allclose(m.targets[1, INDEX], targets)


def test_the_model_is_both_averages(method):
    m = method()
    assert m.num_networks(m.settings) == 2
    assert list(m.final_networks()) == list(m.task.averages)
    assert isinstance(m.final_model(), Ensemble)


def test_record_is_of_both_targets(method):
    p = torch.tensor([[0.5, 0.3, 0.2]] * 5)
    m = method(lambda network: Scores(p, torch.zeros(5, 1)))
    m.targets[0] = torch.tensor([0.5, 0.1, 0.0])
    m.targets[1] = torch.tensor([0.1, 0.1, 0.2])
    record = m.record()
    assert record.easiness.tolist() == pytest.approx([0.6, 0.2, 0.2, 0.6, 0.2])
    assert record.easy.tolist() == [True, False, False, True, False]
    assert torch.equal(record.probabilities, p)
