"""Photographs on features of a frozen backbone: from a folder to predictions."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import labelmend
from labelmend.errors import RunError, SettingsError
from labelmend.runs.backbone import CACHE
from labelmend.runs.features import features_of
from labelmend.runs.pictures import open_pictures
from labelmend.settings.loading import resolve

pytest.importorskip("timm")
OFFLINE = {"network": "efficientnet_lite0", "frozen": True}


def photo(generator, striped: bool) -> Image.Image:
    pixels = generator.integers(0, 60, (80, 100, 3), dtype=np.uint8)
    if striped:
        pixels[::8] += 180
    else:
        pixels[20:60, 30:70, 0] += 180
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two classes of twelve; one picture of each is in the folder of the other."""
    folder, generator = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name, striped in (("stripes", True), ("square", False)):
        (folder / name).mkdir()
        for number in range(12):
            photo(generator, striped != (number == 0)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return labelmend.fit(photos, out=out, recipe="photos", epochs=30, **OFFLINE)


def test_wrong_labels_have_the_lowest_quality(run):
    frame = run.verdicts.table.set_index("id")
    assert set(frame.label_quality.nsmallest(2).index) == {"stripes/0.png", "square/0.png"}
    assert frame.predicted_label["stripes/0.png"] == "square"


def test_a_run_predicts_by_itself_and_the_same_from_its_folder(run, photos, monkeypatch):
    monkeypatch.setattr("labelmend.models.pretrained.get", None)  # nothing is fetched
    sources = [photos / "stripes" / "3.png", photos / "square" / "3.png"]
    again = labelmend.load_run(run.folder)
    assert list(again.predict(sources)) == ["stripes", "square"]
    assert np.array_equal(again.predict_proba(sources), run.predict_proba(sources))
    assert again.predict(np.asarray(Image.open(sources[0]))).tolist() == ["stripes"]


def test_images_have_the_size_that_is_asked_for_also_when_the_run_is_loaded(photos, tmp_path):
    smaller = labelmend.fit(photos, out=tmp_path / "run", recipe="photos", epochs=2, image_size=64, **OFFLINE)
    again = labelmend.load_run(smaller.folder)
    assert smaller.description["backbone"]["size"] == again.backbone.size == 64
    seen = []
    again.backbone.backbone.model.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[2:]))
    new = np.asarray(Image.open(photos / "stripes" / "3.png"))[::-1].copy()
    assert np.allclose(again.predict_proba(new), smaller.predict_proba(new))
    assert seen == [(64, 64)]


def test_features_of_a_loaded_run_are_those_of_its_backbone(run):
    again = labelmend.load_run(run.folder)
    ids = ["stripes/3.png", "square/3.png"]
    found, features = again.verdicts.looks.features(ids)
    assert found == ids
    assert features.shape == (2, again.network.feature_dim)
    with torch.no_grad():
        assert again.network.head(torch.from_numpy(features)).argmax(1).tolist() == [1, 0]


def test_features_are_kept_beside_the_run_and_used_again(run, photos, monkeypatch):
    assert (run.folder.parent / CACHE).is_dir()

    def never(self, pixels):
        raise AssertionError("embedded again")

    monkeypatch.setattr("labelmend.training.embedder.FrozenBackbone.__call__", never)
    labelmend.fit(photos, out=run.folder.parent / "second", recipe="photos", epochs=1, **OFFLINE)


def test_a_run_that_lies_where_nothing_can_be_written_predicts(run, photos, tmp_path, monkeypatch):
    copy = shutil.copytree(run.folder, tmp_path / "shared" / "run")
    expected = run.predict(str(photos))
    monkeypatch.setattr("labelmend.runs.backbone.os.access", lambda path, mode: False)
    assert labelmend.load_run(copy).predict(str(photos)).tolist() == expected.tolist()
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["run"]


