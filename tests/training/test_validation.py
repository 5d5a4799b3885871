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
        self.norm = nn.BatchNorm1d(1)

    def validation_loss(self, logits, labels):
        return functional.cross_entropy(logits, labels, reduction="none")


class Counting(Learning):
    """One that is scored as methods are by default."""

    def validation_loss(self, logits, labels):
        return Method.validation_loss(self, logits, labels)


def test_by_default_the_loss_is_the_share_of_given_labels_that_are_not_predicted():
    # Pixels are -1, -0.5, 0.5 and 1: the second is called dark, and was given as bright.
    assert validation(held_out()).look(Counting(Bright(2.0)), True) == {"validation_loss": 0.25}
    assert validation(held_out()).look(Counting(Bright(-2.0)), True) == {"validation_loss": 0.75}


def test_the_loss_is_the_mean_that_the_method_says():
    network = Bright(2.0)
    found = validation(held_out()).look(Learning(network), True)
    pixels = torch.tensor([-1.0, -0.5, 0.5, 1.0])[:, None]
    expected = functional.cross_entropy(2 * torch.cat([-pixels, pixels], 1), torch.tensor([0, 1, 1, 1]))
    assert found == {"validation_loss": pytest.approx(float(expected), rel=1e-5)}


def test_without_held_out_images_nothing_is_looked_at():
    network = Bright()
    looked = validation()
    assert looked.look(Learning(network), True) == {}
    assert not looked.restore_best(Learning(network))
    assert float(network.weight.detach()) == 1.0


def looked_at(weights, *networks):
    """A look after each change of the first network's weight."""
    looked = validation(held_out())
    for weight in weights:
        with torch.no_grad():
            networks[0].weight.fill_(weight)
        looked.look(Learning(*networks), True)
    return looked


def test_the_best_epoch_is_put_back():
    network = Bright()
    looked = looked_at([-1.0, 0.5, -0.2, -3.0], network)
    assert looked.restore_best(Learning(network))
    assert float(network.weight.detach()) == 0.5


def test_of_equal_epochs_the_last_stands():
    looked, network = validation(held_out()), Bright()
    for weight in (0.5, 2.0, -1.0):
        with torch.no_grad():
            network.weight.fill_(weight)
        looked.look(Counting(network), True)
    looked.restore_best(Counting(network))
    assert float(network.weight.detach()) == 2.0


def test_an_epoch_that_may_not_be_the_best_is_scored_and_not_kept():
    looked, network = validation(held_out()), Bright()
    assert looked.look(Counting(network), False) == {"validation_loss": 0.25}
    assert looked.loss == float("inf")
    assert not looked.restore_best(Counting(network))


def test_a_better_epoch_is_not_replaced():
    network = Bright()
    looked = looked_at([0.5], network)
    best = looked.loss
    looked.loss = best / 2
    assert looked.look(Learning(network), True)["validation_loss"] == best
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
    looked.look(method, True)
    with torch.no_grad():
        network.weight.fill_(-2.0)
        method.matrix.fill_(5.0)
        method.remembered.fill_(5.0)
        method.norm.running_mean.fill_(5.0)
    looked.look(method, True)
    again = validation(held_out())
    again.load_tensors(looked.tensors())
    again.restore_best(method)
    assert torch.equal(method.matrix, torch.ones(2, 2))
    assert float(method.remembered) == 5.0
    assert float(method.norm.running_mean) == 0.0
    assert float(network.weight.detach()) == 0.5


def test_forgotten_the_next_epoch_is_the_best():
    network = Bright()
    looked = looked_at([0.5], network)
    looked.forget()
    assert looked.tensors().keys() == {"loss"}
    assert looked.learned == {}
    with torch.no_grad():
        network.weight.fill_(-1.0)
    looked.look(Learning(network), True)
    with torch.no_grad():
        network.weight.fill_(0.0)
    looked.restore_best(Learning(network))
    assert float(network.weight.detach()) == -1.0


def test_before_the_first_epoch_there_is_nothing_to_save_but_a_loss_without_bound():
    again = validation(held_out())
    again.load_tensors(validation(held_out()).tensors())
    assert again.loss == float("inf")
    assert again.weights == []


def test_no_graph_is_kept_of_a_loss_with_parameters():
    class Weighted(Counting):
        def __init__(self, network):
            super().__init__(network)
            self.weight = nn.Parameter(torch.tensor(1.0))

        def validation_loss(self, logits, labels):
            loss = super().validation_loss(logits, labels) * self.weight
            assert not loss.requires_grad
            return loss

    validation(held_out()).look(Weighted(Bright(2.0)), True)
