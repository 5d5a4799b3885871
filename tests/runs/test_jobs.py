import hashlib
import json
import shutil

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

import labelmend
from labelmend.cli.reading import describe_job
from labelmend.errors import DataError, LabelmendWarning, RunError, SettingsError, WriteError
from labelmend.methods import METHODS
from labelmend.methods.cross_entropy import CrossEntropy
from labelmend.runs import folder as run_folder
from labelmend.runs import jobs
from labelmend.runs.checksums import SUMS
from labelmend.runs.records import read_object
from labelmend.runs.run import load_run
from labelmend.settings.loading import resolve
from labelmend.training import arithmetic, state
from labelmend.training.listener import Silent

FULL = "timm:test_resnet.r160_in1k"


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(12):
        file = tmp_path / "photos" / "ab"[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (48, 40, 3), dtype=np.uint8)).save(file)
    return tmp_path / "photos"


def settings(**overrides):
    return resolve(method="ce", overrides={"network": "timm:test_resnet", **overrides})


def test_paths_of_settings_are_made_absolute_and_names_are_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("labels", "run", "held", "root", "images", "none", "weights"):
        (tmp_path / name).mkdir()
    asked = {"labels": "labels", "decisions": "run", "test": "held", "root": "root", "image_root": "images"}
    found = jobs.with_absolute_paths(resolve("fast", "ce", {**asked, "weights": "weights"}))
    for name, value in asked.items():
        assert getattr(found.data, name) == str(tmp_path / value)
    assert found.network.weights == str(tmp_path / "weights")
    assert jobs.with_absolute_paths(resolve("fast", "ce", {"test": "none"})).data.test == "none"
    assert jobs.with_absolute_paths(resolve("fast", "ce")).data.labels is None


def test_images_get_the_size_of_the_network_unless_another_is_given(photos):
    job = jobs.prepare(settings(pretrained=False), photos)
    assert job.train_set.images.shape == (12, 160, 160, 3)
    assert job.settings.network.network == FULL
    assert jobs.prepare(settings(pretrained=False, image_size=32), photos).train_set.images.shape[1] == 32


def test_what_is_wrong_with_a_network_is_said_before_images_are_read(tmp_path):
    for wrong, message in (
        ({"network": "timm:resnet8"}, "timm has no such classifier"),
        ({"weights": str(tmp_path / "no.pt")}, "no.pt does not exist"),
    ):
        with pytest.raises(SettingsError, match=message):
            jobs.prepare(settings(**wrong), tmp_path / "no-such-folder")


def test_settings_without_a_budget_are_refused_and_the_run_that_is_there_stays(photos, tmp_path):
    wanted = {"network": "fastnet", "widths": [4], "image_size": 32, "out": tmp_path / "run"}
    labelmend.fit(photos, epochs=1, **wanted)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    for recipe, more in (({"method": {"name": "ce"}}, {}), ("fast", {"epochs": None})):
        with pytest.raises(SettingsError, match="no budget is set; give --epochs, --flops or --minutes"):
            labelmend.fit(photos, recipe=recipe, overwrite=True, **wanted, **more)
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_a_run_of_a_library_s_network_is_loaded_without_its_first_weights(photos, tmp_path):
    weights = tmp_path / "first.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), weights)
    job = jobs.prepare(settings(weights=str(weights), image_size=32, epochs=1), photos)
    with pytest.warns(LabelmendWarning, match="the head .* is left out"):
        run = jobs.start(job, tmp_path / "run")
    weights.unlink()
    loaded = load_run(tmp_path / "run")
    assert loaded.description["network"] == FULL
    assert loaded.description["mean"] == pytest.approx([127.5] * 3)
    assert np.array_equal(loaded.predict_proba(photos), run.predict_proba(photos))


@pytest.mark.parametrize("frozen", [False, True])
def test_what_a_method_refuses_leaves_no_folder_and_replaces_no_run(photos, tmp_path, frozen):
    """Also in a run that trains on frozen features first, and then the network."""
    flags = {"network": "timm:test_resnet", "pretrained": False, "image_size": 32, "epochs": 1}
    if frozen:
        flags |= {"frozen": True, "finetune": 0.5}
    for folder in (tmp_path / "old", tmp_path / "new"):
        if folder.name == "old":
            labelmend.fit(photos, method="ce", out=folder, **flags)
            before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        with pytest.raises(SettingsError, match="--label-smoothing"):
            labelmend.fit(photos, method="gce", out=folder, overwrite=True, label_smoothing=0.1, **flags)
    assert before == {path: path.read_bytes() for path in before}
    assert not (tmp_path / "new").exists()


