from __future__ import annotations

import hashlib

import numpy as np
import pytest

from labelmend.data.feature_files import FeatureFile, FeatureFolder
from labelmend.errors import WriteError

DIM = 3


def key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def row(number: int) -> np.ndarray:
    return np.arange(DIM, dtype=np.float32) + number


def fill(path, numbers) -> FeatureFile:
    file = FeatureFile(path, DIM)
    file.append([key(n) for n in numbers], np.stack([row(n) for n in numbers]))
    return file


def content(file: FeatureFile) -> dict[int, list[float]]:
    rows = file.mapped()
    return {n: rows[file.rows[key(n)]].tolist() for n in range(20) if key(n) in file}


@pytest.fixture
def path(tmp_path):
    """A file of five rows, written in two parts."""
    fill(tmp_path / "plain.f32", [0, 1, 2])
    fill(tmp_path / "plain.f32", [3, 4])
    return tmp_path / "plain.f32"


def test_rows_are_found_again(path):
    file = FeatureFile(path, DIM)
    assert content(file) == {n: row(n).tolist() for n in range(5)}
    assert (file.count, file.mapped().shape) == (5, (5, DIM))


def test_a_file_that_is_not_there_is_empty(tmp_path):
    file = FeatureFile(tmp_path / "plain.f32", DIM)
    assert (key(0) in file, file.mapped().shape) == (False, (0, DIM))


def test_rows_of_another_size_are_refused(path):
    file = FeatureFile(path, DIM)
    with pytest.raises(ValueError, match="reshape"):
        file.append([key(9)], np.zeros((1, DIM + 1), dtype=np.float32))


def test_what_another_process_appends_is_seen(path):
    reader = FeatureFile(path, DIM)
    fill(path, [5])
    assert key(5) not in reader
    reader.read_new()
    assert content(reader)[5] == row(5).tolist()


@pytest.mark.parametrize("suffix", [".f32", ".keys"])
@pytest.mark.parametrize("lost", [1, 4, 12, 13, 40])
def test_a_cut_file_keeps_its_whole_rows(path, suffix, lost):
    torn = path.with_suffix(suffix)
    size = torn.stat().st_size
    with torn.open("r+b") as file:
        file.truncate(size - lost)
    kept = (size - lost) // (size // 5)
    assert content(FeatureFile(path, DIM)) == {n: row(n).tolist() for n in range(kept)}


@pytest.mark.parametrize("suffix", [".f32", ".keys"])
@pytest.mark.parametrize("extra", [b"x", b"\0" * 36, b"x" * 100])
def test_a_torn_tail_is_cut_before_more_is_written(path, suffix, extra):
    with path.with_suffix(suffix).open("ab") as file:
        file.write(extra)
    file = FeatureFile(path, DIM)
    file.cut_torn_tail()
    file.append([key(7)], row(7)[None])
    assert content(FeatureFile(path, DIM)) == {n: row(n).tolist() for n in (0, 1, 2, 3, 4, 7)}


@pytest.mark.parametrize("suffix", [".f32", ".keys"])
def test_tails_of_both_files_that_never_reached_the_disk(path, suffix):
    """After a power cut a file can be long enough, and hold zeros."""
    for each, size in ((path, 4 * DIM), (path.with_suffix(".keys"), 36)):
        with each.open("ab") as file:
            file.write(b"\0" * size)
    assert sorted(content(FeatureFile(path, DIM))) == [0, 1, 2, 3, 4]
    assert len(FeatureFile(path, DIM).rows) == 5


@pytest.mark.parametrize(("suffix", "size"), [(".f32", 4 * DIM), (".keys", 36)])
def test_a_damaged_row_is_absent_and_can_be_written_again(path, suffix, size):
    with path.with_suffix(suffix).open("r+b") as file:
        file.seek(2 * size + 1)
        file.write(b"\x7f")
    file = FeatureFile(path, DIM)
    assert sorted(content(file)) == [0, 1, 3, 4]
    file.append([key(2)], row(2)[None])
    assert content(FeatureFile(path, DIM)) == {n: row(n).tolist() for n in range(5)}


def test_many_rows_are_read_in_blocks(path, monkeypatch):
    monkeypatch.setattr("labelmend.data.feature_files._READ_AT_ONCE", 2)
    assert content(FeatureFile(path, DIM)) == {n: row(n).tolist() for n in range(5)}


def test_views_have_files_of_their_own(tmp_path):
    folder = FeatureFolder(tmp_path / "a", ["plain", "mirrored"], DIM, {"what": "test"})
    assert not (tmp_path / "a").exists()
    folder.start_writing()
    folder.append("plain", [key(0)], row(0)[None])
    assert not folder.complete(key(0))
    folder.append("mirrored", [key(0)], row(1)[None])
    assert folder.complete(key(0))
    folder.close()
    assert (tmp_path / "a" / "about.json").read_text() == '{\n  "what": "test"\n}\n'


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "a").write_text("a file")
    folder = FeatureFolder(tmp_path / "a" / "b", ["plain"], DIM, {})
    with pytest.raises(WriteError, match=r"a/b: features cannot be kept here \(Not a directory\)"):
        folder.start_writing()


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    folder = FeatureFolder(tmp_path / "a", ["plain"], DIM, {})
    folder.start_writing()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("labelmend.data.feature_files._append", full)
    with pytest.raises(WriteError, match=r"No space left on device.*--out"):
        folder.append("plain", [key(0)], row(0)[None])
    assert not folder.complete(key(0))
