import hashlib
from copy import deepcopy
from dataclasses import fields, replace

import pytest
import torch
from torch import nn

from labelmend.config import NetworkSettings
from labelmend.errors import LabelmendWarning, SettingsError
from labelmend.models import registry
from labelmend.models.preprocessing import Preprocessing
from labelmend.models.registry import (
    NAMES,
    NETWORKS,
    NetworkDescription,
    build_network,
    describe_network,
    missing_options,
    obtain_network,
    preprocessing_of,
    redraw,
)

SMALL = {"fastnet": {"widths": [8, 16], "depth": 2}}
LARGE = ("wrn28_10",)
"""Left out where only what all networks share is tested."""


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def settings(name):
    return NetworkSettings(network=name, **SMALL.get(name, {}))


def build(name, seed=0, image_size=32, channels=3, num_classes=7):
    return build_network(describe_network(settings(name), image_size, channels, num_classes), seeded(seed))


def digest(network):
    found = hashlib.sha256()
    for name, value in network.state_dict().items():
        found.update(name.encode() + value.contiguous().numpy().tobytes())
    return found.hexdigest()


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in first.keys() | second.keys())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LARGE])
def test_head_of_features_is_the_forward_pass(name):
    network = build(name).eval()
    images = torch.randn(2, 3, 32, 32, generator=seeded(1))
    with torch.no_grad():
        logits = network(images)
        assert logits.shape == (2, 7)
        assert network.features(images).shape == (2, network.feature_dim)
        assert (network.features(images) >= 0).all()
        assert torch.equal(network.head(network.features(images)), logits)


def test_the_head_may_have_more_outputs_than_classes():
    description = describe_network(settings("fastnet"), 32, 3, 7, num_outputs=8)
    assert (description.num_classes, description.num_outputs) == (7, 8)
    network = build_network(description, seeded(0))
    assert network.num_outputs == 8
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 8)


def test_auto_follows_the_image_size():
    assert describe_network(NetworkSettings(), 64, 3, 2).network == "fastnet"
    assert describe_network(NetworkSettings(), 65, 3, 2).network == "resnet18"


def test_an_unknown_network_is_named_with_the_closest_match():
    with pytest.raises(SettingsError, match="--network is 'vgg', but must be one of auto, fastnet, resnet18"):
        describe_network(NetworkSettings(network="vgg"), 32, 3, 2)
    with pytest.raises(SettingsError, match="did you mean 'preact_resnet18'"):
        describe_network(NetworkSettings(network="preactresnet18"), 32, 3, 2)
    with pytest.raises(SettingsError, match="'vgg'"):
        NetworkDescription.from_dict({"network": "vgg"})
    with pytest.raises(SettingsError, match="'vgg'"):
        build_network(replace(describe_network(NetworkSettings(), 32, 3, 2), network="vgg"))


@pytest.mark.parametrize("name", ["preact_resnet18", "wrn28_10"])
def test_networks_for_small_images_refuse_larger_ones(name):
    assert describe_network(NetworkSettings(network=name), 64, 3, 2).network == name
    with pytest.raises(SettingsError, match=f"--network {name} .* up to 64 px, not 65.*--image-size 64"):
        describe_network(NetworkSettings(network=name), 65, 3, 2)


def test_a_network_is_described_by_its_own_options():
    fastnet = describe_network(NetworkSettings(widths=[8, 16], depth=3, activation="gelu"), 32, 3, 10)
    assert fastnet.options == {"widths": [8, 16], "depth": 3, "activation": "gelu"}
    assert describe_network(NetworkSettings("resnet18"), 32, 3, 10).options == {}


def test_an_option_that_the_network_lacks_is_refused():
    with pytest.raises(SettingsError, match=r"--widths is \[8\], but --network resnet18 .*--network fastnet"):
        describe_network(NetworkSettings("resnet18", widths=[8]), 32, 3, 2)
    with pytest.raises(SettingsError, match="--activation is 'gelu'"):
        describe_network(NetworkSettings("resnet18", activation="gelu"), 32, 3, 2)
    # With auto they are there in case that fastnet is taken.
    assert describe_network(NetworkSettings(activation="gelu"), 96, 3, 2).options == {}


def test_options_are_settings():
    names = {f.name for f in fields(NetworkSettings)} - {"network", "frozen", "finetune"}
    for name, network in NETWORKS.items():
        assert set(network.options) <= names
        assert set(missing_options(name)) == names - set(network.options)
    assert missing_options("auto") == []


