import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from labelmend.bench.suite import read_suite
from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.data.sources import load
from labelmend.errors import DataError, SettingsError
from labelmend.settings.saving import to_dict

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "tuning.py"
spec = importlib.util.spec_from_file_location("tuning", SCRIPT)
tuning = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tuning)
SEARCH = yaml.safe_load(tuning.SEARCH.read_text(encoding="utf-8"))


def test_the_wrong_one_of_two_labels_is_taken():
    true, first, second = np.array([0, 1, 2, 3]), np.array([0, 1, 5, 6]), np.array([0, 4, 2, 7])
    assert tuning.tuning_labels(first, second, true).tolist() == [0, 4, 5, 6]


def test_the_file_holds_the_images_to_train_on_and_those_to_score_by(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "TRAINED_ON", slice(2, 6))
    monkeypatch.setattr(tuning, "SCORED_BY", slice(8, 12))
    pixels = torch.arange(12, dtype=torch.uint8)[:, None, None, None].expand(12, 8, 8, 3).contiguous()
    true = np.arange(12) % 2
    ids = [str(i) for i in range(12)]
    clean = ImageSet(MemoryImages(pixels), true, ["cat", "dog"], ids, [""] * 12)
    tuning.keep_images(clean, 1 - true, tmp_path / tuning.IMAGES)
    for split, images, given in (
        ("train", [2, 3, 4, 5], 1 - true[2:6]),
        ("test", [8, 9, 10, 11], true[8:12]),
    ):
        found = load(tmp_path / tuning.IMAGES, split=split)
        assert found.images.gather(torch.arange(4))[:, 0, 0, 0].tolist() == images
        assert found.given_labels.tolist() == given.tolist()
        assert found.class_names == ["cat", "dog"]
    assert load(tmp_path / tuning.IMAGES).true_labels.tolist() == true[2:6].tolist()
    # A search that goes on is of the same data, or refused with the file as it was.
    written = (tmp_path / tuning.IMAGES).read_bytes()
    tuning.keep_images(clean, 1 - true, tmp_path / tuning.IMAGES)
    with pytest.raises(DataError, match=r"tuning\.npz: the search that is there is of other data"):
        tuning.keep_images(clean, true, tmp_path / tuning.IMAGES)
    assert (tmp_path / tuning.IMAGES).read_bytes() == written


def test_a_search_that_goes_on_has_the_same_settings_or_is_refused(tmp_path):
    file = tmp_path / "tuning-ce.yaml"
    for _ in range(2):
        tuning.keep_suite(tuning.suite_of("ce", SEARCH["ce"], 1e12), file)
    assert read_suite(file).cells[0].settings.budget.flops == 1e12
    with pytest.raises(SettingsError, match=r"tuning-ce\.yaml: the search that is there has other settings"):
        tuning.keep_suite(tuning.suite_of("ce", SEARCH["ce"], 2e12), file)
    assert read_suite(file).cells[0].settings.budget.flops == 1e12


@pytest.mark.parametrize("method", SEARCH)
def test_the_rows_of_a_search_differ_in_what_is_listed_alone(method, tmp_path):
    file = tmp_path / f"tuning-{method}.yaml"
    file.write_text(yaml.safe_dump(tuning.suite_of(method, SEARCH[method], 2.45e13), sort_keys=False))
    cells = read_suite(file).cells
    assert len(cells) == 8
    assert cells[0].row == "defaults"
    plain = to_dict(cells[0].settings)
    assert plain["method"]["name"] == method
    assert plain["budget"]["flops"] == 2.45e13
    for cell, changes in zip(cells, SEARCH[method], strict=True):
        found = to_dict(cell.settings)
        moved = {
            name: value
            for section, values in found.items()
            if isinstance(values, dict)
            for name, value in values.items()
            if value != plain[section][name]
        }
        assert moved == changes
