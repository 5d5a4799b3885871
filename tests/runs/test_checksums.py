import hashlib
import shutil
import subprocess

import pytest

from labelmend.errors import RunError
from labelmend.runs.checksums import SUMS, check_unchanged, write_sums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.json").write_text("1")
    (tmp_path / "b.json").write_text("é", encoding="utf-8")
    write_sums(tmp_path, ["a.json", "b.json", "none.json"], {"last.json": "ü"})
    (tmp_path / "last.json").write_text("ü", encoding="utf-8")
    return tmp_path


def test_files_that_are_as_written_pass(folder):
    check_unchanged(folder, ["a.json", "b.json", "last.json", "of no sum"])
    digest = hashlib.sha256(b"1").hexdigest()
    assert (folder / SUMS).read_text().splitlines()[0] == f"{digest}  a.json"


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_reads_them(folder):
    assert subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=folder).returncode == 0


@pytest.mark.parametrize("name", ["a.json", "b.json", "last.json"])
def test_a_changed_or_missing_file_is_named(folder, name):
    (folder / name).write_text("2")
    with pytest.raises(RunError, match=rf"{name} is not what the run wrote"):
        check_unchanged(folder, [name])
    (folder / name).unlink()
    with pytest.raises(RunError, match=rf"{name} is missing"):
        check_unchanged(folder, [name])


def test_without_sums_nothing_is_checked(folder):
    (folder / "a.json").write_text("2")
    (folder / SUMS).unlink()
    check_unchanged(folder, ["a.json"])


def test_damaged_sums_are_no_traceback(folder):
    (folder / SUMS).write_bytes(b"\xff\xfe\n\n  a.json\n")
    with pytest.raises(RunError, match=r"a\.json is not what"):
        check_unchanged(folder, ["a.json"])
