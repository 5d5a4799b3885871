import pytest
import torch

from labelmend.models.fastnet import FastNet, whitening_filters


def test_whitened_patches_have_unit_covariance():
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(12, 12, generator=generator)
    patches = (torch.randn(20_000, 12, generator=generator) @ mix).reshape(-1, 3, 2, 2)
    filters = whitening_filters(patches, eps=0.0)
    assert filters.shape == (24, 3, 2, 2)
    assert torch.equal(filters[12:], -filters[:12])
    outputs = patches.flatten(1) @ filters[:12].flatten(1).T
    assert torch.allclose(outputs.T.cov(), torch.eye(12), atol=1e-3)


def test_directions_without_variance_stay_finite():
    assert torch.isfinite(whitening_filters(torch.ones(50, 1, 2, 2))).all()


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (32, 3), (64, 3)])
def test_features_are_non_negative_and_sized_by_the_last_width(size, channels, activation):
    net = FastNet(size, channels, [8, 16, 24], depth=3, activation=activation).eval()
    features = net(torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0)))
    assert features.shape == (2, 24)
    assert (features >= 0).all()


def test_gelu_lets_small_negative_numbers_through():
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    net = FastNet(32, 3, [8, 16], depth=2, activation="gelu").eval()
    inside = net.stages[0](net.activation(net.stem(images)))
    assert -0.2 < inside.min() < 0
    net = FastNet(32, 3, [8, 16], depth=2).eval()
    assert net.stages[0](net.activation(net.stem(images))).min() == 0


def test_only_the_stem_is_frozen():
    net = FastNet(32, 3, [8, 16], depth=2)
    net.prepare(torch.randn(20, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    net(torch.randn(4, 3, 32, 32)).sum().backward()
    assert net.stem.weight.grad is None
    assert all(p.grad is not None for p in net.stages.parameters())
