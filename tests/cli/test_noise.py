from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from labelmend.cli.noise import noise
from labelmend.data import load
from labelmend.errors import DataError, SettingsError
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
    out.with_suffix(".png").write_text("mine")
    with pytest.raises(DataError, match=r"a\.png: is there already"):
        noise("digits", rate=0.4, out=str(out))
    assert not out.exists()
    noise("digits", rate=0.4, out=str(out), overwrite=True)
    assert out.with_suffix(".png").stat().st_size > 10_000


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
