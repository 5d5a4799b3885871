import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from labelmend.methods.base import Scores
from labelmend.methods.plan import Progress
from labelmend.methods.sop import FIRST_DEVIATION, Sop, SopSettings, hard_fit, noise_terms, noisy_fit

GIVEN, INDEX = [0, 1, 2, 0, 1], [4, 0, 2, 1]
LABELS = torch.tensor(GIVEN)[INDEX]
ONEHOT = functional.one_hot(LABELS, 3).float()
NOW = Progress(1, 0.5)


def draws(seed=3, columns=3):
    return torch.randn(4, columns, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def method(make_task, logits_network):
    def make(score=None, **settings):
        return Sop(SopSettings(**settings), make_task(GIVEN, logits_network(), score=score))

    return make


def test_terms_by_hand():
    added, taken = noise_terms(
        torch.tensor([[0.5], [3.0]]),
        torch.tensor([[0.1, 0.2, 0.3], [0.4, 2.0, 0.5]]),
        torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    )
    assert torch.allclose(added, torch.tensor([[0.0, 0.25, 0.0], [1.0, 0.0, 0.0]]))
    assert torch.allclose(taken, torch.tensor([[0.01, 0.0, 0.09], [0.0, 1.0, 0.25]]))


def test_both_fits_by_hand():
    logits = torch.tensor([[math.log(2), 0.0, 0.0]])
    labels = torch.tensor([[0.0, 1.0, 0.0]])
    added, taken = torch.tensor([[0.0, 0.5, 0.0]]), torch.tensor([[0.1, 0.0, 0.3]])
    # p + s = (0.4, 0.75, -0.05), clipped (0.4, 0.75, 0.0001).
    expected = -math.log(0.75 / 1.1501)
    assert noisy_fit(logits, labels, added, taken).item() == pytest.approx(expected, abs=1e-6)
    # (1 - 0.1)^2 + (0 + 0.5 - 1)^2 + (0 - 0.3)^2
    assert hard_fit(logits, labels, added, taken).item() == pytest.approx(0.81 + 0.25 + 0.09, abs=1e-6)


def test_u_learns_from_one_fit_and_v_from_the_other():
    u, v = (0.3 * draws(1, 1)).requires_grad_(), (0.3 * draws(2)).requires_grad_()
    logits = draws().requires_grad_()
    noisy_fit(logits, ONEHOT, *noise_terms(u, v, ONEHOT)).sum().backward()
    assert v.grad is None or not v.grad.any()
    shares = logits.detach().softmax(1) + (u**2 * ONEHOT - v**2 * (1 - ONEHOT)).detach()
    assert (shares > 1e-3).all()
    own = (shares * ONEHOT).sum(1, keepdim=True)
    # -log(own / sum) after u: through own and through the sum.
    expected = -2 * u.detach() * (1 / own - 1 / shares.sum(1, keepdim=True))
    assert torch.allclose(u.grad, expected, atol=1e-6)

    u.grad, logits.grad = None, None
    hard_fit(logits, ONEHOT, *noise_terms(u, v, ONEHOT)).sum().backward()
    assert u.grad is None and logits.grad is None
    predicted = functional.one_hot(logits.argmax(1), 3)
    rest = predicted + (u**2 * ONEHOT - v**2 * (1 - ONEHOT)) - ONEHOT
    assert torch.allclose(v.grad, (-4 * v * (1 - ONEHOT) * rest).detach(), atol=1e-6)


def test_a_step_by_hand_moves_the_rows_of_the_batch_alone(method, views):
    m = method(lr_u=2.0, lr_v=3.0)
    m.u.copy_(0.3 * torch.randn(5, 1, generator=torch.Generator().manual_seed(8)))
    m.v.copy_(0.3 * torch.randn(5, 3, generator=torch.Generator().manual_seed(9)))
    before = m.u.clone(), m.v.clone()
    u, v = m.u[INDEX].requires_grad_(), m.v[INDEX].requires_grad_()
    terms = noise_terms(u, v, ONEHOT)
    expected = (noisy_fit(draws(), ONEHOT, *terms) + hard_fit(draws(), ONEHOT, *terms)).mean()
    expected.backward()
    assert torch.allclose(m.loss(views(INDEX, [draws()]), NOW), expected)
    for update in m.updates(views(INDEX, [draws()]), NOW):
        assert torch.allclose(update.loss, expected)
        update.loss.backward()
    assert m.task.networks[0].factor.grad.abs() > 0
    assert torch.allclose(m.u[INDEX], before[0][INDEX] - 2 * u.grad)
    assert torch.allclose(m.v[INDEX], before[1][INDEX] - 3 * v.grad)
    assert torch.equal(m.u[3], before[0][3]) and torch.equal(m.v[3], before[1][3])


@pytest.mark.parametrize(("batch", "times"), [(4, 1.0), (128, 1.0), (256, 2.0)])
def test_steps_of_a_sample_do_not_shrink_with_batches_above_the_published_size(
    method, views, monkeypatch, batch, times
):
    """The loss is a mean, so that its gradient of one sample is divided by the batch."""
    monkeypatch.setattr("labelmend.methods.sop.PUBLISHED_BATCH", 128 * len(INDEX) / batch)
    m = method(lr_u=2.0, lr_v=3.0)
    m.u.fill_(0.3)
    m.v.fill_(0.3)
    u, v = m.u[INDEX].requires_grad_(), m.v[INDEX].requires_grad_()
    m.loss_with(views(INDEX, [draws()]), u, v).backward()
    for update in m.updates(views(INDEX, [draws()]), NOW):
        update.loss.backward()
    assert torch.allclose(m.u[INDEX], 0.3 - times * 2 * u.grad)
    assert torch.allclose(m.v[INDEX], 0.3 - times * 3 * v.grad)


def test_with_no_learning_rates_the_gradient_is_that_of_cross_entropy(method, views):
    m = method(lr_u=0.0, lr_v=0.0)
    started = m.u.clone(), m.v.clone()
    images = draws().requires_grad_()
    for update in m.updates(views(INDEX, [images]), NOW):
        update.loss.backward()
    other = draws().requires_grad_()
    functional.cross_entropy(other, LABELS).backward()
    assert torch.allclose(images.grad, other.grad, atol=1e-6)
    assert torch.equal(m.u, started[0]) and torch.equal(m.v, started[1])


def test_terms_explain_a_wrong_label_and_not_a_right_one(method, views):
    """A network sure of class 0, on samples of which the second is labelled 1."""
    m = method(lr_u=1.0, lr_v=1.0)
    images = torch.tensor([[4.0, 0.0, 0.0]]).repeat(2, 1)
    for _ in range(60):
        for update in m.updates(views([0, 1], [images]), NOW):
            update.loss.backward()
    squares = m.u[:2, 0].square()
    assert squares[0] < 1e-3
    assert squares[1] > 0.5
    assert m.v[1, 0].square() > 0.5


def test_first_terms_are_tiny_and_drawn_from_the_generator(method):
    m, again = method(), method()
    assert torch.equal(m.u, again.u) and torch.equal(m.v, again.v)
    assert 0 < m.u.abs().max() < 10 * FIRST_DEVIATION
    assert 0 < m.v.abs().max() < 10 * FIRST_DEVIATION


def test_record_is_of_the_share_that_the_terms_leave(method):
    p = torch.tensor([[0.5, 0.3, 0.2]] * 5)
    m = method(lambda network: Scores(p, torch.zeros(5, 1)))
    m.u[:, 0] = torch.tensor([0.0, 0.9, 0.4, 2.0, 0.5]) ** 0.5
    m.v.zero_()
    m.v[1, 0] = 0.9**0.5
    m.v[4, 2] = 0.75**0.5
    record = m.record()
    # What is left: 1; 0.1 of 1.0; 0.6, the rest no other label's; 0; 0.5 of 1.25.
    assert record.easiness.tolist() == pytest.approx([1.0, 0.1, 0.6, 0.0, 0.4], abs=1e-6)
    assert record.easy.tolist() == [True, False, True, False, False]
    assert record.label_quality.tolist() == pytest.approx([0.75, 0.2, 0.4, 0.25, 0.35], abs=1e-6)


def test_labels_that_are_held_out_are_believed_as_far_as_the_network_does(make_task, logits_network):
    p = torch.tensor([[0.7, 0.2, 0.1]]).expand(5, 3)
    task = make_task(GIVEN, logits_network(), score=lambda network: Scores(p, torch.zeros(5, 1)))
    task = replace(task, learnable=torch.tensor([True, True, False, False, True]))
    m = Sop(SopSettings(), task)
    m.u.zero_()
    m.v.zero_()
    expected = p.gather(1, task.given_labels[:, None])[:, 0].where(~task.learnable, torch.ones(5))
    assert m.record().easiness.tolist() == pytest.approx(expected.tolist(), abs=1e-6)