def test_only_networks_of_libraries_have_preprocessing_of_their_own():
    own = {name for name in NETWORKS if preprocessing_of(name) != Preprocessing(None, None, None)}
    assert own == {"efficientnet_lite0"}
    assert preprocessing_of("auto") == Preprocessing()
    assert preprocessing_of("timm:test_vit").size == 160


@pytest.mark.parametrize("name", NAMES)
def test_description_survives_json_values(name):
    description = describe_network(settings(name), 32, 3, 10, num_outputs=11)
    assert NetworkDescription.from_dict({**description.to_dict(), "classes": ["a"]}) == description


def test_descriptions_with_flat_options_are_read():
    old = {"image_size": 32, "channels": 3, "num_classes": 10, "widths": [8, 16], "depth": 2, "mean": [0.5]}
    fastnet = NetworkDescription.from_dict({"network": "fastnet", **old, "activation": "gelu"})
    assert fastnet == NetworkDescription(
        "fastnet", 32, 3, 10, 10, {"widths": [8, 16], "depth": 2, "activation": "gelu"}
    )
    resnet = NetworkDescription.from_dict({"network": "resnet18", **old, "activation": "gelu"})
    assert resnet == NetworkDescription("resnet18", 32, 3, 10, 10, {})
    # Written before there was a choice of activations.
    relu = build_network(NetworkDescription.from_dict({"network": "fastnet", **old}))
    assert relu.extractor.activation is torch.relu_


def test_weights_follow_the_generator_and_leave_the_global_one_alone():
    state = torch.get_rng_state()
    first, second, other = (
        build("fastnet", seed, image_size=8, channels=1).state_dict() for seed in (3, 3, 4)
    )
    assert equal(first, second)
    assert not equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


# Of what earlier versions drew; processors without AVX2 round some of the numbers otherwise.
@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"), reason="recorded with AVX512"
)
@pytest.mark.parametrize(
    ("network", "image_size", "channels", "num_classes", "expected"),
    [
        (NetworkSettings("fastnet", [8, 16, 24], 3, "gelu"), 28, 1, 7, "228adcb95a86eb6c"),
        (NetworkSettings("fastnet"), 32, 3, 10, "88d2f9811c69f3f1"),
        (NetworkSettings("resnet18"), 32, 3, 10, "a29c92685409eace"),
        (NetworkSettings("resnet18"), 96, 3, 5, "f60eaaf91a4ce869"),
        (NetworkSettings("resnet50"), 32, 3, 10, "72a147c3cf4fa0fc"),
    ],
)
def test_first_weights_are_those_of_earlier_versions(network, image_size, channels, num_classes, expected):
    description = describe_network(network, image_size, channels, num_classes)
    assert digest(build_network(description, seeded(5))).startswith(expected)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", ["fastnet", "resnet18", "preact_resnet18"])
def test_redrawn_weights_are_those_of_a_new_network(name, memory_format):
    network = build(name, seed=1).to(memory_format=memory_format).train()
    network(torch.randn(8, 3, 32, 32, generator=seeded(2)))
    state = torch.get_rng_state()
    redraw(network, seeded(0))
    assert torch.equal(torch.get_rng_state(), state)
    found, expected = network.state_dict(), build(name, seed=0).state_dict()
    if name == "fastnet":
        stem = found.pop("extractor.stem.weight")
        assert torch.equal(stem, build(name, seed=1).extractor.stem.weight)
        del expected["extractor.stem.weight"]
    assert equal(found, expected)


def test_redrawing_keeps_the_whitening_and_prepare_sets_it():
    images = torch.randn(20, 3, 32, 32, generator=seeded(2))
    network, other = build("fastnet", seed=1), build("fastnet", seed=0)
    network.prepare(images)
    redraw(network, seeded(0))
    other.prepare(images)
    assert equal(network.state_dict(), other.state_dict())
    assert not network.extractor.stem.weight.requires_grad


def test_a_part_is_redrawn_alone():
    network = build("fastnet")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    redraw(network.classifier, seeded(1))
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"classifier.weight", "classifier.bias"}


def test_layers_without_a_rule_are_not_left_as_they_are():
    with pytest.raises(TypeError, match="PReLU"):
        redraw(nn.Sequential(nn.Linear(2, 2), nn.PReLU()), seeded(0))


