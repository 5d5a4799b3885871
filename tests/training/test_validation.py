from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.methods.base import Method
from labelmend.models.ensemble import Ensemble
from labelmend.training.arithmetic import Arithmetic
from labelmend.training.validation import Validation
from labelmend.training.views import Normalisation


class Bright(nn.Module):
    """Two logits from one pixel, times a weight."""

    feature_dim, num_outputs = 1, 2

    def __init__(self, weight=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def features(self, images):
        return images[:, :, 0, 0]

    def head(self, features):
        return torch.cat([-self.weight * features, self.weight * features], dim=1)

    def forward(self, images):
        return self.head(self.features(images))


def held_out():
    pixels = torch.tensor([0, 50, 150, 200], dtype=torch.uint8).reshape(4, 1, 1, 1)
    return ImageSet(MemoryImages(pixels), np.array([0, 1, 1, 1]), ["dark", "bright"], list("abcd"), [""] * 4)


def validation(images=None):
    return Validation(
        images, Normalisation((100.0,), (100.0,)), Arithmetic(torch.device("cpu"), "float32", "contiguous")
    )


def method_with(*networks):
    method = SimpleNamespace(
        final_networks=lambda: networks,
        final_model=lambda: networks[0] if len(networks) == 1 else Ensemble(networks),
        probabilities=lambda logits: logits.softmax(1),
    )
    method.validation_loss = lambda logits, labels: Method.validation_loss(method, logits, labels)
    return method


def test_the_loss_is_the_mean_cross_entropy_on_given_labels():
    network = Bright(2.0)
    found = validation(held_out()).look(method_with(network))
    pixels = torch.tensor([-1.0, -0.5, 0.5, 1.0])[:, None]
    expected = functional.cross_entropy(2 * torch.cat([-pixels, pixels], 1), torch.tensor([0, 1, 1, 1]))
    assert found == {"validation_loss": pytest.approx(float(expected), rel=1e-5)}


def test_without_held_out_images_nothing_is_looked_at():
    network = Bright()
    looked = validation()
    assert looked.look(method_with(network)) == {}
    looked.restore_best(method_with(network))
    assert float(network.weight.detach()) == 1.0


def looked_at(weights, *networks):
    """A look after each change of the first network's weight."""
    looked = validation(held_out())
    for weight in weights:
        with torch.no_grad():
            networks[0].weight.fill_(weight)
        looked.look(method_with(*networks))
    return looked


def test_the_best_epoch_is_put_back():
    network = Bright()
    looked = looked_at([-1.0, 0.5, -0.2, -3.0], network)
    looked.restore_best(method_with(network))
    assert float(network.weight.detach()) == 0.5


def test_of_equal_epochs_the_first_stands():
    network = Bright()
    looked = looked_at([0.5], network)
    best = looked.loss
    looked.look(method_with(network))
    assert looked.loss == best
    looked.loss = best / 2
    assert looked.look(method_with(network))["validation_loss"] == best
    assert looked.loss == best / 2


def test_all_members_are_put_back_and_saved():
    first, second = Bright(), Bright(0.75)
    looked = looked_at([0.5, -2.0], first, second)
    again = validation(held_out())
    again.load_tensors(looked.tensors())
    assert again.loss == looked.loss
    with torch.no_grad():
        second.weight.fill_(9.0)
    again.restore_best(method_with(first, second))
    assert (float(first.weight.detach()), float(second.weight.detach())) == (0.5, 0.75)


def test_forgotten_the_next_epoch_is_the_best():
    network = Bright()
    looked = looked_at([0.5], network)
    looked.forget()
    assert looked.tensors().keys() == {"loss"}
    with torch.no_grad():
        network.weight.fill_(-1.0)
    looked.look(method_with(network))
    with torch.no_grad():
        network.weight.fill_(0.0)
    looked.restore_best(method_with(network))
    assert float(network.weight.detach()) == -1.0


def test_before_the_first_epoch_there_is_nothing_to_save_but_a_loss_without_bound():
    again = validation(held_out())
    again.load_tensors(validation(held_out()).tensors())
    assert again.loss == float("inf")
    assert again.weights == []
