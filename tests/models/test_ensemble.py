import pytest
import torch
from safetensors.torch import load_file, save_file

from labelmend.models.ensemble import Ensemble
from labelmend.models.registry import NetworkDescription, build_network


def network(seed, width=8, num_outputs=3):
    description = NetworkDescription("fastnet", 8, 1, 3, num_outputs, {"widths": [width], "depth": 1})
    return build_network(description, torch.Generator().manual_seed(seed)).eval()


IMAGES = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(9))


@torch.no_grad()
def test_logits_are_the_mean_of_the_members():
    first, second = network(0, width=8), network(1, width=12)
    ensemble = Ensemble([first, second])
    assert (ensemble.feature_dim, ensemble.num_outputs) == (20, 3)
    features = ensemble.features(IMAGES)
    assert torch.equal(features, torch.cat([first.features(IMAGES), second.features(IMAGES)], 1))
    expected = (first(IMAGES) + second(IMAGES)) / 2
    assert torch.allclose(ensemble(IMAGES), expected, atol=1e-6)
    assert torch.equal(ensemble.head(features), ensemble(IMAGES))


@torch.no_grad()
def test_saved_and_loaded_it_gives_the_same(tmp_path):
    ensemble = Ensemble([network(0), network(1)])
    state = ensemble.state_dict()
    assert {name.split(".")[0] for name in state} == {"networks"}
    assert {name.split(".")[1] for name in state} == {"0", "1"}
    save_file(state, tmp_path / "model.safetensors")
    other = Ensemble([network(2), network(3)])
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(other(IMAGES), ensemble(IMAGES))


def test_members_must_agree_on_their_outputs():
    with pytest.raises(ValueError, match=r"\[3, 4\]"):
        Ensemble([network(0), network(1, num_outputs=4)])
    with pytest.raises(ValueError, match="one number of outputs"):
        Ensemble([])
