from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelmend.data.labels import (
    encode_labels,
    name_indices,
    read_label,
    sort_class_names,
    warn_of_near_names,
    warn_of_no_names,
)
from labelmend.errors import DataError


def test_names_sort_by_number_only_if_all_are_numbers():
    assert sort_class_names(["10", "9", "-1", "9"]) == ["-1", "9", "10"]
    assert sort_class_names(["10", "9", "cat"]) == ["10", "9", "cat"]
    assert sort_class_names(["01", "2", "10"]) == ["01", "10", "2"]  # "01" is a name, not a number


@pytest.mark.parametrize(
    ("value", "expected"),
    [("cat", "cat"), (3, 3), (3.0, 3), (np.int64(4), 4), (torch.tensor(5), 5), (True, "True"), ("7", "7")],
)
def test_read_label(value, expected):
    read = read_label(value, "x")
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize("value", [None, "", float("nan"), np.float64("nan")])
def test_empty_labels_are_refused_with_their_place(value):
    with pytest.raises(DataError, match=r"m\.csv, row 3: the label is empty"):
        read_label(value, "m.csv, row 3")


def test_fractions_are_refused():
    with pytest.raises(DataError, match=r"0\.5"):
        read_label(0.5, "x")


def test_a_column_is_names_if_all_are_names_else_indices():
    names = ["1", "2", "3"]
    assert encode_labels(["1", "3"], names, "x").tolist() == [0, 2]  # names come first
    assert encode_labels([0, 1, 2], names, "x").tolist() == [0, 1, 2]  # 0 is no name, so all are indices
    assert encode_labels(["cat", "dog"], ["cat", "dog"], "x").tolist() == [0, 1]
    assert encode_labels([1, 0], ["cat", "dog"], "x").tolist() == [1, 0]


def test_unknown_classes_name_the_row_and_the_classes():
    with pytest.raises(
        DataError, match=r"f\.csv, row 2: class 'cow' is not one of the 2 classes \(cat, dog\)"
    ):
        encode_labels(["cat", "cow"], ["cat", "dog"], "f.csv")
    with pytest.raises(DataError, match="row 3: class '2'"):
        encode_labels([0, 1, 2], ["cat", "dog"], "x")
    with pytest.raises(DataError, match="row 1: class '0'"):
        encode_labels([0, "cat"], ["cat", "dog"], "x")


def test_indices_of_named_classes():
    assert name_indices([1, "b"], ["1", "b"], "x") == ["b", "b"]
    with pytest.raises(DataError, match="row 2: there is no class -1"):
        name_indices([0, -1], ["a", "b"], "x")


@given(st.lists(st.integers(-50, 50) | st.text(min_size=1, max_size=4), min_size=1))
def test_encoding_can_be_undone(labels):
    names = sort_class_names(str(label) for label in labels)
    encoded = encode_labels(labels, names, "x")
    assert [names[i] for i in encoded] == [str(label) for label in labels]
    assert encoded.dtype == np.int64


def test_numbers_that_differ_are_no_near_names():
    """A sign is no separator, and neither is a point."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_near_names(["-2", "2", "1.5", "15", "-", "_"], "x")


def test_names_of_several_words_are_no_several_labels():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_no_names(["New York", "York", "-1", "cat"], "x")
