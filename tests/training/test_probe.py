import pytest
import torch

from labelmend.models.registry import NetworkDescription, build_network
from labelmend.training import probe as probing


def network():
    return build_network(
        NetworkDescription("fastnet", 8, 1, 2, 2, {"widths": [8], "depth": 1}),
        torch.Generator().manual_seed(0),
    )


def choose(monkeypatch, seconds, native=False, **fixed):
    timed = []
    monkeypatch.setattr(probing, "has_bfloat16", lambda _device: native)

    def step(_network, _shape, batch, arithmetic):
        timed.append((arithmetic.precision, arithmetic.memory_format, batch))
        return seconds[arithmetic.precision, arithmetic.memory_format] * batch

    monkeypatch.setattr(probing, "_step_seconds", step)
    chosen, speeds = probing.probe(network(), (1, 8, 8), torch.device("cpu"), **fixed)
    return (chosen.precision, chosen.memory_format), speeds, timed


def test_the_far_fastest_is_chosen(monkeypatch):
    seconds = {
        ("float32", "channels_last"): 2.0,
        ("float32", "contiguous"): 4.0,
        ("bfloat16", "channels_last"): 0.9,
    }
    chosen, speeds, _ = choose(monkeypatch, seconds)
    assert chosen == ("bfloat16", "channels_last")
    assert speeds["float32 channels_last"] == 0.5


@pytest.mark.parametrize("ratio", [0.6, 1.0, 1.3, 1.9])
@pytest.mark.parametrize(("native", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_a_close_race_goes_to_what_the_processor_is_built_for(monkeypatch, ratio, native, expected):
    seconds = {
        ("float32", "channels_last"): 1.0,
        ("float32", "contiguous"): 0.9,
        ("bfloat16", "channels_last"): 1 / ratio,
    }
    assert choose(monkeypatch, seconds, native)[0] == (expected, "channels_last")


def test_a_processor_that_fails_its_promise(monkeypatch):
    seconds = {
        ("float32", "channels_last"): 1.0,
        ("float32", "contiguous"): 1.0,
        ("bfloat16", "channels_last"): 2.5,
    }
    assert choose(monkeypatch, seconds, native=True)[0] == ("float32", "channels_last")


def test_a_hopeless_candidate_never_sees_a_real_batch(monkeypatch):
    seconds = {
        ("float32", "channels_last"): 1.0,
        ("float32", "contiguous"): 1.2,
        ("bfloat16", "channels_last"): 15.0,
    }
    chosen, speeds, timed = choose(monkeypatch, seconds)
    assert chosen == ("float32", "channels_last")
    assert "bfloat16 channels_last" not in speeds
    assert max(batch for p, _, batch in timed if p == "bfloat16") == probing.FIRST_IMAGES


def test_fixed_values_are_not_timed(monkeypatch):
    chosen, speeds, timed = choose(monkeypatch, {}, precision="float32", memory_format="contiguous")
    assert chosen == ("float32", "contiguous")
    assert speeds == {}
    assert timed == []


def test_a_real_probe_leaves_the_network_alone():
    net = network()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    arithmetic, speeds = probing.probe(net, (1, 8, 8), torch.device("cpu"))
    assert arithmetic.precision in ("float32", "bfloat16")
    assert speeds
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
