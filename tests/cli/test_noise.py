from __future__ import annotations

import csv
import errno
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmend.cli.main import main
from labelmend.cli.noise import noise
from labelmend.data import load
from labelmend.errors import DataError, RunError, SettingsError, WriteError
from labelmend.noise.record import NoiseRecord, label_hash
from labelmend.noise.spec import KINDS


def test_writes_a_table_a_record_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "worse.csv"
    noise("digits", kind="pairflip", rate=0.3, seed=5, out=str(out))
    record = NoiseRecord.from_json(out.with_suffix(".json").read_text())
    rows = list(csv.DictReader(out.open()))
    clean = load("digits")
    assert list(rows[0]) == ["id", "label", "true_label"]
    assert [row["id"] for row in rows] == clean.ids
    labels = np.array([clean.class_names.index(row["label"]) for row in rows])
    true = np.array([clean.class_names.index(row["true_label"]) for row in rows])
    np.testing.assert_array_equal(true, clean.given_labels)
    assert record.sha256 == label_hash(labels)
    assert (record.seed, record.nominal_rate) == (5, 0.3)
    assert out.with_suffix(".png").stat().st_size > 10_000
    assert record.sha256 in capsys.readouterr().out


def test_the_table_is_read_as_labels(tmp_path: Path) -> None:
    out = tmp_path / "noisy.csv"
    noise("digits", rate=0.4, out=str(out))
    noisy = load("digits", labels=out)
    record = NoiseRecord.from_json(out.with_suffix(".json").read_text())
    assert label_hash(noisy.given_labels) == record.sha256


def test_what_to_do_next_allows_for_images_that_cannot_be_read(tmp_path: Path, capsys) -> None:
    source, out = tmp_path / "photos", tmp_path / "noisy.csv"
    for name in ("cat", "dog"):
        (source / name).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (8, 8), (40 * number, 0, 0)).save(source / name / f"{number}.png")
    noise(str(source), rate=0.5, out=str(out))
    assert f"Next: labelmend fit {source} --labels {out}\n" in capsys.readouterr().out
    (source / "cat" / "bad.png").write_text("no picture")
    noise(str(source), rate=0.5, out=str(out), overwrite=True)
    assert f"Next: labelmend fit {source} --labels {out} --partial\n" in capsys.readouterr().out
    assert len(load(source, labels=out, partial=True)) == 12


def test_trusted_labels_stand_in_the_table_and_are_taken_up(tmp_path: Path) -> None:
    out = tmp_path / "some.csv"
    noise("digits", kind="pairflip", rate=1.0, trusted=40, out=str(out))
    noisy = load("digits", labels=out)
    assert noisy.trusted is not None
    assert noisy.trusted.sum() == 40
    np.testing.assert_array_equal(noisy.given_labels == noisy.true_labels, noisy.trusted)
    record = NoiseRecord.from_json(out.with_suffix(".json").read_text())
    assert record.realised_rate == pytest.approx(1 - 40 / 1297)
    assert record.parameters == {"trusted": 40, "trusted_seed": 0}
    assert label_hash(noisy.given_labels) == record.sha256


def test_the_draw_has_a_seed_where_the_noise_has_none(tmp_path: Path) -> None:
    clean = load("digits")
    noisy = (clean.given_labels + 1) % 10
    np.savez(tmp_path / "people.npz", label=noisy, true_label=clean.given_labels)
    kind, found = f"human:file={tmp_path / 'people.npz'}", []
    for seed in (3, 4):
        out = tmp_path / f"{seed}.csv"
        noise("digits", kind=kind, trusted=40, seed=seed, out=str(out))
        assert NoiseRecord.from_json(out.with_suffix(".json").read_text()).parameters["trusted_seed"] == seed
        found.append(load("digits", labels=out).trusted)
    assert not np.array_equal(*found)
    with pytest.raises(SettingsError, match="human has no option 'seed'"):
        noise("digits", kind=kind, seed=3, out=str(tmp_path / "c.csv"))


def test_options_follow_the_kind(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    noise("digits", kind="instance-per-class:scaling=unit", rate=0.4, seed=0, out=str(out))
    assert NoiseRecord.from_json(out.with_suffix(".json").read_text()).parameters["scaling"] == "unit"


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    noise("digits", rate=0.4, out=str(out))
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(written) == ["a.csv", "a.json", "a.png"]
    with pytest.raises(DataError, match=r"a\.csv: is there already"):
        noise("digits", rate=0.2, out=str(out))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == written
    noise("digits", rate=0.2, out=str(out), overwrite=True)
    assert all(path.read_bytes() != written[path.name] for path in tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".png", ".json"])
