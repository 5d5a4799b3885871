import copy

import pytest
import torch
from torch import nn

from labelmend.config import NetworkSettings
from labelmend.models.ensemble import Ensemble
from labelmend.models.frozen import use_heads
from labelmend.models.registry import build_network, describe_heads, describe_network
from labelmend.models.unfrozen import RootedLinear, WarmStart, heads_of, mean_head

pytest.importorskip("timm")


FEATURES = torch.rand(7, 6, generator=torch.Generator().manual_seed(9))
OFFSETS = pytest.mark.parametrize("offset", [-1.0, 1.0], ids=["as they are", "by their roots"])


def heads(seed: int, outputs: int = 3, offset: float = -1.0):
    """Heads prepared on features from ``offset`` to ``offset + 3``."""
    generator = torch.Generator().manual_seed(seed)
    network = build_network(describe_heads(6, 3, outputs), generator)
    network.prepare(offset + 3 * torch.rand(50, 6, generator=generator))
    assert bool(network.extractor.rooted) == (offset > 0)
    return network.eval()


@OFFSETS
def test_one_layer_gives_the_logits_of_all_heads(offset):
    network = heads(0, offset=offset)
    use_heads(network, 2)  # whichever was in use
    found = mean_head(network, 3)(FEATURES)
    use_heads(network, None)
    assert torch.allclose(found, network(FEATURES), atol=1e-5)


@OFFSETS
def test_one_layer_gives_the_logits_of_an_ensemble(offset):
    both = Ensemble([heads(0, offset=offset), heads(1, offset=offset)])
    assert torch.allclose(mean_head(both, 3)(FEATURES), both(torch.cat([FEATURES])), atol=1e-5)


def test_outputs_beyond_the_classes_are_left_out():
    network = heads(0, outputs=4)
    assert torch.allclose(mean_head(network, 3)(FEATURES), network(FEATURES)[:, :3], atol=1e-5)


def backbone_and_head(kind=nn.Linear):
    network = describe_network(NetworkSettings("timm:test_resnet", pretrained=False), 32, 3, 3)
    start = build_network(network, torch.Generator().manual_seed(0)).eval()
    head = kind(start.feature_dim, 3)
    head.load_state_dict(start.classifier.state_dict())
    start.classifier = head
    return network, WarmStart(start.extractor, head), start


@pytest.mark.parametrize("kind", [nn.Linear, RootedLinear])
def test_a_warm_start_gives_the_logits_it_comes_from_and_shares_no_weights(kind):
    description, start, expected = backbone_and_head(kind)
    network = start.network(description).eval()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(network(images), expected(images))
    before = start.head.weight.clone()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert torch.equal(start.head.weight, before)
    assert not torch.equal(start.backbone(images), network.features(images))


def test_batch_norms_keep_the_statistics_that_the_head_was_fitted_to():
    description, start, _ = backbone_and_head()
    network = start.network(description)
    images = 5 + torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    scored = network.eval()(images)
    for trained in (network.train(), copy.deepcopy(network).train()):
        assert torch.equal(trained(images), scored)
        assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())
        assert trained.training
    assert not torch.equal(start.backbone.train()(images), network.features(images))


@pytest.mark.parametrize("kind", [nn.Linear, RootedLinear])
def test_the_head_of_a_network_as_heads_on_features(kind):
    _, start, network = backbone_and_head(kind)
    features = torch.rand(4, network.feature_dim, generator=torch.Generator().manual_seed(1))
    found = heads_of(network, describe_heads(network.feature_dim, 3, 4))
    assert torch.allclose(found(features)[:, :3], start.head(features), atol=1e-6)
    assert found(features)[:, 3].tolist() == [0.0] * 4
    assert all(isinstance(head, nn.Linear) for head in found.classifier.heads)
    use_heads(found, 3)
    assert torch.allclose(found(features)[:, :3], start.head(features), atol=1e-6)
