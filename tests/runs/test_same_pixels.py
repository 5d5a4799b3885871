"""Images that are known by their places alone must be those of the run, in its order."""

import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import labelmend
from labelmend.corrections.apply import apply
from labelmend.errors import LabelmendWarning, RunError, SettingsError
from labelmend.exports.export import export
from labelmend.review.session import Session
from labelmend.runs import same_pixels
from labelmend.runs.pictures import open_pictures

FAST = {"epochs": 1, "batch_size": 4, "widths": [8], "depth": 1, "precision": "float32"}
LABELS = ["a"] * 6 + ["b"] * 6
USES = {
    "apply": apply,
    "export": lambda run: export(run, "huggingface"),
    "review": lambda run: Session(run).decisions.close(),
}


def write(path, order, **columns):
    """A table of arrays; the labels are the same whatever the order within them is."""
    pixels = np.random.default_rng(0).integers(0, 255, (12, 8, 8), dtype=np.uint8)
    frame = pd.DataFrame({"image": [pixels[row].tolist() for row in order], "label": LABELS, **columns})
    frame.to_parquet(path)
    return path


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "images.parquet", range(12))


def fit(source, tmp_path, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return labelmend.fit(source, out=tmp_path / "run", **{**FAST, **settings}).folder


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("settings", [{}, {"limit": 8}, {"noise": "symmetric:0.3"}], ids=str)
def test_another_order_within_a_class_is_refused(source, tmp_path, use, settings):
    run = fit(source, tmp_path, **settings)
    USES[use](run)
    write(source, [1, 0, *range(2, 12)])
    with pytest.raises(
        RunError, match="have no names, and are known by their places, where pixels are others"
    ):
        USES[use](run)
    # To look at them is not to write labels.
    assert len(open_pictures(run)) == len(labelmend.load_run(run).verdicts.table)


def test_images_that_are_scored_by_are_not_among_those_compared(source, tmp_path):
    write(source, range(12), trusted=[False, False, True] * 4)
    run = fit(source, tmp_path, test="trusted")
    apply(run)
    write(source, [1, 0, *range(2, 12)], trusted=[False, False, True] * 4)
    with pytest.raises(RunError, match="where pixels are others"):
        apply(run)


def test_images_with_names_are_not_decoded_for_it(tmp_path, monkeypatch):
    source = tmp_path / "photos.csv"
    pixels = np.zeros((8, 8, 3), np.uint8)
    for row in range(12):
        Image.fromarray(pixels + row).save(tmp_path / f"{row}.png")
    pd.DataFrame({"image": [f"{row}.png" for row in range(12)], "label": LABELS}).to_csv(source, index=False)
    run = fit(source, tmp_path)
    monkeypatch.setattr(same_pixels, "prepare", lambda *a, **k: pytest.fail("images were decoded"))
    apply(run)


def offline(*_, **__):
    raise SettingsError("no weights")


def test_other_features_are_told(source, tmp_path, monkeypatch):
    pytest.importorskip("timm")
    frozen = {"network": "timm:test_resnet", "pretrained": False, "frozen": True, "epochs": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = labelmend.fit(source, out=tmp_path / "run", **frozen).folder
    with warnings.catch_warnings():
        warnings.simplefilter("error", LabelmendWarning)
        apply(run)
    write(source, [1, 0, *range(2, 12)])
    with pytest.warns(LabelmendWarning, match="features are others than when .* make sure that their order"):
        apply(run)
    monkeypatch.setattr(same_pixels, "prepare", offline)
    with pytest.warns(LabelmendWarning, match=r"cannot be told \(no weights\): make sure that their order"):
        apply(run)
