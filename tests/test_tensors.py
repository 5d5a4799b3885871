import pytest
import torch

from labelmend.errors import RunError
from labelmend.tensors import load_tensors, pack, save_tensors, unpack


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
