from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from labelmend.verdicts.figures import draw_flow, draw_map
from labelmend.verdicts.layout import FeatureMap


def test_numbers_stand_in_the_cells_they_are_of():
    ax = Figure().add_subplot()
    draw_flow(ax, np.array([[0, 3, 0], [0, 0, 7], [0, 0, 0]]), ["a", "b", "c"])
    # Across suggested, down given.
    assert {(t.get_position(), t.get_text()) for t in ax.texts} == {((1, 0), "3"), ((2, 1), "7")}


def test_a_class_whose_name_begins_with_an_underscore_is_in_the_legend():
    ax = Figure().add_subplot()
    found = FeatureMap(np.arange(6.0).reshape(3, 2), np.ones((1, 2)), np.zeros(1, dtype=np.int64))
    draw_map(ax, found, np.array([0, 1, 2]), ["_background_", "cat", "dog"], ["red", "green", "blue"])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "_background_",
        "cat",
        "dog",
        "anchors",
    ]


def test_a_class_called_as_the_anchors_are_has_its_own_place_in_the_legend():
    ax = Figure().add_subplot()
    found = FeatureMap(np.arange(4.0).reshape(2, 2), np.ones((1, 2)), np.zeros(1, dtype=np.int64))
    draw_map(ax, found, np.array([0, 1]), ["anchors", "cat"], ["red", "green"])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["anchors", "cat", "anchors"]
