import time

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
    assert probing.images_per_second(net, (1, 8, 8), ARITHMETIC) > 0
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("seconds", "steps"), [(0.2, 3), (0.3, 2), (9.0, 1)])
def test_no_step_begins_after_the_time_is_up(monkeypatch, seconds, steps):
    """The best of the steps counts; one that takes long is the only one."""
    clock, taken = [0.0], []

    def step(_network, images, _arithmetic):
        taken.append(len(images))
        clock[0] += seconds
        return seconds / len(taken)

    monkeypatch.setattr(probing, "_step_seconds", step)
    monkeypatch.setattr(probing.time, "perf_counter", lambda: clock[0])
    found = probing.images_per_second(network(), (1, 8, 8), ARITHMETIC)
    assert taken == [probing.BATCH] * steps
    assert found == pytest.approx(probing.BATCH * steps / seconds)


def test_photographs_on_one_core_take_seconds_not_a_minute():
    began = time.process_time()
    probing.images_per_second(network("resnet18", 224), (1, 224, 224), ARITHMETIC)
    assert time.process_time() - began < 5
