import os
import signal
import subprocess
import sys

import pytest

from labelmend.errors import RunError, WriteError
from labelmend.runs import lock
from labelmend.runs.lock import LOCK, locked

HOLD = """
import sys, time
from pathlib import Path
from labelmend.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_holder_is_refused_and_the_next_is_not(tmp_path):
    for _ in range(2):
        with (
            locked(tmp_path),
            pytest.raises(RunError, match="another labelmend is at work"),
            locked(tmp_path),
        ):
            pass
    assert list(tmp_path.iterdir()) == []


def test_the_lock_dies_with_its_holder(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout.readline() == b"held\n"
            with pytest.raises(RunError, match="another labelmend"), locked(tmp_path):
                pass
        finally:
            holder.kill()
    assert holder.returncode == -signal.SIGKILL
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path):
        pass


def test_a_process_that_opened_the_lock_before_it_went_does_not_take_it_for_the_lock(tmp_path):
    with locked(tmp_path):
        early = os.open(tmp_path / LOCK, os.O_RDWR)
    with locked(tmp_path), pytest.raises(RunError), locked(tmp_path):
        assert os.fstat(early).st_nlink == 0
    os.close(early)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(WriteError, match=r"nothing can be written in .*: (Not a directory|File exists)"),
        locked(tmp_path / "file"),
    ):
        pass


def test_an_error_inside_frees_the_folder(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    with locked(tmp_path):
        assert lock.LOCK in {path.name for path in tmp_path.iterdir()}
