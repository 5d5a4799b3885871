import os
import subprocess
import sys

import pytest

from labelmend.cli import main as cli
from labelmend.errors import SettingsError


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("labelmend ")


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_help_names_every_command(argv, capsys):
    assert cli.main(argv) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in cli.COMMANDS)


def test_unknown_command_names_the_closest(capsys):
    assert cli.main(["fti"]) == 2
    error = capsys.readouterr().err
    assert "did you mean 'fit'" in error
    assert error.count("\n") == 1


def test_bad_input_is_one_line_and_a_traceback_only_with_debug(capsys):
    assert cli.main(["show", "/no/such/run"]) == 2
    assert capsys.readouterr().err == "labelmend: error: there is no run folder /no/such/run\n"
    with pytest.raises(Exception, match="no run folder"):
        cli.main(["--debug", "show", "/no/such/run"])


def test_a_defect_is_told_from_bad_input(capsys, monkeypatch):
    def broken(argv):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(cli, "run_command", broken)
    assert cli.main([]) == 1
    assert "unexpected ZeroDivisionError: oh (--debug shows where)" in capsys.readouterr().err


def test_ctrl_c(monkeypatch):
    def stopped(argv):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run_command", stopped)
    assert cli.main([]) == 130


@pytest.mark.parametrize("command", [name for name in cli.COMMANDS if name not in ("noise", "data", "bench")])
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    assert f"labelmend {command}" in capsys.readouterr().out


@pytest.mark.parametrize(("argument", "code"), [("--version", 0), ("fti", 2)])
def test_python_runs_it_as_a_module(argument, code):
    run = subprocess.run([sys.executable, "-m", "labelmend", argument], capture_output=True, text=True)
    assert run.returncode == code
    assert (run.stdout or run.stderr).startswith("labelmend")


def test_help_does_not_import_torch():
    code = (
        "import sys; from labelmend.cli.main import main; main(['--help']); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_errors_of_labelmend_are_settings_errors():
    with pytest.raises(SettingsError):
        cli.run_command(["nothing"])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "/root/x"), "/root/x: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(36, "File name too long", "n" * 300), "File name too long"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "not enough"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "not enough memory"),
    ],
)
def test_what_the_system_refuses_is_one_line_and_no_defect(error, words, capsys, monkeypatch):
    def refused(argv):
        raise error

    monkeypatch.setattr(cli, "run_command", refused)
    assert cli.main([]) == 2
    printed = capsys.readouterr().err
    assert words in printed
    assert printed.count("\n") == 1
    with pytest.raises(type(error)):
        cli.main(["--debug"])


def test_an_argument_with_a_nul_is_refused(capsys):
    assert cli.main(["fit", "a\0b"]) == 2
    assert "NUL" in capsys.readouterr().err


@pytest.mark.parametrize(("given", "used"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_without_spinning_unless_the_user_says_otherwise(monkeypatch, capsys, given, used):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    assert cli.main(["--version"]) == 0
    assert os.environ["OMP_WAIT_POLICY"] == used


def test_a_long_command_says_at_once_that_it_is_there(capsys):
    assert cli.main(["fit", "/no/such/folder"]) == 2
    assert capsys.readouterr().out == "labelmend fit: loading\n"
    assert cli.main(["show", "/no/such/run"]) == 2
    assert capsys.readouterr().out == ""
