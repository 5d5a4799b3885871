import pytest
import torch

from labelmend.config import NetworkSettings
from labelmend.errors import SettingsError
from labelmend.models.build import NETWORKS, NetworkDescription, build_network, describe_network


@pytest.mark.parametrize("name", NETWORKS)
def test_head_of_features_is_the_forward_pass(name):
    description = describe_network(NetworkSettings(network=name, widths=[8, 16]), 32, 3, 7)
    network = build_network(description, torch.Generator().manual_seed(0)).eval()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = network(images)
        assert logits.shape == (2, 7)
        assert network.features(images).shape == (2, network.feature_dim)
        assert torch.equal(network.head(network.features(images)), logits)


def test_auto_follows_the_image_size():
    assert describe_network(NetworkSettings(), 64, 3, 2).network == "fastnet"
    assert describe_network(NetworkSettings(), 65, 3, 2).network == "resnet18"


def test_an_unknown_network_is_named():
    with pytest.raises(SettingsError, match="--network is 'vgg'"):
        describe_network(NetworkSettings(network="vgg"), 32, 3, 2)


def test_description_survives_json_values():
    description = describe_network(NetworkSettings(), 32, 3, 10)
    assert NetworkDescription.from_dict({**description.to_dict(), "classes": ["a"]}) == description


def test_weights_follow_the_generator_and_leave_the_global_one_alone():
    description = describe_network(NetworkSettings(widths=[8]), 8, 1, 3)
    state = torch.get_rng_state()
    first, second = (
        build_network(description, torch.Generator().manual_seed(s)).state_dict() for s in (3, 3)
    )
    other = build_network(description, torch.Generator().manual_seed(4)).state_dict()
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)
    assert torch.equal(torch.get_rng_state(), state)
