"""A system that refuses a write, a sync or a rename, or dies in it, at any point of a run."""

from __future__ import annotations

import errno
import os
import signal
import stat
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

import labelmend
from labelmend.errors import WriteError
from labelmend.runs import folder as run_folder
from labelmend.tensors import load_tensors
from labelmend.training import setup

from .conftest import TINY

SETTINGS = {**TINY, "epochs": 2, "precision": "float32"}


class Faulty:
    """Counts what a run asks of the disk, and lets one such call fail.

    Args:
        call: ``write``, ``sync``, ``rename`` or ``append``. A write that fails leaves half a file.
        at: the call that fails, counted from 0; -1 lets none fail.
        fail: what happens then.
    """

    def __init__(self, call, at, fail):
        self.call, self.at, self.fail = call, at, fail
        self.seen = {"write": 0, "sync": 0, "rename": 0, "append": 0}

    def __enter__(self):
        self.fsync, self.replace, self.open = os.fsync, os.replace, Path.open
        os.fsync, os.replace = self.on_fsync, self.on_replace
        faulty = self
        Path.open = lambda path, *arguments, **named: faulty.on_open(path, *arguments, **named)
        return self

    def __exit__(self, *_):
        os.fsync, os.replace, Path.open = self.fsync, self.replace, self.open

    def turn(self, call):
        self.seen[call] += 1
        return call == self.call and self.seen[call] - 1 == self.at

    def on_fsync(self, descriptor):
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if self.turn("write" if is_file else "sync"):
            if is_file:
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            self.fail()
        self.fsync(descriptor)

    def on_replace(self, old, new):
        if self.turn("rename"):
            self.fail()
        self.replace(old, new)

    def on_open(self, path, mode="r", *arguments, **named):
        if "a" in mode and self.turn("append"):
            self.fail()
        return self.open(path, mode, *arguments, **named)


def refuse():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def fit(source, folder, faults=None):
    with pytest.MonkeyPatch.context() as patch, faults or nullcontext():
        # How fast the machine is decides nothing here, and asking takes longer than all the rest.
        patch.setattr(setup, "images_per_second", lambda *_, **__: 1000.0)
        labelmend.fit(source, out=folder, **SETTINGS)


def fit_until_killed(source, folder, call, at):
    torch.set_num_threads(1)
    fit(source, folder, Faulty(call, at, die))


def result(folder):
    weights, _ = load_tensors(folder / run_folder.MODEL)
    return (folder / run_folder.VERDICTS_CSV).read_bytes(), {k: v.tolist() for k, v in weights.items()}


def go_on(source, folder):
    """What messages say: resume a run that was begun, begin one that was not."""
    if folder.is_dir() and run_folder.is_run(folder):
        labelmend.resume(folder)
    else:
        fit(source, folder)


@pytest.fixture(scope="module")
def sound(source, tmp_path_factory):
    """Result of a run on a sound disk, and how many calls of each kind it makes."""
    folder = tmp_path_factory.mktemp("sound") / "run"
    faults = Faulty("", -1, refuse)
    fit(source, folder, faults)
    return result(folder), faults.seen


@pytest.mark.parametrize("call", ["write", "sync", "rename", "append"])
def test_a_refused_call_is_said_and_the_run_goes_on_from_there(call, source, tmp_path, sound):
    wanted, calls = sound
    assert calls[call] >= SETTINGS["epochs"]
    for at in range(calls[call]):
        folder = tmp_path / f"{at}"
        with pytest.raises(WriteError, match="No space left on device"):
            fit(source, folder, Faulty(call, at, refuse))
        go_on(source, folder)
        assert result(folder) == wanted, at
        assert not list(folder.glob("*.tmp"))


@pytest.mark.parametrize("call", [pytest.param("write", marks=pytest.mark.slow), "rename"])
def test_a_run_killed_in_a_call_goes_on_from_there(call, source, tmp_path, sound, processes):
    wanted, calls = sound
    for at in range(calls[call]):
        folder = tmp_path / f"{at}"
        victim = processes.Process(target=fit_until_killed, args=(source, folder, call, at))
        victim.start()
        victim.join(120)
        assert victim.exitcode == -signal.SIGKILL
        go_on(source, folder)
        assert result(folder) == wanted, at
        assert not list(folder.glob("*.tmp"))
