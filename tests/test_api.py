import json
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import labelmend
from labelmend.errors import DataError, LabelmendWarning, RunError, SettingsError
from labelmend.runs import folder as run_folder
from labelmend.settings.saving import HEADER
from labelmend.training.listener import Silent

TINY = {
    "epochs": 4,
    "batch_size": 16,
    "widths": [8, 8],
    "depth": 1,
    "precision": "float32",
    "memory_format": "contiguous",
    "warmup": 0.5,
    "lr": 0.05,
}
BYTES = (run_folder.VERDICTS_CSV, run_folder.VERDICTS_PARQUET)


def bar_images(count: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Grey images of 8 px with a bright row, column or corner; a sixth of the labels is wrong."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (count, 8, 8), dtype=np.uint8)
    labels = np.arange(count) % 3
    for image, label in zip(images, labels, strict=True):
        place = [(slice(2, 4), slice(None)), (slice(None), slice(5, 7)), (slice(0, 4), slice(0, 4))][label]
        image[place] = 220
    given = np.where(np.arange(count) % 6 == 5, (labels + 1) % 3, labels)
    return images, given


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Class folders ``a``, ``b`` and ``c`` of PNG files, one of which is broken."""
    root = tmp_path_factory.mktemp("images")
    images, given = bar_images()
    for i, (image, label) in enumerate(zip(images, given, strict=True)):
        (root / "abc"[label]).mkdir(exist_ok=True)
        Image.fromarray(image).save(root / "abc"[label] / f"{i:02}.png")
    (root / "a" / "broken.png").write_bytes(b"no image")
    return root


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    return labelmend.fit(folder, out=tmp_path_factory.mktemp("runs") / "run", **TINY)


def test_a_run_folder_explains_itself(run):
    names = {path.name for path in run.folder.iterdir()}
    assert names == set(run_folder.CONTENTS) - {
        run_folder.NOISE,
        run_folder.CHECKPOINT,
        run_folder.PREVIOUS,
        run_folder.CONFLICTS,
        run_folder.BACKBONE,
        run_folder.REPORT,
    }
    assert (run.folder / run_folder.SKIPPED).read_text().count("\n") == 2
    rows = (run.folder / run_folder.METRICS).read_text().splitlines()
    assert [json.loads(row)["epoch"] for row in rows] == [1, 2, 3, 4]


def test_new_images_are_scaled_as_those_of_training(tmp_path):
    images, given = bar_images()
    deep = images.astype(np.uint16) * 16
    run = labelmend.load_run(labelmend.fit((deep, given), out=tmp_path / "run", **TINY).folder)
    assert run.description["pixel_range"] == [deep.min(), deep.max()]
    dark = deep[:2] // 3
    read = run.read(dark).images.gather(torch.arange(2))[..., 0].numpy()
    low, high = run.description["pixel_range"]
    np.testing.assert_array_equal(read, np.clip(np.rint((dark - low) * (255 / (high - low))), 0, 255))


def test_the_table_has_a_row_an_image(run):
    table = run.verdicts.table
    assert len(table) == 48
    assert set(table["given_label"]) == {"a", "b", "c"}
    assert table["id"].is_unique
    assert table["label_quality"].between(0, 1).all()
    read = pd.read_csv(run.folder / run_folder.VERDICTS_CSV)
    assert list(read["id"]) == list(table["id"])


def test_a_loaded_run_predicts_the_same(run, folder):
    loaded = labelmend.load_run(run.folder)
    assert loaded.settings == run.settings
    assert loaded.classes == ["a", "b", "c"]
    assert loaded.summary == json.loads(json.dumps(run.summary))
    np.testing.assert_array_equal(loaded.predict_proba(folder / "a"), run.predict_proba(folder / "a"))
    pd.testing.assert_frame_equal(loaded.verdicts.table, run.verdicts.table)


@pytest.mark.parametrize("method", ["ce", "mend", "anchor_hallucination", "dac", "co_teaching"])
def test_the_network_of_a_run_makes_the_predictions_in_its_table(method, tmp_path):
    """Also once it is loaded: what is kept is the model that judged, not another one."""
    images, _ = data = bar_images()
    settings = without_warmup() if method in ("ce", "dac", "co_teaching") else TINY
    if method == "anchor_hallucination":
        settings = {**TINY, "hallucinator_first_steps": 20, "hallucinator_steps": 5}
    run = labelmend.fit(data, out=tmp_path / "run", method=method, flip=False, **settings)
    table = run.verdicts.table
    place = {name: i for i, name in enumerate(run.classes)}
    for each in (run, labelmend.load_run(tmp_path / "run")):
        probabilities = each.predict_proba(images)
        assert [run.classes[i] for i in probabilities.argmax(1)] == list(table["predicted_label"])
        suggested = probabilities[np.arange(48), table["suggested_label"].map(place)]
        unvoted = table["votes"].to_numpy() == 0
        assert unvoted.any()
        np.testing.assert_allclose(suggested[unvoted], table["suggestion_confidence"][unvoted], atol=2e-6)


def test_predict_takes_arrays_and_names_classes(run):
    images, _ = bar_images(6)
    probabilities = run.predict_proba(images)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert list(run.predict(images)) == [run.classes[i] for i in probabilities.argmax(1)]


def test_same_seed_same_bytes_and_another_seed_other_bytes(run, folder, tmp_path):
    again = labelmend.fit(folder, out=tmp_path / "again", **TINY)
    other = labelmend.fit(folder, out=tmp_path / "other", seed=1, **TINY)
    for name in BYTES:
        assert (again.folder / name).read_bytes() == (run.folder / name).read_bytes()
        assert (other.folder / name).read_bytes() != (run.folder / name).read_bytes()


def test_settings_of_a_run_are_a_recipe_for_it(run, folder, tmp_path):
    again = labelmend.fit(folder, out=tmp_path / "again", recipe=run.folder / run_folder.SETTINGS)
    assert again.settings == run.settings
    assert (again.folder / BYTES[0]).read_bytes() == (run.folder / BYTES[0]).read_bytes()


class KillAt(Silent):
    """Kills the process in the first step for epoch 0, after the checkpoint of any other epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_step(self, share):
        if self.epoch == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_epoch(self, row):
        if row["epoch"] == self.epoch:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("epoch", [0, 3])
def test_a_killed_run_resumed_gives_the_same_bytes(run, folder, tmp_path, epoch):
    out = tmp_path / "killed"
    code = (
        "import sys, json; sys.path.insert(0, sys.argv[1])\n"
        "import labelmend; from test_api import KillAt\n"
        "listener, settings = KillAt(int(sys.argv[4])), json.loads(sys.argv[5])\n"
        "labelmend.fit(sys.argv[2], out=sys.argv[3], listener=listener, **settings)"
    )
    arguments = [os.path.dirname(__file__), str(folder), str(out), str(epoch), json.dumps(TINY)]
    killed = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    with pytest.raises(RunError, match="labelmend resume"):
        labelmend.load_run(out)
    labelmend.resume(out)
    for name in BYTES:
        assert (out / name).read_bytes() == (run.folder / name).read_bytes()
    assert (out / run_folder.METRICS).read_text().count("\n") == 4
    assert not (out / run_folder.CHECKPOINT).exists()


class Stop(Exception):
    pass


class StopAt(Silent):
    def on_epoch(self, row):
        raise Stop


def stopped(out, data, **settings):
    with pytest.raises(Stop):
        labelmend.fit(data, out=out, listener=StopAt(), **TINY, **settings)


def test_resume_refuses_changed_data(tmp_path):
    images, given = bar_images()
    path = tmp_path / "data.npz"
    np.savez(path, images=images, labels=given)
    stopped(tmp_path / "run", path)
    np.savez(path, images=images, labels=np.roll(given, 1))
    with pytest.raises(RunError, match="has changed"):
        labelmend.resume(tmp_path / "run")


def test_resume_of_images_in_memory_asks_for_them(tmp_path):
    data = bar_images()
    stopped(tmp_path / "run", data, noise="symmetric:0.2:seed=1")
    with pytest.raises(RunError, match="were in memory"):
        labelmend.resume(tmp_path / "run")
    run = labelmend.resume(tmp_path / "run", data=data)
    assert run.summary["epochs"] == 4
    noise = json.loads((run.folder / run_folder.NOISE).read_text())
    assert noise["realised_rate"] == run.summary["realised_noise_rate"] > 0


def test_resume_of_a_finished_run_loads_it(run):
    pd.testing.assert_frame_equal(labelmend.resume(run.folder).verdicts.table, run.verdicts.table)


def test_paths_in_settings_survive_another_working_folder(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder.parent)
    stopped(tmp_path / "run", folder.name, test=folder.name)
    monkeypatch.chdir(tmp_path)
    assert "test_accuracy_last" in labelmend.resume(tmp_path / "run").summary


def test_in_memory_run_with_a_test_set_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = labelmend.fit(bar_images(), test=bar_images(12), method="ce", **without_warmup())
    assert run.folder is None
    assert 0 <= run.summary["test_accuracy_last"] <= 1
    assert list(tmp_path.iterdir()) == []


def without_warmup():
    return {name: value for name, value in TINY.items() if name != "warmup"}


def test_a_full_folder_is_refused_before_anything_is_read(run):
    with pytest.raises(RunError, match="--overwrite"):
        labelmend.fit("no such source", out=run.folder, **TINY)


@pytest.mark.parametrize("reads", ["labels", "decisions"])
def test_a_run_that_is_read_is_not_replaced(folder, run, reads):
    with pytest.raises(RunError, match="would replace"):
        labelmend.fit(folder, out=run.folder, overwrite=True, **{reads: str(run.folder)}, **TINY)
    assert (run.folder / run_folder.VERDICTS_PARQUET).exists()


def test_overwrite_replaces_a_run(folder, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / run_folder.SETTINGS).write_text(HEADER)
    (tmp_path / "run" / run_folder.NOISE).write_text("old")
    run = labelmend.fit(folder, out=tmp_path / "run", overwrite=True, **TINY)
    assert not (run.folder / run_folder.NOISE).exists()


def test_bad_input_leaves_no_folder(tmp_path):
    with pytest.raises(DataError):
        labelmend.fit(tmp_path / "none", out=tmp_path / "run")
    with pytest.raises(SettingsError, match="did you mean 'epochs'"):
        labelmend.fit("digits", out=tmp_path / "run", epoch=1)
    assert list(tmp_path.iterdir()) == []


def test_load_run_names_what_is_wrong(run, tmp_path):
    with pytest.raises(RunError, match="no run folder"):
        labelmend.load_run(tmp_path / "none")
    with pytest.raises(RunError, match="not a run folder"):
        labelmend.load_run(tmp_path)


@pytest.mark.parametrize("on_disk", [False, True])
def test_images_that_are_left_out_are_said(tmp_path, on_disk):
    paths = []
    for number in range(12):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(np.full((8, 8, 3), 20 * number, dtype=np.uint8)).save(paths[-1])
    paths[3].write_text("no picture")
    fast = {"epochs": 1, "widths": [8], "depth": 1, "out": tmp_path / "run" if on_disk else None}
    with pytest.warns(LabelmendWarning, match=r"1 is left out, first .*3\.png \(.*\); column id of the verd"):
        run = labelmend.fit(([str(path) for path in paths], list("ab") * 6), **fast)
    assert len(run.verdicts) == 11


def test_what_is_no_name_or_path_is_refused_in_one_line():
    for wrong, told in (
        ({"method": 5}, "--method is 5, but must be the name of a method"),
        ({"recipe": [1]}, r"--recipe is \[1\], but must be a name, a path, or a dictionary of settings"),
    ):
        with pytest.raises(SettingsError, match=told):
            labelmend.fit("digits", **wrong)
    for call in (
        lambda: labelmend.fit("digits", epochs=1, out=5),
        lambda: labelmend.resume(5),
        lambda: labelmend.load_run(5),
    ):
        with pytest.raises(RunError, match="is 5, but must be the path of a folder"):
            call()
