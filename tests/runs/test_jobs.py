import numpy as np
import pytest
import timm
from PIL import Image
from safetensors.torch import save_file

import labelmend
from labelmend.errors import LabelmendWarning, RunError, SettingsError
from labelmend.runs import folder as run_folder
from labelmend.runs import jobs
from labelmend.runs.run import load_run
from labelmend.settings.loading import resolve
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
