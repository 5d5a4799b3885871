from __future__ import annotations

import collections
import io
import os
import pickle
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from labelmend.data.restricted_pickle import load_pickled_arrays
from labelmend.errors import DataError

REAL = [
    Path(__file__).parents[2] / "../shared/data/cifar10n",
    Path(os.environ.get("LABELMEND_DATA", "/-")) / "cifar10n",
]


class Reduces:
    """Pickles as a call of ``function(*arguments)``."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def write_zip(path, data, **members):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        for name, content in members.items():
            archive.writestr(f"archive/{name}", content)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_plain_pickle_of_arrays_and_containers(tmp_path, protocol):
    value = {
        "labels": np.arange(6).reshape(2, 3),
        "names": ["a", "b"],
        "nested": {"pair": (1, 2.5, None, True)},
        "scalar": np.float32(0.5),
        "none": np.zeros(0),
        "ordered": collections.OrderedDict(a=1),
    }
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(value, protocol=protocol))
    read = load_pickled_arrays(tmp_path / "x.pkl")
    np.testing.assert_array_equal(read["labels"], [[0, 1, 2], [3, 4, 5]])
    assert read["names"] == ["a", "b"]
    assert read["nested"] == {"pair": (1, 2.5, None, True)}
    assert read["scalar"] == np.float32(0.5)
    assert read["none"].shape == (0,)
    assert read["ordered"] == {"a": 1}


def test_python_2_pickle_of_byte_strings(tmp_path):
    # (dp0 S'data' S'\xff' s. : protocol 0 as Python 2 writes a str key and value
    (tmp_path / "batch").write_bytes(b"(dp0\nS'data'\nS'\\xff'\ns.")
    assert load_pickled_arrays(tmp_path / "batch") == {"data": "\xff"}


def test_torch_archive_of_arrays_and_of_tensors(tmp_path):
    torch.save({"clean_label": np.arange(5)}, tmp_path / "arrays.pt")
    np.testing.assert_array_equal(load_pickled_arrays(tmp_path / "arrays.pt")["clean_label"], np.arange(5))
    tensor = torch.arange(12).reshape(3, 4)
    torch.save({"t": tensor.t(), "part": tensor[1:, 2], "f": torch.tensor(3.5)}, tmp_path / "tensors.pt")
    read = load_pickled_arrays(tmp_path / "tensors.pt")
    np.testing.assert_array_equal(read["t"], tensor.t().numpy())
    np.testing.assert_array_equal(read["part"], [6, 10])
    assert read["f"] == np.float32(3.5)


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (os.system, ("touch {}",), "posix.system"),
        (eval, ("open({!r}, 'w')",), "builtins.eval"),
        (subprocess.call, (["touch", "{}"],), "subprocess.call"),
        (getattr, (os, "system"), "builtins.getattr"),
        (np.load, ("{}",), "numpy.load"),
        (np.fromfile, ("{}",), "numpy.fromfile"),
        (torch.load, ("{}",), "torch.serialization.load"),
        (io.open, ("{}", "w"), "io.open"),
    ],
)
@pytest.mark.parametrize("in_zip", [False, True])
@pytest.mark.parametrize("protocol", [2, 4])
def test_every_other_global_is_refused_and_named(tmp_path, function, arguments, named, in_zip, protocol):
    victim = str(tmp_path / "victim")
    filled = [a.format(victim) if isinstance(a, str) else a for a in arguments]
    filled = [[b.format(victim) for b in a] if isinstance(a, list) else a for a in filled]
    if function is getattr:
        filled = [1, "real"]
    data = pickle.dumps({"a": np.arange(3), "b": Reduces(function, *filled)}, protocol=protocol)
    path = tmp_path / "bad.pt"
    if in_zip:
        write_zip(path, data)
    else:
        path.write_bytes(data)
    with pytest.raises(DataError, match=r"asks for [\w.]+") as error:
        load_pickled_arrays(path)
    assert named.split(".")[-1] in str(error.value)
    assert str(path) in str(error.value)
    assert not Path(victim).exists()


def test_attributes_of_an_allowed_function_cannot_be_changed_for_later_loads(tmp_path):
    # GLOBAL _codecs encode, then BUILD with a slot state that would change its defaults.
    evil = b"\x80\x02c_codecs\nencode\nN}U\x0c__defaults__(U\x03rotts\x86b."
    (tmp_path / "evil").write_bytes(evil)
    with pytest.raises(DataError):
        load_pickled_arrays(tmp_path / "evil")
    torch.save({"a": np.arange(3)}, tmp_path / "good.pt")
    np.testing.assert_array_equal(load_pickled_arrays(tmp_path / "good.pt")["a"], [0, 1, 2])


def test_tensors_that_reach_beyond_their_storage_are_refused(tmp_path):
    torch.save({"t": torch.arange(4)}, tmp_path / "t.pt")
    with zipfile.ZipFile(tmp_path / "t.pt") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    key = next(name for name in members if name.endswith("data.pkl"))
    # The size (4,) becomes (100,): BININT1 4 TUPLE1 -> BININT1 100 TUPLE1.
    assert b"K\x04\x85" in members[key]
    members[key] = members[key].replace(b"K\x04\x85", b"K\x64\x85")
    with zipfile.ZipFile(tmp_path / "evil.pt", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match="beyond its storage"):
        load_pickled_arrays(tmp_path / "evil.pt")


def test_object_arrays_functions_and_other_values_are_refused(tmp_path):
    for name, value, message in [
        ("objects", {"a": np.array([1, "x"], dtype=object)}, "Python objects"),
        ("list", [1, 2], "expected a dictionary"),
        ("class", {"a": np.ndarray}, "holds a name that is no array"),
    ]:
        (tmp_path / name).write_bytes(pickle.dumps(value))
        with pytest.raises(DataError, match=message):
            load_pickled_arrays(tmp_path / name)


def test_missing_damaged_and_foreign_files(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load_pickled_arrays(tmp_path / "none.pt")
    data = pickle.dumps({"a": np.arange(100)})
    (tmp_path / "cut").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_bytes(b"hello world")
    for name in ("cut", "empty", "text"):
        with pytest.raises(DataError, match="not a readable pickle"):
            load_pickled_arrays(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(DataError, match=r"data\.pkl"):
        load_pickled_arrays(tmp_path / "photos.zip")


def test_published_human_labels():
    folder = next((place for place in REAL if place.is_dir()), None)
    if folder is None:
        pytest.skip("CIFAR-N label files are not there (../shared/data or $LABELMEND_DATA)")
    labels = load_pickled_arrays(folder / "CIFAR-10_human.pt")
    assert labels["worse_label"].shape == (50_000,)
    assert (labels["worse_label"] != labels["clean_label"]).mean() == pytest.approx(0.40208)
    fine = load_pickled_arrays(folder / "CIFAR-100_human.pt")
    assert (fine["noisy_label"] != fine["clean_label"]).mean() == pytest.approx(0.402)
    assert len(fine["noisy_coarse_label"]) == 50_000


class Dtype:
    """Pickles as a NumPy dtype of this code and state."""

    def __init__(self, code, state):
        self.parts = code, state

    def __reduce__(self):
        code, state = self.parts
        return np.dtype, (code, False, True), state


class Array:
    """Pickles as an array of this dtype, shape and bytes."""

    def __init__(self, dtype, shape, data):
        self.parts = dtype, shape, data

    def __reduce__(self):
        dtype, shape, data = self.parts
        return np.empty(0).__reduce__()[0], (np.ndarray, (0,), b"b"), (1, shape, dtype, False, data)


NUMBER = (3, "<", None, None, None, -1, -1, 0)
HIDDEN = (3, "|", None, ("f0",), {"f0": (Dtype("i8", NUMBER), 0)}, 8, 1, 27)


def test_an_array_is_built_from_its_dtype_shape_and_bytes(tmp_path):
    value = Array(Dtype("i2", (3, ">", None, None, None, -1, -1, 0)), (2, 1), b"\x01\x02\x00\x03")
    (tmp_path / "a").write_bytes(pickle.dumps({"a": value}))
    read = load_pickled_arrays(tmp_path / "a")["a"]
    np.testing.assert_array_equal(read, [[0x0102], [3]])
    fortran = np.asfortranarray(np.arange(6).reshape(2, 3))
    (tmp_path / "f").write_bytes(pickle.dumps({"a": fortran}))
    np.testing.assert_array_equal(load_pickled_arrays(tmp_path / "f")["a"], fortran)


@pytest.mark.parametrize("pickled", [pickle.dumps, lambda value: pickle.dumps(value, 2)])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        # Each of these has the C code of NumPy read or free memory that the file chooses.
        (Array(Dtype("V8", HIDDEN), (1,), b"\x00" * 8), "only arrays of numbers"),
        (Array(Dtype("i8", HIDDEN), (1,), b"\x00" * 8), "fields or sub-arrays"),
        (Array(Dtype("i8", (3, "|", None, None, None, 8, 1, 63)), (1,), b"\x00" * 8), "fields or sub-arrays"),
        (
            Array(Dtype("i8", (3, "<", (Dtype("O8", NUMBER), (1,)), None, None, 8, 1, 0)), (1,), b"\x00" * 8),
            "Python objects",
        ),
        (
            Array(Dtype("i8", (3, "<", (Dtype("i8", NUMBER), (1,)), None, None, 8, 1, 0)), (1,), b"\x00" * 8),
            "fields or sub-arrays",
        ),
        (Array(Dtype("O8", NUMBER), (1,), [1]), "Python objects"),
        (Array(Dtype("i8", NUMBER), (1,), [1]), "Python objects"),
        (Array(Dtype("M8", NUMBER), (1,), b"\x00" * 8), "only arrays of numbers"),
        (Array(Dtype("S8", NUMBER), (1,), b"\x00" * 8), "only arrays of numbers"),
        (Array(Dtype("c16", NUMBER), (1,), b"\x00" * 16), "only arrays of numbers"),
        (Array(Dtype("i8", (3, "x", None, None, None, -1, -1, 0)), (1,), b"\x00" * 8), "no byte order"),
        (Array(Dtype("i8", NUMBER), (2,), b"\x00" * 8), "has 8 bytes"),
        (Array(Dtype("i8", NUMBER), (-1,), b"\x00" * 8), "negative"),
        (Array(Dtype("i8", NUMBER), (2**62, 4), b""), "has 0 bytes"),
        (Array(Dtype("i8", NUMBER), (1,) * 40, b"\x00" * 8), "has 8 bytes"),
    ],
)
def test_what_would_corrupt_memory_is_refused_before_an_array_is_built(tmp_path, value, message, pickled):
    (tmp_path / "evil").write_bytes(pickled({"a": value}))
    with pytest.raises(DataError, match=message):
        load_pickled_arrays(tmp_path / "evil")


def nested(levels, width=1):
    value = 0
    for _ in range(levels):
        value = [value] * width
    return value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps({"a": nested(19)}), None),
        (pickle.dumps({"a": nested(20)}), "nested more than 20 deep"),
        (b"\x80\x02}U\x01a" + b"]" * 100_000 + b"a" * 99_999 + b"s.", "nested more than 20 deep"),
        (pickle.dumps({"a": nested(12, 9)}), "hold each other over and over"),
        (b"\x80\x02}q\x00U\x01ah\x00s.", "hold each other over and over"),
        (pickle.dumps({"a": 2**64 - 1, "b": -(2**63)}), None),
        (pickle.dumps({"a": 2**64}), "more than 64 bits"),
        (pickle.dumps({"a": 10**4000}), "more than 64 bits"),
        (b"(dS'a'\nI" + b"9" * 10_000 + b"\ns.", "not a readable pickle"),
        (b"\x80\x04}\x8d" + b"\xff" * 7 + b"\x7fa.", "not a readable pickle"),
        (pickle.dumps({1: 2}), "a key that is no string"),
        (b"\x80\x02}a.", "no list to fill"),
        (b"\x80\x02s.", "lacks its arguments"),
        (b"\x80\x02(.", "lacks its arguments"),
        (b"\x80\x02}(U\x01au.", "a key that is no string"),
        (b"\x80\x02h\x07.", "a value 7 that is not there"),
        (b"\x80\x02}U\x01a\x82\x01s.", "EXT1 builds no array"),
        (b"\x80\x02}\xff.", "there is no instruction"),
        (b"\x80\x02}", "ends in the middle"),
    ],
)
def test_what_grows_or_is_malformed_is_bounded(tmp_path, data, message):
    (tmp_path / "file").write_bytes(data)
    if message is None:
        load_pickled_arrays(tmp_path / "file")
        return
    with pytest.raises(DataError, match=message):
        load_pickled_arrays(tmp_path / "file")


def test_the_same_bytes_do_not_become_array_after_array(tmp_path):
    data = bytes(100_000)
    few = {str(i): Array(Dtype("u1", NUMBER), (100_000,), data) for i in range(4)}
    (tmp_path / "few").write_bytes(pickle.dumps(few))
    assert all(array.sum() == 0 for array in load_pickled_arrays(tmp_path / "few").values())
    many = {str(i): Array(Dtype("u1", NUMBER), (100_000,), data) for i in range(5)}
    (tmp_path / "many").write_bytes(pickle.dumps(many))
    with pytest.raises(DataError, match="array after array"):
        load_pickled_arrays(tmp_path / "many")
    torch.save({"t": torch.zeros(1).expand(10**9)}, tmp_path / "expanded.pt")
    with pytest.raises(DataError, match="array after array"):
        load_pickled_arrays(tmp_path / "expanded.pt")


def test_a_state_dict_of_torch_names_what_it_is_not(tmp_path):
    torch.save({"w": torch.nn.Linear(2, 2)}, tmp_path / "net.pt")
    with pytest.raises(DataError, match="Linear"):
        load_pickled_arrays(tmp_path / "net.pt")
