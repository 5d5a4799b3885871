"""One prediction for each picture, whatever it is handed over as."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import labelmend
from labelmend.errors import DataError, LabelmendWarning
from labelmend.runs.run import most_probable

FAST = {"epochs": 1, "batch_size": 8, "widths": [8], "depth": 1, "precision": "float32"}


@pytest.fixture(scope="module")
def colours():
    pixels = np.random.default_rng(0).integers(0, 100, (24, 8, 8, 3), dtype=np.uint8)
    pixels[::2] += 150
    return pixels


@pytest.fixture(scope="module")
def run(colours):
    return labelmend.fit((colours, ["light", "dark"] * 12), memory_format="contiguous", **FAST)


def test_each_form_of_a_picture_has_the_same_prediction(run, colours):
    first = colours[0]
    expected = run.predict_proba(colours)[0]
    channels_first = first.transpose(2, 0, 1)
    forms = [
        first,
        channels_first,
        torch.from_numpy(channels_first.copy()),
        Image.fromarray(first),
        first[None],
    ]
    for form in forms:
        np.testing.assert_allclose(run.predict_proba(form), expected[None], atol=1e-6)
        assert run.predict(form).shape == (1,)
    np.testing.assert_allclose(run.predict_proba(forms[:4]), [expected] * 4, atol=1e-6)


def test_an_unreadable_file_has_a_row_of_its_own(run, colours, tmp_path):
    for i in range(3):
        Image.fromarray(colours[i]).save(tmp_path / f"{i}.png")
    (tmp_path / "1.png").write_text("no image")
    files = [tmp_path / f"{i}.png" for i in range(3)]
    with pytest.warns(LabelmendWarning, match=r"1 of 3 images cannot be read.*1\.png: not an image"):
        probabilities = run.predict_proba(files)
    assert np.isnan(probabilities).any(1).tolist() == [False, True, False]
    np.testing.assert_allclose(probabilities[[0, 2]], run.predict_proba(colours[[0, 2]]), atol=1e-6)
    with pytest.warns(LabelmendWarning):
        predicted = run.predict(files)
    assert predicted[1] is None
    assert predicted[0] in run.classes


def test_a_run_keeps_the_scale_of_its_training_images(colours, tmp_path):
    labels = ["light", "dark"] * 12
    fitted = labelmend.fit(
        (colours.astype(np.float32), labels), out=tmp_path / "run", memory_format="contiguous", **FAST
    )
    loaded = labelmend.load_run(tmp_path / "run")
    assert repr(loaded.description["pixel_range"]) == "[0.0, 255.0]"
    dark = colours[:1] / np.float32(255)
    for each in (fitted, loaded):
        with pytest.warns(LabelmendWarning, match="use only"):
            alone = each.predict_proba(dark)
        together = each.predict_proba(np.concatenate([dark, colours.astype(np.float32)]))
        np.testing.assert_allclose(alone, together[:1], atol=1e-6)
    labelmend.fit(
        (colours.astype(np.uint16) * 257, labels), out=tmp_path / "deep", memory_format="contiguous", **FAST
    )
    deep = labelmend.load_run(tmp_path / "deep")
    assert all(isinstance(end, int) for end in deep.description["pixel_range"])
    with pytest.warns(LabelmendWarning, match="are read from 0 to 1"):
        rows = deep.predict_proba(colours / 255.0)
    np.testing.assert_allclose(rows, deep.predict_proba(colours.astype(np.uint16) * 257), atol=0.05)
    assert len(np.unique(rows.round(4), axis=0)) > 1


def test_a_value_just_above_one_changes_no_prediction(run, colours):
    images = colours / 255.0
    expected = run.predict_proba(images)
    images[0, 0, 0, 0] = 1.0000002
    with pytest.warns(LabelmendWarning, match="1 of 24 float images have values outside 0 to 1"):
        found = run.predict_proba(images)
    np.testing.assert_allclose(found[1:], expected[1:], atol=1e-6)
    np.testing.assert_allclose(expected, run.predict_proba(colours), atol=1e-6)


def test_a_saved_picture_has_one_prediction(run, colours, tmp_path):
    np.save(tmp_path / "x.npy", colours[0])
    np.testing.assert_allclose(
        run.predict_proba(tmp_path / "x.npy"), run.predict_proba(colours[:1]), atol=1e-6
    )


def test_nothing_to_predict_is_an_error(run):
    with pytest.raises(DataError, match="the list of images is empty"):
        run.predict([])
    with pytest.raises(DataError, match="there are no images"):
        run.predict(np.zeros((0, 8, 8, 3), np.uint8))


def test_the_most_probable_class_by_hand():
    rows = np.array([[0.2, 0.8], [np.nan, np.nan], [0.6, 0.4]])
    assert most_probable(np.array(["a", "b"], object), rows).tolist() == ["b", None, "a"]
    assert most_probable(np.array([5, 7]), rows).tolist() == [7, None, 5]
    whole = most_probable(np.array([5, 7]), rows[[0, 2]])
    assert whole.tolist() == [7, 5]
    assert whole.dtype.kind == "i"


def test_a_table_may_name_its_images_in_any_column_and_folder(run, colours, tmp_path):
    photos, tables = tmp_path / "photos", tmp_path / "tables"
    photos.mkdir()
    tables.mkdir()
    for i in range(4):
        Image.fromarray(colours[i]).save(photos / f"{i}.png")
    table = tables / "scans.csv"
    table.write_text("left,right\n0.png,1.png\n2.png,3.png\n")
    found = run.predict_proba(table, image_column="right", image_root=photos)
    np.testing.assert_allclose(found, run.predict_proba(colours[[1, 3]]), atol=1e-6)
    with pytest.raises(DataError, match="--image-column"):
        run.predict(table, image_root=photos)
    with pytest.raises(DataError, match="is not a folder"):
        run.predict(table, image_column="right", image_root=tmp_path / "nowhere")
