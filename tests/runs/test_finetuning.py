"""A frozen backbone that is trained after the run on its features: from photographs to predictions."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import labelmend
from labelmend.cli.result import print_result
from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.errors import RunError, SettingsError
from labelmend.methods import METHODS
from labelmend.report.words import percent
from labelmend.report.write import write_report
from labelmend.runs import folder as run_folder
from labelmend.runs import jobs
from labelmend.runs.finetuning import believed, estimated_seconds
from labelmend.runs.suggest import suggest_recipe
from labelmend.settings.loading import resolve
from labelmend.training.listener import Silent
from labelmend.training.setup import resolve_batch_size

pytest.importorskip("timm")
BARE = {"recipe": "photos", "network": "timm:test_resnet", "pretrained": False, "precision": "float32"}
TINY = {**BARE, "epochs": 4, "finetune": 2}


@pytest.fixture(scope="module", autouse=True)
def untimed():
    """Without half a second in which each network is timed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("labelmend.training.probe.SECONDS", 0.0)
        # Large enough for a few steps to show.
        patch.setattr("labelmend.training.finetune.LR", 0.01)
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two classes of twelve, of which four are for testing; one picture of each is in the other folder."""
    root, generator = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for split, numbers in (("train", range(12)), ("test", range(12, 16))):
        for name, colour in (("red", 0), ("blue", 2)):
            (root / split / name).mkdir(parents=True)
            for number in numbers:
                pixels = generator.integers(0, 90, (70, 80, 3), dtype=np.uint8)
                pixels[..., colour if number else 2 - colour] += 150
                Image.fromarray(pixels).save(root / split / name / f"{number}.png")
    return root


def fit(photos, out=None, **settings):
    return labelmend.fit(photos / "train", test=photos / "test", out=out, **{**TINY, **settings})


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    return fit(photos, tmp_path_factory.mktemp("runs") / "run")


def contents(folder):
    """What decides the result of a run; times are left out."""
    found = {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.suffix in (".safetensors", ".csv", ".yaml")
    }
    assert {"model.safetensors", "backbone.safetensors", "frozen/model.safetensors"} <= found.keys()
    assert not any("checkpoint" in name for name in found)
    return found


def test_its_time_is_told_from_steps_of_the_batches_that_it_will_have(run, monkeypatch):
    """Two epochs of 500 images at 50 images a second."""
    asked = []
    monkeypatch.setattr(
        "labelmend.runs.finetuning.images_per_second", lambda *given: asked.append(given) or 50.0
    )
    before = labelmend.load_run(run.folder / "frozen")
    assert estimated_seconds(run.settings, before.backbone, 500) == 2 * 500 / 50
    ((network, shape, arithmetic, batch_size),) = asked
    assert network is before.backbone.backbone
    assert shape == (3, before.backbone.size, before.backbone.size)
    assert arithmetic.precision == "float32"
    assert batch_size == resolve_batch_size(run.settings.training, 500, before.backbone.size)


def test_the_backbone_is_another_and_the_verdicts_are_those_of_the_frozen_one(run):
    before = labelmend.load_run(run.folder / "frozen")
    after = labelmend.load_run(run.folder)
    pd.testing.assert_frame_equal(before.verdicts.table, after.verdicts.table)
    weights = [each.backbone.backbone.model.state_dict() for each in (before, after)]
    assert weights[0].keys() == weights[1].keys()
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert before.settings.network.finetune == 0
    assert after.settings.network.finetune == 2
    assert [row["epoch"] for row in run_folder.read_metrics(run.folder)] == [1, 2]


def test_the_summary_tells_of_both(run):
    before = json.loads((run.folder / "frozen" / "summary.json").read_text())
    summary = run.summary
    assert summary["frozen"] == {
        name: before[name] for name in ("test_accuracy_last", "epochs", "flops", "seconds")
    }
    assert summary["epochs"] == pytest.approx(2)
    assert summary["flops"] > before["flops"]
    assert summary["seconds"] > before["seconds"]
    assert summary["verdicts"] == before["verdicts"]
    last = run_folder.read_metrics(run.folder)[-1]["test_accuracy"]
    assert summary["test_accuracy_last"] == last


def test_the_result_names_both_accuracies(run, capsys):
    print_result(run)
    printed = capsys.readouterr().out
    before, after = (percent(each["test_accuracy_last"]) for each in (run.summary["frozen"], run.summary))
    assert f"Test accuracy: last epoch {after}" in printed
    assert f"Test accuracy of the frozen network, before it was trained: {before}" in printed
    page = " ".join(write_report(run.folder).read_text().split())
    assert f"of the frozen network, before it was trained</dt><dd>{before}</dd>" in page.replace("> <", "><")


def test_it_predicts_what_was_scored_and_the_same_from_its_folder(run, photos):
    files = sorted((photos / "test").rglob("*.png"))
    again = labelmend.load_run(run.folder)
    assert np.array_equal(again.predict_proba(files), run.predict_proba(files))
    right = [name == file.parent.name for name, file in zip(again.predict(files), files, strict=True)]
    assert np.mean(right) == pytest.approx(run.summary["test_accuracy_last"])
    before = labelmend.load_run(run.folder / "frozen")
    assert not np.allclose(before.predict_proba(files), run.predict_proba(files), atol=1e-3)


def test_pictures_whose_label_is_trusted_are_scored_by(photos, tmp_path):
    files = sorted((photos / "train").rglob("*.png"))
    table = pd.DataFrame({"path": files, "label": [file.parent.name for file in files]})
    table["trusted"] = [file.stem in ("3", "7") for file in files]
    table.to_csv(tmp_path / "labels.csv", index=False)
    changed = {name: value for name, value in TINY.items() if name != "recipe"} | {"test": "trusted"}
    job = jobs.prepare(resolve("photos", overrides=changed), tmp_path / "labels.csv")
    trained, scored = job.photographs.train, job.photographs.test
    assert scored.ids == job.test_set.ids == [str(file) for file in files if file.stem in ("3", "7")]
    assert trained.ids == job.train_set.ids
    # 0.png of each class looks like the other class, and is no copy of anything.
    assert len(trained) == 20
    assert not trained.has_features
    run = jobs.start(job)
    assert run.summary["test_images"] == 4


def test_without_training_it_is_the_frozen_model(run, photos, monkeypatch):
    monkeypatch.setattr("labelmend.training.finetune.LR", 1e-12)
    still = fit(photos, finetune=0.5)
    files = sorted((photos / "test").rglob("*.png"))
    frozen = labelmend.fit(photos / "train", **{**TINY, "finetune": 0.0})
    np.testing.assert_allclose(still.predict_proba(files), frozen.predict_proba(files), atol=1e-4)


class StopAt(Silent):
    """Stops in an epoch of one of the two parts of a run, as a kill would."""

    def __init__(self, part, epoch):
        self.part, self.epoch, self.begun = part, epoch, 0

    def on_start(self, info):
        self.begun += 1
        self.look(0)

    def on_epoch(self, row):
        self.look(row["epoch"])

    def look(self, epoch):
        if (self.begun, epoch) == (self.part, self.epoch):
            raise KeyboardInterrupt


@pytest.mark.parametrize("moment", [(1, 0), (1, 4), (2, 0), (2, 1)])
def test_a_killed_run_ends_with_the_bytes_of_one_that_was_not(run, photos, tmp_path, moment):
    with pytest.raises(KeyboardInterrupt):
        fit(photos, tmp_path / "run", listener=StopAt(*moment))
    assert run_folder.is_unfinished(tmp_path / "run")
    resumed = labelmend.resume(tmp_path / "run")
    assert contents(tmp_path / "run") == contents(run.folder)
    same = ("verdicts", "test_accuracy_last", "epochs", "flops")
    assert {name: resumed.summary[name] for name in same} == {name: run.summary[name] for name in same}


def test_a_run_in_memory_is_the_same(run, photos):
    images = sorted((photos / "test").rglob("*.png"))
    assert np.array_equal(fit(photos).predict_proba(images), run.predict_proba(images))


def test_arrays_with_noise_and_a_limit(photos):
    generator = np.random.default_rng(0)
    labels = np.tile(["red", "blue"], 12)
    pixels = generator.integers(0, 90, (24, 20, 20, 3), dtype=np.uint8)
    pixels[labels == "red", ..., 0] += 150
    settings = {**TINY, "noise": "symmetric:0.2:seed=0", "limit": 20, "finetune": 0.5}
    run = labelmend.fit((pixels, labels), **settings)
    plain = labelmend.fit((pixels, labels), **{**settings, "finetune": 0.0})
    pd.testing.assert_frame_equal(run.verdicts.table, plain.verdicts.table)
    assert len(run.verdicts) == 20
    assert "test_accuracy_last" not in run.summary


# One whose outputs are more than the classes, one of two networks, one of stages.
@pytest.mark.parametrize("method", ["dac", "co_teaching", "cleanlab"])
def test_other_methods_come_first_too(method, photos, tmp_path):
    run = fit(photos, tmp_path / "run", method=method, finetune=1)
    again = labelmend.load_run(tmp_path / "run")
    files = sorted((photos / "test").rglob("*.png"))
    found = again.predict_proba(files)
    assert found.shape == (8, 2)
    assert np.allclose(found.sum(1), 1, atol=1e-5)
    assert np.array_equal(found, run.predict_proba(files))
    assert again.description["num_outputs"] == METHODS[method].num_outputs(2)


def test_another_run_in_the_folder_leaves_nothing_of_it(photos, tmp_path):
    fit(photos, tmp_path / "run", finetune=0.5)
    assert (tmp_path / "run" / "frozen").is_dir()
    fit(photos, tmp_path / "run", finetune=0.0, overwrite=True)
    assert not (tmp_path / "run" / "frozen").exists()


def test_what_cannot_be_is_refused_in_one_line(photos):
    with pytest.raises(SettingsError, match="--finetune 2 trains a network further that was frozen first"):
        fit(photos, recipe="fast")
    with pytest.raises(SettingsError, match=r"--finetune is -1\.0, but must be 0 or more"):
        fit(photos, finetune=-1)
    with pytest.raises(SettingsError, match="--network resnet18 cannot be frozen"):
        labelmend.fit(photos / "train", network="resnet18", finetune=1)


def test_the_recipe_is_that_of_photographs_whatever_the_images(photos):
    assert suggest_recipe(resolve(overrides={"finetune": 1}), "digits") == "photos"
    assert suggest_recipe(resolve(overrides={"finetune": 1, "network": "timm:resnet50"}), photos) == "photos"


def table_of(given, suggested, issue):
    frame = pd.DataFrame({"given_label": given, "suggested_label": suggested, "is_label_issue": issue})
    return SimpleNamespace(verdicts=SimpleNamespace(table=frame))


def images_of(labels, trusted=None):
    pixels = MemoryImages(torch.zeros(len(labels), 4, 4, 3, dtype=torch.uint8))
    ids = [str(number) for number in range(len(labels))]
    return ImageSet(pixels, np.asarray(labels), ["a", "b"], ids, [""] * len(labels), trusted=trusted)


def test_labels_that_are_believed_by_hand():
    # Kept; changed; flagged without a suggestion; kept.
    run = table_of(list("abab"), list("aaab"), [False, True, True, False])
    found = believed(run, images_of([0, 1, 0, 1]))
    assert found.ids == ["0", "1", "3"]
    assert found.given_labels.tolist() == [0, 0, 1]
    confirmed = np.array([False, True, True, False])
    found = believed(run, images_of([0, 1, 0, 1], confirmed))
    assert found.given_labels.tolist() == [0, 1, 0, 1]


def test_too_few_believed_labels_are_refused():
    run = table_of(list("ab"), list("ab"), [False, True])
    with pytest.raises(RunError, match="believes 1 labels, of fewer than two classes"):
        believed(run, images_of([0, 1]))
