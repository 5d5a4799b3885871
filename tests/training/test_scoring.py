import copy

import pytest
import torch

from labelmend.config import NetworkSettings
from labelmend.data.image_set import MemoryImages
from labelmend.models.ensemble import Ensemble
from labelmend.models.registry import build_network, describe_network
from labelmend.training import scoring
from labelmend.training.arithmetic import Arithmetic
from labelmend.training.scoring import accuracy, area_factor, passes, score_images
from labelmend.training.views import Normalisation

PLAIN = Arithmetic(torch.device("cpu"), "float32", "contiguous")
NORMALISATION = Normalisation((128.0,), (64.0,))


@pytest.fixture
def images():
    pixels = torch.randint(0, 256, (50, 8, 8, 1), generator=torch.Generator().manual_seed(0))
    return MemoryImages(pixels.to(torch.uint8))


@pytest.fixture
def network():
    """In training mode, with batch-norm statistics far from those of a batch."""
    description = describe_network(NetworkSettings(widths=[8, 16], depth=2), 8, 1, 3)
    made = build_network(description, torch.Generator().manual_seed(0))
    for name, buffer in made.named_buffers():
        if name.endswith("running_var"):
            buffer.fill_(0.02)
    return made.train()


def softmax(logits):
    return logits.softmax(1)


def by_hand(network, images):
    network.eval()
    with torch.no_grad():
        inputs = NORMALISATION(images.pixels)
        features = network.features(inputs)
        logits, mirrored = network.head(features), network(inputs.flip(3))
    network.train()
    return features, logits, mirrored


def test_scores_are_of_evaluation_mode_and_the_mode_comes_back(network, images):
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    found = score_images(network, images, NORMALISATION, PLAIN, softmax)
    features, logits, _ = by_hand(network, images)
    assert torch.allclose(found.probabilities, logits.softmax(1), atol=1e-6)
    assert torch.allclose(found.features, features, atol=1e-5)
    assert network.training
    assert all(torch.equal(before[name], buffer) for name, buffer in network.named_buffers())
    with torch.no_grad():
        in_training = network(NORMALISATION(images.pixels)).softmax(1)
    assert not torch.allclose(found.probabilities, in_training, atol=1e-2)
    network.eval()
    score_images(network, images, NORMALISATION, PLAIN, softmax)
    assert not network.training


def test_members_of_an_ensemble_keep_the_modes_they_were_in(network, images):
    other = copy.deepcopy(network).eval()
    score_images(Ensemble([network, other]), images, NORMALISATION, PLAIN, softmax)
    assert all(part.training for part in network.modules())
    assert not any(part.training for part in other.modules())


def test_no_graph_is_kept(network, images):
    found = score_images(network, images, NORMALISATION, PLAIN, softmax)
    assert not found.probabilities.requires_grad
    assert not found.features.requires_grad


def test_mirror_images_are_half_of_the_probabilities_and_none_of_the_features(network, images):
    found = score_images(network, images, NORMALISATION, PLAIN, softmax, flip_average=True)
    features, logits, mirrored = by_hand(network, images)
    assert torch.allclose(found.probabilities, (logits.softmax(1) + mirrored.softmax(1)) / 2, atol=1e-6)
    assert torch.allclose(found.features, features, atol=1e-5)
    assert not torch.allclose(found.probabilities, logits.softmax(1), atol=1e-4)


def test_the_method_turns_outputs_into_probabilities(network, images):
    found = score_images(network, images, NORMALISATION, PLAIN, lambda logits: logits[:, 1:].softmax(1))
    _, logits, _ = by_hand(network, images)
    assert torch.allclose(found.probabilities, logits[:, 1:].softmax(1), atol=1e-6)


def test_batches_change_nothing_and_stay_in_order(network, images, monkeypatch):
    whole = score_images(network, images, NORMALISATION, PLAIN, softmax)
    monkeypatch.setattr(scoring, "SCORING_BATCH", 16)
    parts = list(passes(network, images, NORMALISATION, PLAIN))
    assert [len(part.index) for part in parts] == [16, 16, 16, 2]
    assert torch.cat([part.index for part in parts]).tolist() == list(range(50))
    split = score_images(network, images, NORMALISATION, PLAIN, softmax)
    assert torch.allclose(whole.probabilities, split.probabilities, atol=1e-6)


def test_large_images_come_in_smaller_batches():
    assert [area_factor(side) for side in (8, 64, 128, 256)] == [1, 1, 1 / 4, 1 / 16]


def test_accuracy_by_hand():
    probabilities = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.2, 0.8]])
    assert accuracy(probabilities, torch.tensor([0, 1, 1, 1])) == 0.75
