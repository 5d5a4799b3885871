from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from labelmend.errors import DataError, SettingsError
from labelmend.noise.asymmetric import CIFAR10_MAP, asymmetric, load_map, superclass_map

TRUE = np.tile(np.arange(10), 5000)


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.4])
def test_cifar10_map_flips_mapped_classes_to_their_targets_only(rate: float) -> None:
    given, record = asymmetric(TRUE, 10, rate, 0, CIFAR10_MAP)
    targets = {9: 1, 2: 0, 3: 5, 5: 3, 4: 7}
    flipped = given != TRUE
    assert set(zip(TRUE[flipped].tolist(), given[flipped].tolist(), strict=True)) == set(targets.items())
    for source, target in targets.items():
        assert np.mean(given[source == TRUE] == target) == pytest.approx(rate, abs=0.025)
    assert record.parameters["expected_rate"] == pytest.approx(rate / 2)
    assert record.realised_rate == pytest.approx(rate / 2, abs=0.005)


def test_superclass_map_is_cyclic_within_blocks_of_five() -> None:
    mapping = superclass_map(100)
    assert len(mapping) == 100
    assert [mapping[c] for c in (0, 3, 4, 5, 9, 95, 99)] == [1, 4, 0, 6, 5, 96, 95]
    with pytest.raises(SettingsError, match="multiple of 5"):
        superclass_map(12)


def test_map_files_take_names_and_indices(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"cat": "dog", "2": 0}))
    assert load_map(path, ["bird", "cat", "dog"]) == {1: 2, 2: 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "must be an object"),
        ('{"cat": "cow"}', "'cow' is no class"),
        ('{"cat": "\u00b2"}', "'\u00b2' is no class"),
        ('{"cat": "dog", "cat": "dog"}', "'cat' is there twice"),
        ('{"cat": "dog", "00": "dog"}', "class 'cat' is there twice"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_bad_map_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        load_map(path, ["cat", "dog"])
    with pytest.raises(DataError, match="no such file"):
        load_map(tmp_path / "none.json", ["cat"])


def test_a_class_cannot_be_mapped_to_itself_or_out_of_range() -> None:
    for mapping in ({1: 1}, {1: 10}, {-1: 0}):
        with pytest.raises(SettingsError, match="different classes"):
            asymmetric(TRUE, 10, 0.2, 0, mapping)


def test_numbers_in_a_map_name_classes_before_places(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"2": 3, "3": "1", "0": 2}))
    # There is no class 0, so that it is a place: that of class 5.
    assert load_map(path, ["5", "1", "3", "2"]) == {3: 2, 2: 1, 0: 3}