class Stop(Silent):
    def on_epoch(self, row):
        raise KeyboardInterrupt


def test_a_run_is_not_gone_on_with_in_another_network(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("labelmend.models.registry.obtain", lambda name, **_: FULL)
    job = jobs.prepare(settings(pretrained=True, image_size=32, epochs=2), photos)
    monkeypatch.setattr("labelmend.models.pretrained.Backbone.draw", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        jobs.start(job, tmp_path / "run", listener=Stop())
    monkeypatch.undo()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with (
        pytest.warns(LabelmendWarning, match="going on with efficientnet_lite0"),
        pytest.raises(RunError, match=f"the weights of {FULL} that .* cannot be fetched again"),
    ):
        labelmend.resume(tmp_path / "run")
    assert not (tmp_path / "run" / run_folder.SUMMARY).exists()


def test_trusted_labels_can_be_scored_by_in_place_of_trained_on(source, stop, tmp_path, tiny, monkeypatch):
    (tmp_path / "trusted").mkdir()
    monkeypatch.chdir(tmp_path)
    job = jobs.prepare(resolve(method="ce", overrides={"test": "trusted"}), source)
    assert (job.train_set.ids, job.test_set.ids) == (
        [str(row) for row in range(6, 48)],
        [str(row) for row in range(6)],
    )
    run = labelmend.fit(source, test="trusted", out=tmp_path / "whole", **tiny)
    assert (run.summary["samples"], run.summary["test_images"]) == (42, 6)
    assert run.settings.data.test == "trusted"
    folder = stop(2, test="trusted")
    labelmend.resume(folder)
    for name in ("verdicts.csv", "model.safetensors", run_folder.METRICS):
        if name == run_folder.METRICS:
            scored = [
                [row["test_accuracy"] for row in run_folder.read_metrics(each)]
                for each in (folder, run.folder)
            ]
            assert scored[0] == scored[1]
        else:
            assert (folder / name).read_bytes() == (run.folder / name).read_bytes()


def test_a_run_may_be_written_to_a_folder_that_is_called_as_they_are(source, tmp_path, tiny, monkeypatch):
    (tmp_path / "trusted").mkdir()
    monkeypatch.chdir(tmp_path)
    run = labelmend.fit(source, test="trusted", out="trusted/run", **tiny)
    assert run.summary["test_images"] == 6
    with pytest.raises(RunError, match=r"--out trusted/run2 lies inside the data ./trusted"):
        labelmend.fit(source, test="./trusted", out="trusted/run2", **tiny)


def test_the_noise_rate_is_that_of_the_images_that_are_trained_on(source, tiny):
    wanted = {"noise": "symmetric:1.0", "test": "trusted"}
    job = jobs.prepare(resolve(method="ce", overrides=wanted), source)
    assert job.noise_rate == 1
    assert job.noise.realised_rate == pytest.approx(42 / 48)
    assert "100.0% of the labels were changed" in describe_job(job)[1]
    assert jobs.prepare(resolve(method="ce"), source).noise_rate is None
    run = labelmend.fit(source, **wanted, **tiny)
    assert run.summary["realised_noise_rate"] == 1


def test_a_link_is_read_as_what_it_is_called(tmp_path, monkeypatch):
    """As caches of downloads keep files: under a name without a suffix, elsewhere."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "0a1b").write_text("file_name,label\n")
    (tmp_path / "photos.csv").symlink_to(tmp_path / "blobs" / "0a1b")
    assert jobs.absolute("photos.csv") == str(tmp_path / "photos.csv")


def test_weights_of_a_run_stay_right_in_another_working_folder(tmp_path, monkeypatch, photos):
    weights = tmp_path / "w.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), weights)
    monkeypatch.chdir(tmp_path)
    job = jobs.prepare(settings(weights="w.safetensors", pretrained=True, frozen=False), str(photos))
    assert job.settings.network.weights == str(weights)


def test_classes_that_a_limit_cuts_off_are_told_with_noise_too():
    order = np.arange(3).repeat(8)
    data = (np.zeros((24, 8, 8), dtype=np.uint8), [f"class {label}" for label in order])
    wanted = {"noise": "symmetric:0.0", "limit": 16}
    with pytest.warns(LabelmendWarning, match=r"among the first 16, which --limit keeps \(class 2\)"):
        assert len(jobs.prepare(resolve(method="ce", overrides=wanted), data).train_set) == 16
    with pytest.raises(DataError, match="all first 8 images are of one class, 'class 0'"):
        jobs.prepare(resolve(method="ce", overrides=wanted | {"limit": 8}), data)


def test_a_test_set_in_memory_comes_before_trusted_labels(source):
    images = np.zeros((2, 8, 8), dtype=np.uint8)
    job = jobs.prepare(resolve(method="ce", overrides={"test": "trusted"}), source, (images, ["0", "1"]))
    assert (len(job.train_set), len(job.test_set)) == (48, 2)


@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_a_stopped_run_resumes_to_the_same_bytes(stop, same_bytes, epoch):
    folder = stop(epoch)
    labelmend.resume(folder)
    assert same_bytes(folder)
    assert len((folder / run_folder.METRICS).read_text().splitlines()) == 4
    sums = [line.split("  ") for line in (folder / SUMS).read_text().splitlines()]
    for digest, name in sums:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    names = {path.name for path in folder.iterdir() if path.is_file()}
    assert names - {SUMS, ".lock"} == {name for _, name in sums}


def test_damage_to_the_last_state_changes_nothing_of_the_result(stop, same_bytes):
    folder = stop(3)
    path = folder / state.CHECKPOINT
    path.write_bytes(path.read_bytes()[:-1000] + bytes(1000))
    with pytest.warns(LabelmendWarning, match="going on from the one before it"):
        labelmend.resume(folder)
    assert same_bytes(folder)


def test_the_processor_is_asked_once_for_a_run(stop, same_bytes, monkeypatch, whole):
    """Also for one that was stopped before its first state was saved, and goes on on another machine."""
    folder = stop(0)
    recorded = read_object(folder / run_folder.DATA)
    assert recorded["precision"] == whole.description["precision"]
    native = arithmetic.has_bfloat16(torch.device("cpu"))
    monkeypatch.setattr(arithmetic, "has_bfloat16", lambda _device: not native)
    run = labelmend.resume(folder)
    assert run.description["precision"] == recorded["precision"]
    assert run.settings.training.precision == "auto"
    assert same_bytes(folder)


def one_pixel(images):
    images = images.copy()
    images[7, 3, 3] ^= 1
    return images


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda f: {"images": one_pixel(f["images"])}, "other images"),
        (lambda f: {"labels": np.roll(f["labels"], 1)}, "other given labels"),
        (lambda f: {"trusted": ~f["trusted"]}, "other trusted flags"),
        (lambda f: {name: f[name][:40] for name in f}, "it had 48 images, now 40"),
        (lambda f: {"test_images": f["images"][:6], "test_labels": f["labels"][:6]}, "it had no test set"),
    ],
)
def test_other_data_is_refused_with_what_has_changed(stop, source, tmp_path, change, found):
    data = tmp_path / "data.npz"
    shutil.copy(source, data)
    folder = stop(1, data)
    with np.load(data) as file:
        before = dict(file)
    if "test_images" in (changed := change(before)):
        before = {f"train_{name}": value for name, value in before.items()}
    np.savez(data, **before | changed)
    with pytest.raises(RunError, match=rf"has changed \({found}.*labelmend fit"):
        labelmend.resume(folder)


@pytest.mark.parametrize("part", ["images", "labels"])
def test_another_test_set_is_refused(stop, source, tmp_path, part):
    test = tmp_path / "test.npz"
    with np.load(source) as file:
        arrays = {name: file[name][:12] for name in ("images", "labels")}
    np.savez(test, **arrays)
    folder = stop(1, test=str(test))
    np.savez(test, **{**arrays, part: np.roll(arrays[part], 1, axis=0)})
    with pytest.raises(RunError, match=r"other (images|given labels) of the test set"):
        labelmend.resume(folder)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        (run_folder.SETTINGS, "lr: 0.05", "lr: 0.07"),
        (run_folder.SETTINGS, "seed: 0", "seed: 1"),
        (run_folder.DATA, '"images": 48', '"images": 49'),
    ],
)
def test_settings_that_changed_since_the_start_are_refused(stop, name, before, after):
    folder = stop(1)
    text = (folder / name).read_text()
    assert before in text
    (folder / name).write_text(text.replace(before, after))
    with pytest.raises(RunError, match=rf"{name} is not what the run wrote"):
        labelmend.resume(folder)


def test_another_number_of_threads_is_said(stop, monkeypatch):
    folder = stop(1)
    recorded = read_object(folder / run_folder.DATA)["machine"]
    assert set(recorded) == {"processor", "threads", "torch"}
    found = jobs.machine()
    monkeypatch.setattr(jobs, "machine", lambda: {**found, "threads": 7})
    with pytest.warns(LabelmendWarning, match=r"threads was 1, now 7: its result can differ"):
        labelmend.resume(folder)


def test_a_run_of_an_older_version_cannot_be_resumed(stop):
    folder = stop(1)
    (folder / "SHA256SUMS").unlink()
    recorded = read_object(folder / run_folder.DATA)
    recorded["fingerprint"] = "x"
    (folder / run_folder.DATA).write_text(json.dumps(recorded))
    with pytest.raises(RunError, match="older version"):
        labelmend.resume(folder)


def test_a_full_disk_keeps_the_last_good_state_and_says_how_to_go_on(
    source, tiny, tmp_path, monkeypatch, same_bytes
):
    out = tmp_path / "run"
    saved = []
    capture = state.capture

    def full_after_two(trainer):
        saved.append(1)
        if len(saved) > 2:
            raise WriteError("x cannot be written: No space left on device")
        return capture(trainer)

    monkeypatch.setattr(state, "capture", full_after_two)
    with pytest.raises(WriteError, match=rf"No space left .*last good state.* labelmend resume {out}$"):
        labelmend.fit(source, out=out, **tiny)
    monkeypatch.undo()
    labelmend.resume(out)
    assert same_bytes(out)


class NoSteps(CrossEntropy):
    def start_epoch(self, progress):
        return []


@pytest.mark.parametrize("budget", [{"flops": 1e9}, {"minutes": 1.0}, {"epochs": 2.0}])
def test_a_method_without_steps_ends(source, tiny, monkeypatch, budget):
    monkeypatch.setitem(METHODS, "ce", NoSteps)
    settings = {name: value for name, value in tiny.items() if name not in ("epochs", "warmup")}
    with pytest.raises(RunError, match=r"'ce' has no step to take in epoch 1"):
        labelmend.fit(source, method="ce", **settings, **budget)


def test_a_model_whose_weights_are_no_numbers_is_not_kept(source, tiny, tmp_path, monkeypatch):
    record = METHODS["mend"].record

    def poisoned(self):
        found = record(self)
        next(self.final_model().parameters()).data.view(-1)[0] = float("nan")
        return found

    monkeypatch.setattr(METHODS["mend"], "record", poisoned)
    with pytest.raises(RunError, match="weights are no finite numbers"):
        labelmend.fit(source, out=tmp_path / "run", **tiny)
    assert not run_folder.is_finished(tmp_path / "run")


def test_two_runs_in_one_folder(source, tiny, stop):
    folder = stop(1)
    with run_folder.held(folder):
        for begin in (
            lambda: labelmend.resume(folder),
            lambda: labelmend.fit(source, out=folder, overwrite=True, **tiny),
        ):
            with pytest.raises(RunError, match="another labelmend is at work"):
                begin()
    labelmend.resume(folder)


def test_a_run_among_its_images_is_refused(source, tiny, tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(RunError, match="lies inside the data"):
        labelmend.fit(tmp_path, out=tmp_path / "run", **tiny)
    with pytest.raises(RunError, match="lies inside the data"):
        labelmend.fit(source, out=tmp_path / "run", test=tmp_path, **tiny)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
