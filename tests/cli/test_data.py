from __future__ import annotations

import warnings

import pytest
from PIL import Image

from labelmend.api import fit
from labelmend.cli.data import data
from labelmend.cli.main import main
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
    assert len(lines) == len(set(lines)) == 3
    assert all(line.startswith(f"labelmend: warning: {tmp_path}") for line in lines)


def test_a_warning_of_each_split_is_shown_once(tmp_path, capsys, monkeypatch):
    def summarise(name, **_):
        for _ in range(3):
            with warnings.catch_warnings():
                warnings.warn("the same", LabelmendWarning, stacklevel=1)
        return Summary("x", None, ["a"], {})

    monkeypatch.setattr("labelmend.cli.data.summarise", summarise)
    data(str(tmp_path))
    assert capsys.readouterr().err == "labelmend: warning: the same\n"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("path,label\n", "there are no images"),
        (
            "path,label\n0.png,a\n1.png,a\n",
            "all images are of one class, 'a'; at least two classes are needed",
        ),
        ("path,label,fold\n0.png,a,1\n1.png,b,2\n", "fold"),
    ],
)
def test_what_fit_refuses_is_counted_and_refused(tmp_path, capsys, table, told):
    for i in range(2):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{i}.png")
    (tmp_path / "m.csv").write_text(table)
    if "fold" in table:
        (tmp_path / "m.csv").write_text(
            table.replace("fold", "split").replace(",1\n", ",fold1\n").replace(",2\n", ",fold2\n")
        )
    with pytest.raises(DataError) as refused:
        fit(tmp_path / "m.csv", method="ce")
    with pytest.raises(DataError, match=told) as caught:
        data(str(tmp_path / "m.csv"))
    assert str(refused.value) in str(caught.value)


def test_columns_are_read_as_in_fit(tmp_path, capsys):
    (tmp_path / "pictures").mkdir()
    for i in range(2):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / "pictures" / f"{i}.png")
    (tmp_path / "m.csv").write_text("shot,kind,label,who\n0.png,x,a,1\n1.png,y,b,2\n2.png,y,b,2\n")
    assert main(["data", str(tmp_path / "m.csv"), "--label-column", "kind"]) == 2
    flags = ["--label-column", "kind", "--image-column", "shot", "--image-root", str(tmp_path / "pictures")]
    assert main(["data", str(tmp_path / "m.csv"), *flags, "--group-column", "who", "--skip-missing"]) == 0
    out = capsys.readouterr().out
    assert "all 2 classes" in out
    assert "1 left out" in out
