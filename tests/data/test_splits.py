from __future__ import annotations

import pytest

from labelmend.data.splits import choose_split, is_split_name, refuse_split, standard_split
from labelmend.errors import DataError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Training", "train"),
        (" valid ", "val"),
        ("validation", "val"),
        ("testing", "test"),
        ("extra", "extra"),
    ],
)
def test_aliases(name, expected):
    assert standard_split(name) == expected


def test_choice():
    assert choose_split(["test", "train"], None, "x") == "train"
    assert choose_split(["test", "extra"], "extra", "x") == "extra"
    with pytest.raises(DataError, match="x: there is no split 'train'; choose one with --split: extra, test"):
        choose_split(["test", "extra"], None, "x")
    refuse_split(None, "x")
    with pytest.raises(DataError, match="--split is 'val'"):
        refuse_split("val", "x")
    assert is_split_name("Dev")
    assert not is_split_name("cat")
