import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from labelmend.errors import SettingsError
from labelmend.methods.base import Scores
from labelmend.methods.elr import Elr, ElrSettings, early_learning_penalty, moved_targets, target_belief
from labelmend.methods.plan import Progress

GIVEN, INDEX = [0, 1, 2, 0, 1], [4, 0, 2, 1]
LABELS = torch.tensor(GIVEN)[INDEX]
NOW = Progress(1, 0.5)


def draws(rows=4, seed=3):
    return 2 * torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def method(make_task, logits_network):
    def make(score=None, trusted=None, **settings):
        return Elr(ElrSettings(**settings), make_task(GIVEN, logits_network(), score=score, trusted=trusted))

    return make


def test_penalty_by_hand():
    logits = torch.tensor([[math.log(2), 0.0, 0.0], [0.0, 0.0, 0.0]])
    targets = torch.tensor([[0.6, 0.2, 0.0], [0.0, 0.0, 0.0]])
    # <p, t> = 0.5 x 0.6 + 0.25 x 0.2 = 0.35; and 0.
    assert early_learning_penalty(logits, targets).tolist() == pytest.approx([math.log(0.65), 0.0], abs=1e-6)


def test_the_gradient_is_that_of_the_papers_lemma():
    """``p_c / (1 - <p, t>) sum_k (t_k - t_c) p_k`` for logit c."""
    logits = draws().double().requires_grad_()
    targets = (0.8 * draws(seed=4).softmax(1)).double()
    early_learning_penalty(logits, targets).sum().backward()
    p = logits.detach().softmax(1)
    agreement = (p * targets).sum(1, keepdim=True)
    differences = targets[:, None, :] - targets[:, :, None]
    expected = p / (1 - agreement) * (differences * p[:, None, :]).sum(2)
    assert torch.allclose(logits.grad, expected, atol=1e-9)


def test_targets_move_by_hand():
    logits = torch.tensor([[math.log(2), 0.0, 0.0]], requires_grad=True)
    moved = moved_targets(torch.tensor([[0.0, 0.4, 0.4]]), logits, 0.7)
    assert moved[0].tolist() == pytest.approx([0.15, 0.355, 0.355], abs=1e-6)
    assert not moved.requires_grad


@pytest.mark.parametrize("visits", [1, 2, 5])
def test_of_one_prediction_they_become_that_prediction(visits):
    targets = torch.zeros(4, 3)
    for _ in range(visits):
        targets = moved_targets(targets, draws(), 0.7)
    assert torch.allclose(targets, (1 - 0.7**visits) * draws().softmax(1), atol=1e-3)


def test_without_the_penalty_it_is_cross_entropy(method, views):
    images = draws().requires_grad_()
    method(elr_weight=0.0).loss(views(INDEX, [images]), NOW).backward()
    other = draws().requires_grad_()
    functional.cross_entropy(other, LABELS).backward()
    assert torch.allclose(images.grad, other.grad, atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_loss_by_hand_on_two_visits(method, views, smoothing):
    m = method(elr_weight=2.0, elr_memory=0.6)
    m.task = replace(m.task, label_smoothing=smoothing)
    targets = torch.zeros(5, 3)
    for seed in (1, 2):
        p = draws(seed=seed).softmax(1)
        targets[INDEX] = 0.6 * targets[INDEX] + 0.4 * p
        penalty = (1 - (p * targets[INDEX]).sum(1)).log().mean()
        fit = functional.cross_entropy(draws(seed=seed), LABELS, label_smoothing=smoothing)
        loss = m.loss(views(INDEX, [draws(seed=seed)]), NOW)
        assert float(loss.detach()) == pytest.approx(float(fit + 2 * penalty), abs=1e-3)
        assert torch.allclose(m.targets, targets, atol=1e-3)
    assert m.targets[3].tolist() == [0, 0, 0]


def test_sure_predictions_stay_finite(method, views):
    m = method(elr_weight=7.0)
    m.targets[:] = functional.one_hot(torch.tensor(GIVEN), 3)
    images = (500 * functional.one_hot(LABELS, 3)).float().requires_grad_()
    loss = m.loss(views(INDEX, [images]), NOW)
    loss.backward()
    assert loss.isfinite()
    assert images.grad.isfinite().all()


def test_belief_is_the_share_of_the_target_or_of_the_model_where_there_is_none():
    targets = torch.tensor([[0.1, 0.3, 0.0], [0.0, 0.0, 0.0]])
    p = torch.tensor([[0.2, 0.2, 0.6], [0.1, 0.7, 0.2]])
    found = target_belief(targets, torch.tensor([1, 1]), p)
    assert found.tolist() == pytest.approx([0.75, 0.7])


def test_record_is_of_the_targets(method):
    p = torch.tensor([[0.8, 0.1, 0.1]] * 5)
    m = method(lambda network: Scores(p, torch.zeros(5, 1)), trusted=torch.arange(5) == 1)
    rows = [[0.6, 0.2, 0.0], [0.7, 0.1, 0.1], [0.2, 0.2, 0.4], [0.1, 0.4, 0.3], [0, 0, 0]]
    m.targets[:] = torch.tensor(rows)
    record = m.record()
    assert record.easiness.tolist() == pytest.approx([0.75, 1.0, 0.5, 0.125, 0.1])
    assert record.easy.tolist() == [True, True, False, False, False]
    assert record.label_quality.tolist() == pytest.approx([0.775, 1.0, 0.3, 0.4625, 0.1])
    assert torch.equal(record.probabilities, p)
    assert (record.corrected == -1).all()


def test_settings_name_the_flag_at_fault():
    with pytest.raises(SettingsError, match="--elr-memory"):
        ElrSettings(elr_memory=1.0)
    with pytest.raises(SettingsError, match="--elr-weight"):
        ElrSettings(elr_weight=-1.0)


def test_a_sure_prediction_adds_a_target_that_sums_to_its_share():
    logits = torch.zeros(1, 1000).index_fill(1, torch.tensor([0]), 60.0)
    moved = moved_targets(torch.zeros(1, 1000), logits, 0.7)
    assert float(moved.sum()) == pytest.approx(0.3, abs=1e-6)
