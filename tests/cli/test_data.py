from __future__ import annotations

import pytest
from PIL import Image

from labelmend.cli.data import data
from labelmend.errors import DataError


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
