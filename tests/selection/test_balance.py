import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmend.selection.balance import balanced


def test_by_hand():
    labels = torch.tensor([0, 0, 0, 1])
    found = balanced(torch.tensor([[0.6, 0.4], [0.9, 0.1]]), labels)
    # 0.6 / 3 and 0.4 / 1; 0.9 / 3 and 0.1 / 1.
    assert found[0].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert found[1].tolist() == pytest.approx([0.75, 0.25])


def test_equal_classes_and_one_that_is_never_given():
    p = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    assert torch.allclose(balanced(p, torch.tensor([0, 1, 2, 2, 1, 0])), p)
    assert torch.allclose(balanced(p, torch.tensor([0, 1])), p)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(2, 6))
def test_rows_sum_to_one_and_the_order_within_classes_stays(seed, count, classes):
    generator = torch.Generator().manual_seed(seed)
    p = torch.randn(count, classes, generator=generator).softmax(1)
    labels = torch.randint(classes, (count,), generator=generator)
    found = balanced(p, labels)
    assert torch.allclose(found.sum(1), torch.ones(count))
    sizes = torch.bincount(labels, minlength=classes).clamp(min=1)
    ratio = (found[:, :1] * p) / (found * p[:, :1])
    assert torch.allclose(ratio, (sizes / sizes[0]).expand(count, -1).to(ratio), rtol=1e-3)
