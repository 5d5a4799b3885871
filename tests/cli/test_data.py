from __future__ import annotations

import warnings

import pytest
from PIL import Image

from labelmend.cli.data import data
from labelmend.data.summary import Summary
from labelmend.errors import DataError, LabelmendWarning


def test_digits(capsys):
    data("digits")
    out = capsys.readouterr().out
    assert "1,297" in out
    assert "labelmend fit digits" in out


def test_what_is_missing_is_said(tmp_path, capsys):
    with pytest.raises(DataError, match="clothing1m: not found in"):
        data("clothing1m", str(tmp_path))
    (tmp_path / "training").mkdir()
    for label in range(10):
        Image.new("RGB", (8, 8)).save(tmp_path / "training" / f"{label}_1.jpg")
    data("animal10n", str(tmp_path))
    out = capsys.readouterr().out
    assert "problem: test: folder" in out
    assert "guinea pig" in out
    (tmp_path / "training/0_1.jpg").unlink()
    with pytest.raises(DataError, match="the train split cannot be loaded"):
        data("animal10n", str(tmp_path))
    assert "holds no image of cat" in capsys.readouterr().out


def test_warnings_are_plain_lines_each_shown_once(tmp_path, capsys):
    for split in ("train", "test"):
        for name in ("cat", "Cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(tmp_path / split / name / "1.png")
        (tmp_path / split / "empty").mkdir()
    data(str(tmp_path))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(set(lines)) == 2
    assert all(line.startswith(f"labelmend: warning: {tmp_path}") for line in lines)


def test_a_warning_of_each_split_is_shown_once(tmp_path, capsys, monkeypatch):
    def summarise(name, root):
        for _ in range(3):
            with warnings.catch_warnings():
                warnings.warn("the same", LabelmendWarning, stacklevel=1)
        return Summary("x", None, ["a"], {})

    monkeypatch.setattr("labelmend.cli.data.summarise", summarise)
    data(str(tmp_path))
    assert capsys.readouterr().err == "labelmend: warning: the same\n"
