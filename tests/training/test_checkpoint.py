import pytest
import torch

from labelmend.errors import RunError
from labelmend.training.checkpoint import (
    load_optimizer_tensors,
    load_tensors,
    optimizer_tensors,
    pack,
    save_tensors,
    unpack,
)


def test_round_trip_and_no_temporary_file(tmp_path):
    path = tmp_path / "state.safetensors"
    tensors = {"a": torch.arange(3), "b.c": torch.rand(2, 2).T}
    save_tensors(path, tensors, {"epoch": 3})
    loaded, info = load_tensors(path)
    assert info == {"epoch": 3}
    assert all(torch.equal(loaded[k], v) for k, v in tensors.items())
    assert [p.name for p in tmp_path.iterdir()] == ["state.safetensors"]


def test_missing_and_damaged_files_are_named(tmp_path):
    path = tmp_path / "state.safetensors"
    with pytest.raises(RunError, match=r"state\.safetensors does not exist"):
        load_tensors(path)
    path.write_bytes(b"not a checkpoint, whatever it is")
    with pytest.raises(RunError, match=r"state\.safetensors is damaged"):
        load_tensors(path)


def test_prefixes():
    packed = pack({"a": torch.ones(1)}, "network0")
    assert list(packed) == ["network0.a"]
    assert list(unpack({**packed, "network01.a": torch.ones(1)}, "network0")) == ["a"]


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_an_optimiser_goes_on_as_if_never_stopped(kind):
    def make(value):
        weight = torch.nn.Parameter(value.clone())
        if kind == "sgd":
            return weight, torch.optim.SGD([weight], 0.1, momentum=0.9, nesterov=True)
        return weight, torch.optim.Adam([weight], 0.1)

    def step(weight, optimizer, t):
        weight.grad = torch.tensor([1.0, -2.0]) * t
        optimizer.step()

    weight, optimizer = make(torch.zeros(2))
    for t in range(3):
        step(weight, optimizer, t)
    resumed, resumed_optimizer = make(weight.detach())
    load_optimizer_tensors(resumed_optimizer, optimizer_tensors(optimizer))
    for t in range(3, 6):
        step(weight, optimizer, t)
        step(resumed, resumed_optimizer, t)
    assert torch.equal(weight, resumed)