def test_a_file_that_nobody_named_is_not_replaced_unless_noise_wrote_it(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_text("{}")
    with pytest.raises(DataError, match=rf"a\{suffix}: is there already, and not of labelmend noise"):
        noise("digits", rate=0.4, out=str(tmp_path / "a.csv"), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{suffix}"]


def test_the_data_is_not_replaced(photos: Path) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match=r"table\.csv lies inside the data"):
        noise(str(photos / "table.csv"), rate=0.4, out=str(photos / "table.csv"), overwrite=True)
    with pytest.raises(RunError, match=r"noisy\.csv lies inside the data"):
        noise(str(photos), rate=0.4, out=str(photos / "noisy.csv"))
    with pytest.raises(DataError, match=r"0\.png: is there already, and not of labelmend noise"):
        noise(str(photos / "table.csv"), rate=0.4, out=str(photos / "cat" / "0.csv"), overwrite=True)
    assert {path: path.read_bytes() for path in photos.rglob("*") if path.is_file()} == before


def test_where_one_file_cannot_be_written_none_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(DataError, match=r"a\.png: is there already"):
        noise("digits", rate=0.4, out=str(tmp_path / "a.csv"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png"]

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr("labelmend.cli.noise.save_picture", full)
    with pytest.raises(WriteError, match=r"b\.png cannot be written: no space left on device"):
        noise("digits", rate=0.4, out=str(tmp_path / "b.csv"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png"]


def test_whether_files_can_be_written_is_found_before_the_data_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> None:
        raise WriteError(f"{path} cannot be written: read-only file system")

    monkeypatch.setattr("labelmend.cli.noise.check_writable", refused)
    with pytest.raises(WriteError, match=r"a\.csv cannot be written: read-only"):
        noise("no such source", rate=0.4, out=str(tmp_path / "a.csv"))


def test_images_elsewhere_and_rows_without_a_file(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = tmp_path / "moved.csv", tmp_path / "noisy.csv"
    table.write_text((photos / "table.csv").read_text() + "cat/gone.png,cat\n")
    with pytest.raises(DataError, match=r"--image-root|--skip-missing"):
        noise(str(table), rate=0.5, image_root=str(photos), out=str(out))
    noise(str(table), rate=0.5, image_root=str(photos), skip_missing=True, out=str(out))
    assert len(list(csv.DictReader(out.open()))) == 8
    assert "1 file left out: 1 " in capsys.readouterr().out


def test_names_that_begin_with_a_space_are_found_again(photos: Path, tmp_path: Path) -> None:
    (photos / "table.csv").unlink()
    (photos / "cat").rename(photos / " cat")
    (photos / "dog" / "0.png").rename(photos / "dog" / " 0.png")
    out = tmp_path / "noisy.csv"
    noise(str(photos), kind="pairflip", rate=1.0, out=str(out))
    noisy = load(photos, labels=out)
    assert {" cat/0.png", "dog/ 0.png"} < set(noisy.ids)
    assert noisy.true_labels is not None
    np.testing.assert_array_equal(noisy.given_labels, 1 - noisy.true_labels)


def test_warnings_are_lines(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labels.csv").write_text("file,label,true_label\ncat/0.png,dog,cat\ndog/0.png,cat,dog\n")
    options = {"rate": 0.5, "image_root": str(photos), "out": str(tmp_path / "noisy.csv")}
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        noise(str(tmp_path / "labels.csv"), **options)  # type: ignore[arg-type]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("labelmend: warning: --noise symmetric:0.5:seed=0 is put on the true labels")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder, rows = tmp_path / "photos", ["file,label"]
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for i in range(4):
            shade = np.full((8, 8, 3), 20 * i + len(rows), dtype=np.uint8)
            Image.fromarray(shade).save(folder / name / f"{i}.png")
            rows.append(f"{name}/{i}.png,{name}")
    (folder / "table.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_every_kind_is_in_the_help_and_the_guide() -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "NOISE.md").read_text()
    for kind in KINDS:
        assert kind in str(noise.__doc__)
        assert f"| `{kind}" in guide


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="the rate is missing"):
        noise("digits", out=str(tmp_path / "a.csv"))
    with pytest.raises(DataError, match=r"must end in \.csv"):
        noise("digits", rate=0.1, out=str(tmp_path / "a.json"))
    with pytest.raises(DataError, match="there is no folder"):
        noise("digits", rate=0.1, out=str(tmp_path / "b" / "a.csv"))


@pytest.mark.parametrize("out", ["", "-", ".", "/", "x.txt", "none/x.csv"])
def test_a_table_that_cannot_be_written_is_refused_first(out, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="--out is"):
        noise("no such source", rate=0.2, out=out)


def test_the_next_command_reads_the_same_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my images").mkdir()
    rows = ["picture,kind,split"]
    for number in range(8):
        Image.new("L", (8, 8), 30 * number).save(tmp_path / "my images" / f"{number}.png")
        rows.append(f"{number}.png,{'ab'[number % 2]},{'train' if number < 6 else 'test'}")
    rows.append("gone.png,a,test")
    table, out = tmp_path / "table.csv", tmp_path / "noisy.csv"
    table.write_text("\n".join(rows) + "\n")
    noise(
        str(table),
        rate=0.5,
        out=str(out),
        split="test",
        label_column="kind",
        image_column="picture",
        image_root=str(tmp_path / "my images"),
        skip_missing=True,
        root=str(tmp_path),
    )
    following = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("Next: "))
    assert following == (
        f"Next: labelmend fit {table} --labels {out} --split test --label-column kind --image-column picture "
        f"--image-root '{tmp_path / 'my images'}' --root {tmp_path} --skip-missing --partial"
    )


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (
            ["--kind", "symmetrik", "--rate", "0.2"],
            "--kind symmetrik:0.2: there is no noise 'symmetrik'; did you",
        ),
        (["--kind", "symmetric"], "--kind symmetric: the rate is missing; write symmetric:RATE"),
        (["--kind", "symmetric", "--rate", "2"], "--kind symmetric:2.0: rate is 2, but must be in [0, 1]"),
        (
            ["--kind", "symmetric:foo=1", "--rate", "0.2"],
            "--kind symmetric:0.2:foo=1: symmetric has no option",
        ),
    ],
)
def test_what_is_wrong_names_the_flag_of_this_command(tmp_path, capsys, flags, told):
    assert main(["noise", "digits", *flags, "--out", str(tmp_path / "n.csv")]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert "--noise" not in said
    assert list(tmp_path.iterdir()) == []
