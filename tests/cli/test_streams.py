import errno
import io
import os
import subprocess
import sys

import pytest

from labelmend.cli.main import main
from labelmend.cli.streams import Lasting, lasting_streams


class Failing(io.StringIO):
    """A stream whose destination fails, at once or when it is flushed."""

    def __init__(self, number, when):
        super().__init__()
        self.number, self.when, self.calls = number, when, 0

    def fail(self, when):
        if when == self.when:
            self.calls += 1
            raise OSError(self.number, os.strerror(self.number))

    def write(self, text):
        self.fail("write")
        return super().write(text)

    def flush(self):
        self.fail("flush")


FULL, GONE, BROKEN = errno.ENOSPC, errno.EIO, errno.EPIPE


@pytest.mark.parametrize("when", ["write", "flush"])
@pytest.mark.parametrize("number", [FULL, GONE, BROKEN])
def test_work_goes_on_without_stdout(monkeypatch, capsys, number, when):
    monkeypatch.setattr(sys, "stdout", Failing(number, when))
    with lasting_streams(essential=False):
        print("a", flush=True)
    said = capsys.readouterr().err
    assert ("stdout cannot be written" in said) is (number != BROKEN)


@pytest.mark.parametrize("number", [FULL, GONE])
def test_a_result_that_cannot_be_written_is_an_error(monkeypatch, number):
    monkeypatch.setattr(sys, "stdout", Failing(number, "write"))
    with pytest.raises(OSError, match="stdout") as caught, lasting_streams(essential=True):
        print("a")
    assert (caught.value.errno, caught.value.filename) == (number, "stdout")


def test_a_reader_that_has_seen_enough_is_no_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Failing(BROKEN, "write"))
    with lasting_streams(essential=True):
        print("a")
    assert capsys.readouterr().err == ""


def test_stderr_never_matters(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Failing(FULL, "write"))
    with lasting_streams(essential=True):
        print("a", file=sys.stderr)


def test_streams_are_as_before_and_all_else_is_theirs(capsys):
    before = sys.stdout, sys.stderr
    with lasting_streams(essential=True):
        assert isinstance(sys.stdout, Lasting)
        assert sys.stdout.encoding == before[0].encoding
        assert not sys.stdout.isatty()
    assert (sys.stdout, sys.stderr) == before


def test_what_an_encoding_cannot_write_is_an_escape(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    with lasting_streams(essential=True):
        print("é \udce9")
    assert raw.getvalue() == b"\\xe9 \\udce9\n"


def test_a_full_disk_under_stdout_is_one_line_with_exit_code_2(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Failing(FULL, "write"))
    assert main(["--version"]) == 2
    assert capsys.readouterr().err == "labelmend: error: stdout: No space left on device\n"


def labelmend(command, cwd):
    return subprocess.run(
        ["/bin/sh", "-c", command.format(f"{sys.executable} -m labelmend")],
        cwd=cwd,
        capture_output=True,
        text=True,
    )


FIT = "fit digits --limit 120 --epochs 2 --widths 8 --depth 1 --test none --out run"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("where", [">/dev/full", "<&- >&- 2>&-", "2>/dev/full | head -c 1"])
def test_a_run_goes_on_without_streams(tmp_path, where):
    done = labelmend(f"{{}} {FIT} {where}", tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "run" / "summary.json").is_file()
    assert done.stderr in (
        "",
        "labelmend: warning: stdout cannot be written (No space left on device); the work goes on\n",
    )


def test_a_file_never_gets_the_number_of_a_closed_stream(tmp_path):
    code = (
        "import os, sys; from labelmend.cli.streams import open_standard_streams; open_standard_streams();"
        "print('lost'); print('lost', file=sys.stderr); sys.exit(os.open('f', os.O_CREAT) != 3)"
    )
    command = f'{sys.executable} -c "{code}" <&- >&- 2>&-'
    assert subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path).returncode == 0
