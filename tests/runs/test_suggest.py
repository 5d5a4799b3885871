"""Which recipe a run has where none was asked for."""

import warnings

import pytest
from PIL import Image

from labelmend.errors import LabelmendWarning
from labelmend.runs import suggest
from labelmend.runs.suggest import settle, suggest_recipe
from labelmend.settings.loading import resolve

pytest.importorskip("timm")
OF_LIBRARY = "timm:test_resnet"


def folder_of(path, side):
    for name in ("a", "b"):
        (path / name).mkdir(parents=True)
        Image.new("RGB", (side, side)).save(path / name / "0.png")
    return path


@pytest.fixture
def photos(tmp_path):
    return folder_of(tmp_path / "photos", 80)


@pytest.fixture
def small(tmp_path):
    return folder_of(tmp_path / "small", 32)


def test_recipe_by_the_size_of_the_images(photos, small, monkeypatch):
    assert suggest_recipe(resolve(), photos) == "photos"
    assert suggest_recipe(resolve(), small) == "fast"
    assert suggest_recipe(resolve(overrides={"image_size": 32}), photos) == "fast"
    assert suggest_recipe(resolve(overrides={"network": "resnet18"}), photos) == "fast"
    assert suggest_recipe(resolve(overrides={"network": OF_LIBRARY, "frozen": True}), small) == "photos"
    assert suggest_recipe(resolve(), "digits") == "fast"
    monkeypatch.setattr(suggest, "find_spec", lambda name: None)
    with pytest.warns(LabelmendWarning, match=r"pip install 'labelmend\[photos\]'"):
        assert suggest_recipe(resolve(), photos) == "fast"


@pytest.mark.parametrize(
    ("settings", "frozen"),
    [
        ({"network": OF_LIBRARY}, True),
        ({"network": OF_LIBRARY, "weights": "mine.safetensors"}, True),
        ({"network": OF_LIBRARY, "network.frozen": False}, False),
        ({"network": OF_LIBRARY, "frozen": "false"}, False),
        ({"network": OF_LIBRARY, "pretrained": False}, False),
        ({"frozen": False}, False),
        ({"network": "resnet50"}, False),
    ],
    ids=str,
)
def test_a_network_with_published_weights_gives_features_of_photographs_unless_it_is_to_be_trained(
    photos, settings, frozen
):
    settled = settle(photos, None, None, settings)
    assert settled.network.frozen is frozen
    assert settled.network.network == settings.get("network", "auto")
    assert settled.budget == resolve("photos" if frozen else "fast").budget


def test_small_images_train_the_network_that_is_named(small):
    assert not settle(small, None, None, {"network": OF_LIBRARY}).network.frozen


def test_what_does_nothing_is_said(photos):
    with pytest.warns(LabelmendWarning, match="--flip has no effect: features of a frozen network are of"):
        settle(photos, None, None, {"flip": True})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settle(photos, "fast", None, {"flip": True})


def test_what_there_is_to_say_of_the_data_is_left_to_those_who_load_them(small):
    (small / "empty").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error", LabelmendWarning)
        assert suggest_recipe(resolve(), small) == "fast"
