import time
from types import SimpleNamespace

import pytest
import torch

from labelmend.models.registry import NetworkDescription, build_network
from labelmend.training import probe as probing
from labelmend.training.arithmetic import Arithmetic


def network(name="fastnet", side=8):
    options = {"widths": [8], "depth": 1} if name == "fastnet" else {}
    return build_network(NetworkDescription(name, side, 1, 2, 2, options), torch.Generator().manual_seed(0))


ARITHMETIC = Arithmetic(torch.device("cpu"), "float32", "channels_last")


def test_it_leaves_the_network_and_the_global_generator_alone():
    net, state = network(), torch.get_rng_state()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    assert probing.images_per_second(net, (1, 8, 8), ARITHMETIC, 16) > 0
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_dropout_in_the_network_draws_from_no_generator_of_others():
    net, state = network(), torch.get_rng_state()
    net.extractor = torch.nn.Sequential(net.extractor, torch.nn.Dropout())
    probing.images_per_second(net, (1, 8, 8), ARITHMETIC, 16)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.fixture
def timed(monkeypatch):
    """Sizes of the steps that are timed, each of which takes what ``timed.seconds`` says of its images."""
    clock, found = [0.0], SimpleNamespace(sizes=[])

    def step(_network, images, _arithmetic):
        found.sizes.append(len(images))
        taken = found.seconds(len(images), len(found.sizes))
        clock[0] += taken
        return taken

    monkeypatch.setattr(probing, "_step_seconds", step)
    monkeypatch.setattr(probing.time, "perf_counter", lambda: clock[0])
    return found


@pytest.mark.parametrize(("seconds", "steps"), [(0.2, 3), (0.3, 2), (9.0, 1)])
def test_no_step_begins_after_the_time_is_up(timed, seconds, steps):
    """The best of the steps counts; one that takes long is the only one."""
    timed.seconds = lambda images, step: seconds - 0.001 * (step == 2)
    found = probing.images_per_second(network(), (1, 8, 8), ARITHMETIC, 125)
    assert timed.sizes == [8] * steps
    assert found == pytest.approx(8 / (seconds - 0.001 * (steps > 1)))


def test_quick_steps_grow_to_those_of_training(timed):
    """Here 1 ms a step and 0.1 ms an image: 8 images take 1.8 ms, and 125 of them 13.5 ms."""
    timed.seconds = lambda images, step: 0.001 + 0.0001 * images
    found = probing.images_per_second(network(), (1, 8, 8), ARITHMETIC, 125)
    assert timed.sizes[:5] == [8, 16, 32, 64, 125]
    assert set(timed.sizes[5:]) == {125}
    assert found == pytest.approx(125 / 0.0135)


def test_steps_grow_no_more_once_they_are_not_quick(timed):
    """2 ms an image: steps of 16 take 32 ms, those of 32 take 64 ms, longer than ``QUICK``."""
    timed.seconds = lambda images, step: 0.002 * images
    assert probing.images_per_second(network(), (1, 8, 8), ARITHMETIC, 250) == pytest.approx(500)
    assert timed.sizes == [8, 16, *[32] * 8]


def test_no_step_has_more_images_than_those_of_training(timed):
    timed.seconds = lambda images, step: 0.3
    assert probing.images_per_second(network(), (1, 8, 8), ARITHMETIC, 5) == pytest.approx(5 / 0.3)
    assert timed.sizes == [5, 5]


def test_photographs_on_one_core_take_seconds_not_a_minute():
    began = time.process_time()
    probing.images_per_second(network("resnet18", 224), (1, 224, 224), ARITHMETIC, 32)
    assert time.process_time() - began < 5
