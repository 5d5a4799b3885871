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
        "ordered": collections.OrderedDict(a=1),
    }
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(value, protocol=protocol))
    read = load_pickled_arrays(tmp_path / "x.pkl")
    np.testing.assert_array_equal(read["labels"], [[0, 1, 2], [3, 4, 5]])
    assert read["names"] == ["a", "b"]
    assert read["nested"] == {"pair": (1, 2.5, None, True)}
    assert read["scalar"] == np.float32(0.5)
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
        ("class", {"a": np.ndarray}, "holds a type"),
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