def test_only_fastnet_fits_itself_to_the_data():
    images = torch.randn(20, 3, 32, 32, generator=seeded(2))
    for name in ("fastnet", "resnet18", "preact_resnet18"):
        network = build(name)
        network.prepare(images)
        changed = [
            k for k, v in build(name).state_dict().items() if not torch.equal(network.state_dict()[k], v)
        ]
        assert changed == (["extractor.stem.weight"] if name == "fastnet" else [])


def test_a_network_that_fits_in_no_memory_is_refused_before_it_is_built(monkeypatch):
    description = describe_network(NetworkSettings(widths=[64, 128]), 32, 3, 10)
    weights = sum(parameter.numel() for parameter in build_network(description).parameters())
    asked = []
    monkeypatch.setattr(registry, "fits_in_memory", lambda size: asked.append(size))
    with pytest.raises(SettingsError, match=r"--network fastnet --widths \[64, 128\] .* has [\d,]+ weights"):
        build_network(description)
    assert 0.98 < asked[0] / (4 * 4 * weights) <= 1


TIMM = "timm:test_efficientnet"


def test_networks_of_libraries_are_described_and_built_by_name():
    plain = NetworkSettings(TIMM, pretrained=False)
    description = describe_network(plain, 64, 1, 3, num_outputs=4)
    assert NetworkDescription.from_dict(description.to_dict()) == description
    assert description.options == {"pretrained": False, "weights": None}
    assert set(missing_options(TIMM)) == {"widths", "depth", "activation"}
    first, second, other = (build_network(description, seeded(seed)) for seed in (3, 3, 4))
    assert equal(first.state_dict(), second.state_dict())
    assert not equal(first.extractor.state_dict(), other.extractor.state_dict())
    assert not equal(first.classifier.state_dict(), other.classifier.state_dict())
    assert first(torch.zeros(2, 1, 64, 64)).shape == (2, 4)


def test_networks_that_look_at_numbers_while_they_are_built_are_built_too():
    description = describe_network(NetworkSettings("torchvision:regnet_x_400mf", pretrained=False), 32, 3, 2)
    assert build_network(description).feature_dim == 400


def test_a_saved_network_is_built_again_without_its_first_weights(tmp_path, monkeypatch):
    description = describe_network(NetworkSettings(TIMM, weights=str(tmp_path / "gone.pt")), 64, 3, 3)
    assert build_network(description).num_outputs == 3
    with pytest.raises(SettingsError, match=r"gone\.pt does not exist"):
        build_network(description, seeded(0))
    monkeypatch.setattr("labelmend.models.pretrained.get", lambda *_: pytest.fail("fetched"))
    assert build_network(replace(description, options={"pretrained": True, "weights": None})).num_outputs == 3


@pytest.mark.parametrize("pretrained", [True, False])
def test_a_network_of_a_library_is_redrawn_as_it_first_was(pretrained):
    description = describe_network(NetworkSettings("efficientnet_lite0", pretrained=pretrained), 32, 3, 3)
    network, other = build_network(description, seeded(0)), build_network(description, seeded(1))
    assert equal(network.extractor.state_dict(), other.extractor.state_dict()) == pretrained
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    copied = deepcopy(other).to(memory_format=torch.channels_last)
    redraw(copied, seeded(0))
    assert equal(copied.state_dict(), network.state_dict())


def test_weights_need_a_network_of_a_library():
    with pytest.raises(SettingsError, match=r"--weights is 'f\.pt', but --network fastnet .*timm:NAME"):
        describe_network(NetworkSettings("fastnet", weights="f.pt"), 32, 3, 2)
    with pytest.raises(SettingsError, match=r"--weights f\.pt is of which network"):
        describe_network(NetworkSettings(weights="f.pt"), 32, 3, 2)
    with pytest.raises(SettingsError, match=r"--widths is \[8\], but --network timm:test_vit"):
        describe_network(NetworkSettings("timm:test_vit", widths=[8]), 160, 3, 2)


def test_first_weights_are_obtained_for_networks_of_libraries_alone(tmp_path, monkeypatch):
    for name in ("auto", "fastnet"):
        assert obtain_network(NetworkSettings(name)) == NetworkSettings(name)
    fresh = NetworkSettings("timm:test_vit", pretrained=False)
    assert obtain_network(fresh) == replace(fresh, network="timm:test_vit.r160_in1k")
    with pytest.raises(SettingsError, match=r"no\.pt does not exist"):
        obtain_network(NetworkSettings(TIMM, weights=str(tmp_path / "no.pt")))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.warns(LabelmendWarning, match="going on with efficientnet_lite0"):
        assert obtain_network(NetworkSettings(TIMM)).network == "efficientnet_lite0"
