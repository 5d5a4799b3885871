"""Rows of no split are told from rows of another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelmend.data.row_splits import row_splits, stray_rows
from labelmend.data.tables import Table


def splits(*values):
    return row_splits(Table(Path("t.csv"), {"split": list(values)}, len(values)))


def test_empty_values_are_no_split():
    assert splits("Training", " ", None, float("nan"), "val") == (["train", "", "", "", "val"], "")
    assert splits("", None) is None


@pytest.mark.parametrize(
    ("chosen", "stray"),
    [("train", [2, 3, 4]), ("fold1", [3])],
)
def test_what_may_be_mistyped_is_stray(chosen, stray):
    assert stray_rows(["train", "test", "fold1", "", "trian"], chosen) == stray