def test_features_of_a_few_images_are_computed_and_not_looked_up(run, photos, monkeypatch):
    pictures = open_pictures(run.folder)
    some = run.verdicts.table["id"].tolist()[:3]
    _, kept = features_of(run, pictures, some)
    monkeypatch.setattr("labelmend.runs.features.cache_to_read", None)
    ids, computed = features_of(run, pictures, some, kept=False)
    assert ids == some
    assert np.allclose(computed, kept, atol=1e-5)


def test_other_weights_in_the_folder_are_refused(run, tmp_path):
    import shutil

    from labelmend.tensors import load_tensors, save_tensors

    copy = tmp_path / "copy"
    shutil.copytree(run.folder, copy)
    tensors, _ = load_tensors(copy / "backbone.safetensors")
    name = next(name for name, value in tensors.items() if value.is_floating_point())
    save_tensors(copy / "backbone.safetensors", {**tensors, name: tensors[name] + 1}, {})
    with pytest.raises(RunError, match=r"backbone\.safetensors"):
        labelmend.load_run(copy)


def test_noise_is_that_of_the_pixels_and_the_truth_is_kept(photos):
    noisy = labelmend.fit(
        photos, recipe="photos", noise="symmetric:0.25:seed=1", epochs=1, **OFFLINE
    ).verdicts.table
    plain = labelmend.fit(photos, recipe="fast", noise="symmetric:0.25:seed=1", epochs=1, widths=[4])
    assert noisy.given_label.tolist() == plain.verdicts.table.given_label.tolist()


def test_what_is_said_to_do_nothing_on_features_does_nothing(photos):
    first, second = (
        labelmend.fit(photos, recipe="photos", epochs=2, **OFFLINE, **asked).verdicts.table
        for asked in (
            {"flip": False, "flip_average": False, "memory_format": "contiguous", "crop": 0},
            {"flip": True, "flip_average": True, "memory_format": "channels_last", "crop": 4},
        )
    )
    assert first.equals(second)


@pytest.mark.parametrize("more", [{}, {"finetune": 0.5}], ids=str)
@pytest.mark.parametrize("option", [{"widths": [4]}, {"depth": 1}, {"activation": "gelu"}], ids=str)
def test_options_of_another_network_are_refused_before_anything_is_read(tmp_path, option, more):
    (name,) = option
    told = f"--{name} is .* but --network efficientnet_lite0 has no such option; .* take --network fastnet"
    for network in (OFFLINE, {"frozen": True}):
        with pytest.raises(SettingsError, match=told):
            labelmend.fit(tmp_path / "no such folder", recipe="photos", **network, **option, **more)


def test_a_run_whose_settings_hold_options_of_another_network_can_be_gone_on_with(photos, run, tmp_path):
    """Older versions wrote them, and did nothing with them."""
    copy = shutil.copytree(run.folder, tmp_path / "run")
    written = (copy / "settings.yaml").read_text()
    assert "activation: relu" in written
    (copy / "settings.yaml").write_text(written.replace("activation: relu", "activation: gelu"))
    (copy / "SHA256SUMS").unlink()
    (copy / "summary.json").unlink()
    assert labelmend.resume(copy).verdicts.table.equals(run.verdicts.table)
    assert resolve(copy / "settings.yaml").network == run.settings.network


def test_only_networks_of_a_library_can_be_frozen(photos):
    with pytest.raises(SettingsError, match="--network resnet18 cannot be frozen"):
        labelmend.fit(photos, network="resnet18", frozen=True, epochs=1)


def test_a_run_is_looked_at_without_its_backbone(run, monkeypatch):
    def never(*arguments):
        raise AssertionError("the backbone was loaded")

    monkeypatch.setattr("labelmend.runs.run.restore_frozen", never)
    assert len(labelmend.load_run(run.folder).verdicts) == 24


def test_without_a_folder_features_last_as_long_as_the_process():
    code = (
        "from labelmend.runs.backbone import embedding\n"
        "first, second = (embedding(None, None).keywords['cache'] for _ in range(2))\n"
        "assert first == second and first.is_dir()\n"
        "print(first)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip()
    assert not Path(printed.stdout.strip()).exists()
