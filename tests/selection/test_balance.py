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
    assert torch.allclose(balanced(p, torch.tensor([0, 1] * 500)), p)
    assert torch.allclose(balanced(p, torch.zeros(0, dtype=torch.int64)), p)


@pytest.mark.parametrize(("small", "counts_as"), [(900, 900), (500, 500), (499, 500), (1, 500), (0, 5000)])
def test_a_class_weighs_at_most_ten_times_as_much_as_the_largest(small, counts_as):
    labels = torch.tensor([0] * 5000 + [1] * 2500 + [2] * small)
    found = balanced(torch.tensor([[0.9, 0.0995, 0.0005]]), labels)[0]
    weights = torch.tensor([0.9 / 5000, 0.0995 / 2500, 0.0005 / counts_as])
    assert torch.allclose(found, weights / weights.sum())


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(2, 6))
def test_rows_sum_to_one_and_the_order_within_classes_stays(seed, count, classes):
    generator = torch.Generator().manual_seed(seed)
    p = torch.randn(count, classes, generator=generator).softmax(1)
    labels = torch.randint(classes, (count,), generator=generator)
    found = balanced(p, labels)
    assert torch.allclose(found.sum(1), torch.ones(count))
    sizes = torch.bincount(labels, minlength=classes)
    sizes = torch.where(sizes > 0, sizes.clamp(min=sizes.max() / 10), sizes.max())
    ratio = (found[:, :1] * p) / (found * p[:, :1])
    assert torch.allclose(ratio, (sizes / sizes[0]).expand(count, -1).to(ratio), rtol=1e-3)
