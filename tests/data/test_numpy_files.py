from __future__ import annotations

import io
import os
import zipfile

import numpy as np
import pytest

from labelmend.data import zip_files
from labelmend.data.numpy_files import read_npy, read_npz
from labelmend.errors import DataError

MIB = 2**20


def header(descr, shape, version=(1, 0), data=b"\x00" * 8):
    """An ``.npy`` file whose header claims anything."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    length = len(text).to_bytes(2 if version == (1, 0) else 4, "little")
    return b"\x93NUMPY" + bytes(version) + length + text + data


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">i2").reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(["cat", "dog"]),
        np.array([b"cat"]),
        np.array([True, False]),
        np.zeros((0, 4)),
        np.float32(2.5).reshape(()),
    ],
)
def test_arrays_of_numbers_and_strings_are_read(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", images=array)
    for read in (read_npy(tmp_path / "a.npy"), read_npz(tmp_path / "a.npz")["images"]):
        np.testing.assert_array_equal(read, array)
        assert read.dtype == array.dtype


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header("|O", (1,)), "only arrays of numbers or strings"),
        (header([("a", "<i8")], (1,)), "only arrays of numbers or strings"),
        (header([("a", "|O"), ("b", "<i8")], (1,)), "only arrays of numbers or strings"),
        (header("<M8[s]", (1,)), "only arrays of numbers or strings"),
        (header("<c8", (1,)), "only arrays of numbers or strings"),
        (header("|V8", (1,)), "only arrays of numbers or strings"),
        (header("<i8", (10**12,)), "the file is shorter"),
        (header("<i8", (2**62, 2**62)), "the file is shorter"),
        (header("<U0", (10**12,)), "the file is shorter"),
        (header("<i8", (-1,)), "the file is shorter"),
        (header("<i8", (1,), version=(3, 0)), "version"),
        (header("<i8", (1,), version=(9, 9)), "version"),
        (header("nonsense", (1,)), "not readable as"),
        (header("<i8", "x"), "not readable as"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 60_000, "not readable as"),
        (b"\x93NUMPY", "not readable as"),
        (b"\x80\x04\x95", "not readable as"),
        (b"", "not readable as"),
    ],
)
def test_what_a_header_claims_is_checked_before_memory_is_taken(tmp_path, content, message):
    (tmp_path / "a.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", content)
    for read, path in ((read_npy, tmp_path / "a.npy"), (read_npz, tmp_path / "a.npz")):
        with pytest.raises(DataError, match=message) as error:
            read(path)
        assert str(path) in str(error.value)


def test_zip_bombs_are_refused_unopened(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("images.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(300):
            member.write(bytes(MIB))
    with pytest.raises(DataError, match=r"unpack to 300\.0 MiB; it is refused as a zip bomb"):
        read_npz(tmp_path / "bomb.npz")


def test_blank_images_are_no_bomb(tmp_path):
    np.savez_compressed(tmp_path / "blank.npz", images=np.zeros((1000, 100, 100), np.uint8))
    assert read_npz(tmp_path / "blank.npz")["images"].shape == (1000, 100, 100)


def test_an_archive_larger_than_memory_is_refused(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", images=np.zeros(1000))
    monkeypatch.setattr(zip_files, "fits_in_memory", lambda size: size < 8000)
    with pytest.raises(DataError, match=r"unpacks to 7\.9 KiB, more than this machine's memory"):
        read_npz(tmp_path / "a.npz")


def test_damaged_archives_are_named(tmp_path):
    stream = io.BytesIO()
    np.savez_compressed(stream, images=np.random.default_rng(0).integers(0, 255, 10_000))
    whole = stream.getvalue()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    for content in (whole[: len(whole) // 2], bytes(flipped), b"PK\x03\x04", b""):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"a\.npz"):
            read_npz(tmp_path / "a.npz")


def test_other_members_are_left_alone(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.arange(3))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("README.txt", "hello")
    assert list(read_npz(tmp_path / "a.npz")) == ["images"]


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(DataError, match="no such file"):
        read_npz(tmp_path / "a.npz")
    with pytest.raises(DataError, match="no such file"):
        read_npy(tmp_path / "a.npy")
