from pathlib import Path

import numpy as np
import pytest

from labelmend.errors import SettingsError
from labelmend.methods import METHODS
from labelmend.settings.names import (
    SECTIONS,
    _section_leaves,
    check_value,
    describe_type,
    find_leaf,
    leaves,
)
from labelmend.settings.retired import RETIRED


@pytest.mark.parametrize("method", list(METHODS))
def test_flat_names_are_unique(method):
    count = sum(len(_section_leaves("", cls)) for cls in SECTIONS.values())
    count += len(_section_leaves("method", METHODS[method].Settings)) + 1
    assert len(leaves(method)) == count


@pytest.mark.parametrize("method", list(METHODS))
def test_every_setting_has_help(method):
    assert [leaf.name for leaf in leaves(method).values() if not leaf.help] == []


def test_types_in_words():
    assert describe_type(int | None) == "a whole number"
    assert describe_type(list[int]) == "a list such as 64,128"
    assert describe_type(list[float]) == "a list such as 0.3,0.6"


@pytest.mark.parametrize("method", list(METHODS))
def test_ranges_are_of_settings(method):
    for section, cls in [*SECTIONS.items(), ("method", METHODS[method].Settings)]:
        assert cls.RANGES.keys() <= {leaf.name for leaf in _section_leaves(section, cls)}


@pytest.mark.parametrize("name", ["old_one", "old-one", "method.old-one"])
def test_a_retired_setting_is_told_from_an_unknown_one(monkeypatch, name):
    monkeypatch.setitem(RETIRED, "mixup", {"old_one": 3})
    with pytest.raises(SettingsError, match="old_one of method 'mixup' was retired: it is now always 3"):
        find_leaf(name, "mixup")
    for unknown, method in (("old_one", "ce"), ("training.old_one", "mixup")):
        with pytest.raises(SettingsError, match="there is no setting"):
            find_leaf(unknown, method)


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("epochs", np.int64(3), 3.0),
        ("lr", np.float32(0.5), 0.5),
        ("batch_size", np.int32(64), 64),
        ("nesterov", np.bool_(False), False),
        ("widths", np.array([4, 8]), [4, 8]),
        ("widths", (np.int64(4), np.int64(8)), [4, 8]),
        ("labels", Path("a") / "b.csv", str(Path("a") / "b.csv")),
        ("lr_schedule", np.str_("cosine"), "cosine"),
    ],
)
def test_numbers_of_numpy_and_paths_are_taken_as_those_of_python(name, given, read):
    found = check_value(find_leaf(name, "mend"), given, "mend")
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("name", "given"), [("batch_size", np.float64(0.5)), ("epochs", np.array([1.0, 2.0])), ("lr", Path("a"))]
)
def test_what_fits_no_setting_is_refused_as_before(name, given):
    with pytest.raises(SettingsError, match=f"--{name.replace('_', '-')} is "):
        check_value(find_leaf(name, "mend"), given, "mend")
