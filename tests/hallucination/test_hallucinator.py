from __future__ import annotations

import pytest
import torch

from labelmend.hallucination.hallucinator import Hallucinator


def test_forward_by_hand() -> None:
    h = Hallucinator(1, generator=torch.Generator())
    with torch.no_grad():
        h.hidden.weight.copy_(torch.tensor([[2.0, -1.0]]))
        h.hidden.bias.copy_(torch.tensor([0.5]))
        h.output.weight.copy_(torch.tensor([[3.0]]))
        h.output.bias.copy_(torch.tensor([-1.0]))
    # hidden = relu(2u - v + .5), output = relu(3 hidden - 1): 3.5, 0 and 0, at the length (u + v) / 2
    anchors = h(torch.tensor([[1.0], [0.0], [0.25]]), torch.tensor([[1.0], [4.0], [1.0]]))
    assert anchors.tolist() == [[1.0], [0.0], [0.0]]


def test_anchors_have_the_mean_length_of_their_features() -> None:
    generator = torch.Generator().manual_seed(0)
    s_u, s_v = torch.rand(6, 8, generator=generator), 5 * torch.rand(6, 8, generator=generator)
    anchors = Hallucinator(8, generator=generator)(s_u, s_v)
    assert torch.allclose(anchors.norm(dim=1), (s_u.norm(dim=1) + s_v.norm(dim=1)) / 2)


def test_shapes_and_hidden_width() -> None:
    h = Hallucinator(4, 7, generator=torch.Generator().manual_seed(0))
    assert h(torch.rand(3, 4), torch.rand(3, 4)).shape == (3, 4)
    assert tuple(h.hidden.weight.shape) == (7, 8)
    assert tuple(Hallucinator(4, generator=torch.Generator()).hidden.weight.shape) == (4, 8)


def test_weights_come_from_the_generator_alone() -> None:
    before = torch.get_rng_state()
    first = Hallucinator(5, generator=torch.Generator().manual_seed(2))
    same = Hallucinator(5, generator=torch.Generator().manual_seed(2))
    other = Hallucinator(5, generator=torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.hidden.weight, same.hidden.weight)
    assert torch.equal(first.output.weight, same.output.weight)
    assert not torch.equal(first.hidden.weight, other.hidden.weight)


def test_every_output_is_on_at_the_start() -> None:
    """Else it would never learn: the features have a large common mean."""
    generator = torch.Generator().manual_seed(0)
    s_u, s_v = 1 + torch.rand(2, 50, 32, generator=generator)
    anchors = Hallucinator(32, generator=generator)(s_u, s_v)
    assert bool((anchors > 0).all())
    ratio = (anchors.norm(dim=1).mean() / s_u.norm(dim=1).mean()).item()
    assert 0.3 < ratio < 3


def test_weights_at_the_start() -> None:
    """Those of an output are uniform from 0 and sum to 2 on average."""
    h = Hallucinator(20, 50, generator=torch.Generator().manual_seed(0))
    assert 0 <= h.output.weight.min() < 0.001
    assert 0.99 * 4 / 50 < h.output.weight.max() <= 4 / 50
    assert h.output.weight.sum(1).mean().item() == pytest.approx(2, rel=0.05)
    # He et al.: uniform of variance 2 / inputs.
    assert h.hidden.weight.abs().max().item() == pytest.approx((6 / 40) ** 0.5, rel=0.01)
    assert h.hidden.bias.tolist() == [0.0] * 50
    assert h.output.bias.tolist() == [0.0] * 20


def test_anchors_can_be_negative_where_that_is_allowed() -> None:
    h = Hallucinator(20, 50, generator=torch.Generator().manual_seed(0))
    start = h.output.weight.clone()
    s_u, s_v = torch.randn(2, 6, 20, generator=torch.Generator().manual_seed(1))
    assert (h(s_u, s_v) >= 0).all()
    h.allow_negative()
    # Uniform in sqrt(3 / 50) around 0 instead of in 2 / 50 around 2 / 50.
    assert torch.allclose(h.output.weight, (start - 2 / 50) * (3 / 50) ** 0.5 / (2 / 50), atol=1e-6)
    made = h.output(torch.relu(h.hidden(torch.cat((s_u, s_v), dim=1))))
    assert (made < 0).any()
    lengths = (s_u.norm(dim=1) + s_v.norm(dim=1)) / 2
    assert torch.allclose(h(s_u, s_v), made / made.norm(dim=1, keepdim=True) * lengths[:, None], atol=1e-5)
    again = Hallucinator(20, 50, generator=torch.Generator())
    again.load_state_dict(h.state_dict())
    assert torch.equal(again(s_u, s_v), h(s_u, s_v))


def test_weights_from_before_anchors_could_be_negative_are_read() -> None:
    h = Hallucinator(4, generator=torch.Generator().manual_seed(0))
    older = {name: value for name, value in h.state_dict().items() if name != "signed"}
    again = Hallucinator(4, generator=torch.Generator().manual_seed(1))
    again.load_state_dict(older)
    s_u, s_v = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(again(s_u, s_v), h(s_u, s_v))
