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


class Learning(nn.Module):
    """A method that learns a matrix beside its networks, and remembers a number."""

    def __init__(self, *networks):
        super().__init__()
        self.task = SimpleNamespace(averages=networks)
        self.final_model = lambda: networks[0] if len(networks) == 1 else Ensemble(networks)
        self.probabilities = lambda logits: logits.softmax(1)
        self.matrix = nn.Parameter(torch.ones(2, 2))
        self.register_buffer("remembered", torch.tensor(1.0))

    def validation_loss(self, logits, labels):
        return Method.validation_loss(self, logits, labels)


def test_the_loss_is_the_mean_cross_entropy_on_given_labels():
    network = Bright(2.0)
    found = validation(held_out()).look(Learning(network))
    pixels = torch.tensor([-1.0, -0.5, 0.5, 1.0])[:, None]
    expected = functional.cross_entropy(2 * torch.cat([-pixels, pixels], 1), torch.tensor([0, 1, 1, 1]))
    assert found == {"validation_loss": pytest.approx(float(expected), rel=1e-5)}


def test_without_held_out_images_nothing_is_looked_at():
    network = Bright()
    looked = validation()
    assert looked.look(Learning(network)) == {}
    assert not looked.restore_best(Learning(network))
    assert float(network.weight.detach()) == 1.0


def looked_at(weights, *networks):
    """A look after each change of the first network's weight."""
    looked = validation(held_out())
    for weight in weights:
        with torch.no_grad():
            networks[0].weight.fill_(weight)
        looked.look(Learning(*networks))
    return looked


def test_the_best_epoch_is_put_back():
    network = Bright()
    looked = looked_at([-1.0, 0.5, -0.2, -3.0], network)
    assert looked.restore_best(Learning(network))
    assert float(network.weight.detach()) == 0.5


def test_of_equal_epochs_the_first_stands():
    network = Bright()
    looked = looked_at([0.5], network)
    best = looked.loss
    looked.look(Learning(network))
    assert looked.loss == best
    looked.loss = best / 2
    assert looked.look(Learning(network))["validation_loss"] == best
    assert looked.loss == best / 2


def test_all_members_are_put_back_and_saved():
    first, second = Bright(), Bright(0.75)
    looked = looked_at([0.5, -2.0], first, second)
    again = validation(held_out())
    again.load_tensors(looked.tensors())
    assert again.loss == looked.loss
    with torch.no_grad():
        second.weight.fill_(9.0)
    again.restore_best(Learning(first, second))
    assert (float(first.weight.detach()), float(second.weight.detach())) == (0.5, 0.75)


def test_what_the_method_learned_is_that_of_the_best_epoch_and_what_it_remembers_of_the_last():
    network = Bright(0.5)
    method, looked = Learning(network), validation(held_out())
    looked.look(method)
    with torch.no_grad():
        network.weight.fill_(-2.0)
        method.matrix.fill_(5.0)
        method.remembered.fill_(5.0)
    looked.look(method)
    again = validation(held_out())
    again.load_tensors(looked.tensors())
    again.restore_best(method)
    assert torch.equal(method.matrix, torch.ones(2, 2))
    assert float(method.remembered) == 5.0
    assert float(network.weight.detach()) == 0.5


def test_forgotten_the_next_epoch_is_the_best():
    network = Bright()
    looked = looked_at([0.5], network)
    looked.forget()
    assert looked.tensors().keys() == {"loss"}
    assert looked.learned == {}
    with torch.no_grad():
        network.weight.fill_(-1.0)
    looked.look(Learning(network))
    with torch.no_grad():
        network.weight.fill_(0.0)
    looked.restore_best(Learning(network))
    assert float(network.weight.detach()) == -1.0


def test_before_the_first_epoch_there_is_nothing_to_save_but_a_loss_without_bound():
    again = validation(held_out())
    again.load_tensors(validation(held_out()).tensors())
    assert again.loss == float("inf")
    assert again.weights == []
