from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from labelmend.verdicts.figures import draw_flow


def test_numbers_stand_in_the_cells_they_are_of():
    ax = Figure().add_subplot()
    draw_flow(ax, np.array([[0, 3, 0], [0, 0, 7], [0, 0, 0]]), ["a", "b", "c"])
    # Across suggested, down given.
    assert {(t.get_position(), t.get_text()) for t in ax.texts} == {((1, 0), "3"), ((2, 1), "7")}
