import math

import pytest
import torch
from torch.nn import functional

from labelmend.errors import SettingsError
from labelmend.methods.gce import Gce, GceSettings, generalised_cross_entropy
from labelmend.methods.plan import Progress

GIVEN, INDEX = [0, 1, 2, 0, 1], [4, 0, 2, 1]


def logits():
    return 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def labels():
    return torch.tensor(GIVEN)[INDEX]


def test_loss_by_hand():
    # Of two classes, probabilities 3/4 and 1/4.
    each = torch.tensor([[math.log(3.0), 0.0]]).repeat(2, 1)
    found = generalised_cross_entropy(each, torch.tensor([0, 1]), 0.5)
    assert found.tolist() == pytest.approx([(1 - 0.75**0.5) / 0.5, (1 - 0.5) / 0.5], abs=1e-6)


@pytest.mark.parametrize("q", [0.1, 0.7, 1.0])
def test_loss_by_the_formula_of_the_paper(q):
    own = logits().softmax(1)[torch.arange(4), labels()]
    assert torch.allclose(generalised_cross_entropy(logits(), labels(), q), (1 - own**q) / q, atol=1e-9)


@pytest.mark.parametrize("q", [1e-4, 1e-8, 1e-12])
def test_for_a_small_q_it_is_cross_entropy(q):
    expected = functional.cross_entropy(logits(), labels(), reduction="none")
    assert torch.allclose(generalised_cross_entropy(logits(), labels(), q), expected, atol=20 * q + 1e-9)
    # In single precision too, where 1 - p^q is 0.
    single = generalised_cross_entropy(logits().float(), labels(), q)
    assert torch.allclose(single, expected.float(), atol=20 * q + 1e-5)


def test_for_q_of_one_it_is_half_the_mean_absolute_error():
    onehot = functional.one_hot(labels(), 3)
    expected = (logits().softmax(1) - onehot).abs().sum(1) / 2
    assert torch.allclose(generalised_cross_entropy(logits(), labels(), 1.0), expected, atol=1e-9)


def test_a_hopeless_sample_is_bounded():
    far = torch.tensor([[-500.0, 500.0]], requires_grad=True)
    loss = generalised_cross_entropy(far, torch.tensor([0]), 0.7).sum()
    loss.backward()
    assert float(loss.detach()) == pytest.approx(1 / 0.7)
    assert far.grad.isfinite().all()


def test_a_step_is_the_mean_over_the_given_labels(make_task, logits_network, views):
    images = logits().float()
    method = Gce(GceSettings(q=0.4), make_task(GIVEN, logits_network()))
    loss = method.loss(views(INDEX, [images]), Progress(1, 0.5))
    assert torch.allclose(loss, generalised_cross_entropy(images, labels(), 0.4).mean())


@pytest.mark.parametrize("q", [0.0, 1.5])
def test_q_out_of_range_is_refused(q):
    with pytest.raises(SettingsError, match="--q"):
        GceSettings(q=q)
