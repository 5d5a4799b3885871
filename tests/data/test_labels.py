from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelmend.data.labels import (
    encode_labels,
    list_classes,
    name_indices,
    note_of_indices,
    read_label,
    sort_class_names,
    warn_of_near_names,
    warn_of_no_names,
)
from labelmend.errors import DataError, LabelmendWarning


def test_names_sort_by_number_only_if_all_are_numbers():
    assert sort_class_names(["10", "9", "-1", "9"]) == ["-1", "9", "10"]
    assert sort_class_names(["10", "9", "cat"]) == ["10", "9", "cat"]
    assert sort_class_names(["01", "2", "10"]) == ["01", "10", "2"]  # "01" is a name, not a number


def test_numbers_of_any_length_sort():
    one, two = "1" * 5000, "2" * 5000
    names = [f"-{two}", f"-{one}", "-10", "-9", "0", "9", "10", one, two]
    assert sort_class_names(names[::-1]) == names
    assert encode_labels([two, one], names, "x").tolist() == [8, 7]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_near_names([one, two], "x")


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
    assert encode_labels(["cat", "dog"], ["cat", "dog"], "x").tolist() == [0, 1]
    assert encode_labels([1, 0], ["cat", "dog"], "x").tolist() == [1, 0]
    assert encode_labels(["2", "0"], ["0", "1", "a"], "x").tolist() == [2, 0]  # "0" is the name of index 0


@pytest.mark.parametrize("names", [["1", "2", "3"], ["01", "02", "03"], ["1.0", "2.0", "3.0"]])
def test_classes_called_by_numbers_are_never_indexed(names):
    with pytest.raises(DataError, match=f"x, row 2: class '0' is not one of the 3 classes .{names[0]}, "):
        encode_labels([names[1], 0, names[2]], names, "x")
    assert note_of_indices([0], names, "x") == []


def test_a_column_that_reads_as_names_and_as_indices_is_refused():
    with pytest.raises(DataError, match="row 1: class '0'"):
        encode_labels([0, 2], ["1", "2", "background"], "x")


def test_indices_are_noted_and_names_are_not():
    assert note_of_indices(["1", 0], ["cat", "dog"], "f.csv") == [
        "f.csv: labels are taken for class indices (0 is 'cat'); write class names instead if they are none"
    ]
    assert note_of_indices(["dog", "cat"], ["cat", "dog"], "f.csv") == []


def test_unknown_classes_name_the_row_and_the_classes():
    with pytest.raises(
        DataError, match=r"f\.csv, row 2: class 'cow' is not one of the 2 classes \(cat, dog\)"
    ):
        encode_labels(["cat", "cow"], ["cat", "dog"], "f.csv")
    with pytest.raises(DataError, match=r"^pets, image 'b': class 'cow' .*; correct the label or leave the"):
        encode_labels(["cat", "cow"], ["cat", "dog"], lambda row: f"pets, image {'ab'[row]!r}")
    with pytest.raises(DataError, match="row 3: class '2'"):
        encode_labels([0, 1, 2], ["cat", "dog"], "x")
    with pytest.raises(DataError, match="row 1: class '0'"):
        encode_labels([0, "cat"], ["cat", "dog"], "x")


def test_indices_of_named_classes():
    assert name_indices([1, "b"], ["1", "b"], "x") == ["b", "b"]
    with pytest.raises(DataError, match="row 2: there is no class -1"):
        name_indices([0, -1], ["a", "b"], "x")
    with pytest.raises(DataError, match=r"^row five: there is no class 2"):
        name_indices([2], ["a", "b"], lambda _: "row five")


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


@pytest.mark.parametrize("name", ["nan", "NaN", "N/A", "None", "null", "NA", "<NA>"])
def test_classes_that_may_mean_no_label_are_warned_of(name):
    with pytest.warns(LabelmendWarning, match=f"^m.csv: '{name}' may mean that there is no label"):
        warn_of_no_names(["cat", name, "no", "unknown"], "m.csv")


def test_of_long_names_the_ends_are_listed():
    assert list_classes(["a", "7" * 5000]) == f"a, {'7' * 30} ... {'7' * 30}"
    assert list_classes(list("abcdefghi")) == "a, b, c, d, e, f, g, h, ..."
