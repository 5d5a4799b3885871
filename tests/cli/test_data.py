from __future__ import annotations

import re
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


@pytest.mark.parametrize("name", ["digits", "folder"])
@pytest.mark.parametrize(
    "flags", [["--label-column", "x"], ["--skip-missing"], ["--group-column", "x"]], ids=str
)
def test_flags_of_tables_are_refused_for_what_is_none(tmp_path, capsys, name, flags):
    for label in "ab":
        (tmp_path / "folder" / label).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "folder" / label / "1.png")
    source = name if name == "digits" else str(tmp_path / name)
    assert main(["data", source, *flags]) == 2
    assert f"is not read from a table, so that {flags[0]} has no effect" in capsys.readouterr().err


def test_a_split_and_a_file_of_labels_are_checked_as_in_fit(tmp_path, capsys):
    for i, label in enumerate("aabb"):
        (tmp_path / "only" / "val" / label).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / "only" / "val" / label / f"{i}.png")
    assert main(["data", str(tmp_path / "only")]) == 2
    assert "--split" in capsys.readouterr().err
    assert main(["data", str(tmp_path / "only"), "--split", "val"]) == 0
    for i, label in enumerate("aabb"):
        (tmp_path / "flat" / label).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / "flat" / label / f"{i}.png")
    names = ["a/0.png", "a/1.png", "b/2.png", "b/3.png"]
    for labels, code in (("aaab", 0), ("aaaa", 2)):
        rows = [f"{name},{label}" for name, label in zip(names, labels, strict=True)]
        (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows]))
        capsys.readouterr()
        assert main(["data", str(tmp_path / "flat"), "--labels", str(tmp_path / "labels.csv")]) == code
        said = capsys.readouterr()
        assert re.search(rf"^a +{labels.count('a')}$", said.out, re.MULTILINE)
    assert "are of one class, 'a'" in said.err


def test_a_file_of_labels_is_of_the_split_that_is_trained_on(tmp_path, capsys):
    names = ["a/0.png", "a/1.png", "b/2.png", "b/3.png"]
    for split in ("train", "val"):
        for i, name in enumerate(names):
            path = tmp_path / "data" / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (i, 0, 0)).save(path)
    rows = [f"train/{name},{label}" for name, label in zip(names, "aaab", strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows]))
    assert main(["data", str(tmp_path / "data"), "--labels", str(tmp_path / "labels.csv")]) == 0
    assert re.search(r"^a +3 +2$", capsys.readouterr().out, re.MULTILINE)
