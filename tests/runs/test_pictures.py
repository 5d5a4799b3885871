import io
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import labelmend
from labelmend.errors import DataError, RunError
from labelmend.runs.pictures import open_pictures

TINY = {"epochs": 1, "batch_size": 12, "widths": [8, 8], "depth": 1, "test": "none"}


def draw(number: int) -> np.ndarray:
    pixels = np.zeros((12, 20, 3), np.uint8)
    pixels[:, :, number % 3] = 10 * number
    return pixels


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Class folders of two times six pictures, 20 x 12 pixels."""
    root = tmp_path_factory.mktemp("pictures") / "data"
    for number in range(12):
        path = root / ("a", "b")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(number)).save(path)
    return root


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    return labelmend.fit(folder, out=tmp_path_factory.mktemp("runs") / "run", **TINY).folder


@pytest.fixture
def moved(folder, run, tmp_path):
    """The data and a run on it, to be changed."""
    data = shutil.copytree(folder, tmp_path / "data")
    out = shutil.copytree(run, tmp_path / "run")
    (out / "data.json").write_text((run / "data.json").read_text().replace(str(folder), str(data)))
    return data, out


def test_pictures_are_those_of_the_files(run):
    pictures = open_pictures(run)
    assert len(pictures) == 12
    assert pictures.notice == ""
    assert "a/4.png" in pictures
    assert np.array_equal(np.asarray(pictures.image("a/4.png")), draw(4))


def test_a_thumbnail_has_the_side_asked_for_and_keeps_its_proportions(run):
    pictures = open_pictures(run)
    small = Image.open(io.BytesIO(pictures.thumbnail("b/11.png", 10)))
    assert (small.size, small.format) == ((10, 6), "JPEG")
    whole = Image.open(io.BytesIO(pictures.thumbnail("b/11.png", 400, "png")))
    assert (whole.size, whole.format) == ((20, 12), "PNG")


@pytest.mark.parametrize("image_id", ["../a/4.png", "/a/4.png", "", "a/4.png\0", "<img>"])
def test_no_other_file_is_opened(run, image_id):
    pictures = open_pictures(run)
    assert image_id not in pictures
    with pytest.raises(DataError, match="there is no image"):
        pictures.image(image_id)


def test_a_file_that_can_no_longer_be_read_is_named(moved):
    data, out = moved
    (data / "a" / "4.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"'a/4\.png' could be read at first, but no longer"):
        open_pictures(out).image("a/4.png")


def test_data_that_has_gone_is_named(moved):
    data, out = moved
    shutil.rmtree(data)
    with pytest.raises(RunError, match=f"is not at {data} any more; say where it is now"):
        open_pictures(out)


def test_data_that_has_moved_can_be_given(moved):
    data, out = moved
    data.rename(data.with_name("elsewhere"))
    assert len(open_pictures(out, data.with_name("elsewhere"))) == 12


def test_files_that_have_gone_are_counted_and_the_others_shown(moved):
    data, out = moved
    (data / "a" / "4.png").unlink()
    pictures = open_pictures(out)
    assert "a/4.png" not in pictures
    assert len(pictures) == 11
    assert "1 of 12 images are no longer there" in pictures.notice


def test_other_files_are_refused(moved):
    data, out = moved
    for path in [*data.rglob("*.png")]:
        path.rename(path.with_name(f"new-{path.name}"))
    with pytest.raises(RunError, match="12 of 12 images are no longer there"):
        open_pictures(out)


def test_a_table_that_was_relabelled_is_told(folder, tmp_path):
    ids = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    frame = pd.DataFrame({"file_name": ids, "label": [name[0] for name in ids]})
    frame.to_csv(tmp_path / "data.csv", index=False)
    out = labelmend.fit(tmp_path / "data.csv", out=tmp_path / "run", image_root=str(folder), **TINY).folder
    assert open_pictures(out).notice == ""
    frame.loc[0, "label"] = "b"
    frame.to_csv(tmp_path / "data.csv", index=False)
    assert "1 labels are others, first that of a/0.png, which was 'a' and is 'b'" in open_pictures(out).notice
    frame.loc[0, "label"] = "owl"
    frame.to_csv(tmp_path / "data.csv", index=False)
    assert "owl" in open_pictures(out).notice


def test_images_that_are_known_by_their_places_must_be_the_same(tmp_path):
    images, labels = np.stack([draw(number)[:, :12] for number in range(12)]), np.arange(12) % 2
    out = labelmend.fit((images, labels), out=tmp_path / "run", **TINY).folder
    with pytest.raises(RunError, match="were in memory"):
        open_pictures(out)
    assert np.array_equal(np.asarray(open_pictures(out, (images, labels)).image("5")), images[5])
    with pytest.raises(RunError, match=r"12 labels are others, first that of 0, which was '0' and is '1'"):
        open_pictures(out, (images, 1 - labels))
    with pytest.raises(RunError, match="1 of 12 images are no longer there"):
        open_pictures(out, (images[:-1], labels[:-1]))


def test_labels_from_a_file_and_added_noise_are_no_change(folder, tmp_path):
    ids = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    labels = pd.DataFrame({"id": ids, "label": ["b" if name[0] == "a" else "a" for name in ids]})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    out = labelmend.fit(folder, labels=str(tmp_path / "labels.csv"), out=tmp_path / "one", **TINY).folder
    assert open_pictures(out).notice == ""
    out = labelmend.fit(folder, noise="symmetric:0.5:seed=0", out=tmp_path / "two", **TINY).folder
    assert open_pictures(out).notice == ""


def test_a_named_data_set_with_noise(tmp_path):
    settings = {**TINY, "batch_size": 64}
    out = labelmend.fit("digits", noise="symmetric:0.4", limit=200, out=tmp_path / "run", **settings).folder
    pictures = open_pictures(out)
    assert len(pictures) == 200
    first = next(iter(pictures.rows))
    assert pictures.image(first).size == (8, 8)


def test_images_of_more_than_8_bits_have_one_scale(tmp_path):
    images = np.linspace(0, 4000, 12 * 64).reshape(12, 8, 8).astype(np.uint16)
    out = labelmend.fit(
        (images, np.arange(12) % 2), out=tmp_path / "run", pixel_range=[0, 4080], **TINY
    ).folder
    pictures = open_pictures(out, (images, np.arange(12) % 2))
    assert np.abs(np.asarray(pictures.image("7")) - images[7] / 16).max() <= 1


@pytest.mark.parametrize("older", [False, True])
def test_a_dark_picture_of_floats_is_shown_dark(tmp_path, older):
    """Also where an older version kept no range, as it was 0..255."""
    images = np.linspace(0, 250, 12 * 64).reshape(12, 8, 8).astype(np.float32)
    images[3] /= 300
    data = (images, np.arange(12) % 2)
    out = labelmend.fit(data, out=tmp_path / "run", **TINY).folder
    pictures = open_pictures(out, data)
    assert pictures.pixel_range == (0, 255)
    if older:
        pictures = replace(pictures, pixel_range=None)
    assert np.array_equal(np.asarray(pictures.image("3")), np.rint(images[3]))
    assert np.array_equal(np.asarray(pictures.image("7")), np.rint(images[7]))


def test_a_run_that_is_not_finished_is_refused(tmp_path):
    with pytest.raises(RunError, match="no run folder"):
        open_pictures(tmp_path / "none")
