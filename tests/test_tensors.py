import pytest
import torch
from safetensors.torch import save_file

from labelmend.errors import RunError, WriteError
from labelmend.tensors import all_finite, load_tensors, pack, save_tensors, unpack


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


def test_the_same_tensors_give_the_same_bytes(tmp_path):
    tensors = {name: torch.arange(3) for name in "abcdef"}
    for number in range(8):
        save_tensors(tmp_path / str(number), tensors, {"epoch": 3, "rows": []})
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_any_flipped_bit_is_seen_or_changes_nothing(tmp_path):
    path = tmp_path / "state.safetensors"
    tensors = {
        "a": torch.arange(3),
        "b": torch.tensor(True),
        "c": torch.zeros(0),
        "d": torch.ones(2).bfloat16(),
    }
    save_tensors(path, tensors, {"epoch": 3})
    whole, seen = path.read_bytes(), 0
    for place in range(0, 8 * len(whole), 7):
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        path.write_bytes(data)
        try:
            loaded, info = load_tensors(path)
        except RunError:
            seen += 1
        else:
            assert info == {"epoch": 3}
            assert all(torch.equal(loaded[k], v) for k, v in tensors.items())
    assert seen > 0.9 * 8 * len(whole) / 7


def test_a_file_from_before_there_were_checksums_loads(tmp_path):
    path = tmp_path / "old.safetensors"
    save_file({"a": torch.ones(2)}, path, metadata={"info": '{"epoch": 3}'})
    assert load_tensors(path)[1] == {"epoch": 3}


def test_what_the_system_refuses_is_a_write_error(tmp_path):
    with pytest.raises(WriteError, match="cannot be written"):
        save_tensors(tmp_path / "none" / "state.safetensors", {"a": torch.ones(2)}, {})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_finite(value):
    assert all_finite({"a": torch.ones(2), "b": torch.arange(2)})
    assert not all_finite({"a": torch.ones(2), "b": torch.tensor([0.0, value])})


def test_prefixes():
    packed = pack({"a": torch.ones(1)}, "network0")
    assert list(packed) == ["network0.a"]
    assert list(unpack({**packed, "network01.a": torch.ones(1)}, "network0")) == ["a"]
