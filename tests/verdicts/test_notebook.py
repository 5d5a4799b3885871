"""Verdicts in a notebook: cells and plots."""

import pickle

import matplotlib
import numpy as np
import pytest

import labelmend
from labelmend.errors import DataError
from labelmend.verdicts.verdicts import Verdicts

matplotlib.use("agg")
TINY = {
    "epochs": 6,
    "batch_size": 12,
    "widths": [8, 8],
    "depth": 1,
    "warmup": 0.5,
    "lr": 0.05,
    "test": "none",
}
MARKUP = "<img src=x onerror=hacked()>"


def pictures():
    """Bars and corners; every sixth label is wrong."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (48, 8, 8), dtype=np.uint8)
    for number, image in enumerate(images):
        image[[(slice(2, 4),), (slice(None), slice(5, 7)), (slice(0, 4), slice(0, 4))][number % 3]] = 220
    names = np.array([MARKUP, "b", "a $x^ c"])
    return images, names[(np.arange(48) + (np.arange(48) % 6 == 5)) % 3]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return labelmend.fit(pictures(), out=tmp_path_factory.mktemp("runs") / "run", **TINY)


def with_a_suggestion(run):
    table = run.verdicts.table.copy()
    table.loc[5, ["suggested_label", "verdict"]] = ["b", "hard_corrected"]
    table.loc[5, "given_label"] = MARKUP
    return Verdicts(table, run.verdicts.looks)


def test_a_cell_shows_the_surest_suggestions_with_their_pictures(run):
    html = with_a_suggestion(run)._repr_html_()
    assert "48 images" in html
    assert 'src="data:image/png;base64,' in html
    assert "<img src=x" not in html
    assert "&lt;img src=x onerror=hacked()&gt;" in html


def test_a_cell_without_pictures_says_the_rest(run):
    alone = Verdicts(with_a_suggestion(run).table)
    assert "<img" not in alone._repr_html_()
    assert "<td>b</td>" in alone._repr_html_()
    # The images of this run were in memory, and are not with what was loaded from its folder.
    loaded = labelmend.load_run(run.folder).verdicts
    assert "<img" not in Verdicts(alone.table, loaded.looks)._repr_html_()


def test_the_flow_is_drawn_with_its_numbers(run):
    ax = with_a_suggestion(run).plot_flow()
    assert [text.get_text() for text in ax.texts].count("1") >= 1
    assert ax.get_xlabel() == "suggested label"
    ax.figure.canvas.draw()


def test_the_flow_of_nothing_says_so(run):
    table = run.verdicts.table.copy()
    table["suggested_label"] = table["given_label"]
    assert Verdicts(table).plot_flow().texts[0].get_text() == "no other label is suggested"


@pytest.mark.parametrize("colour", ["given_label", "suggested_label", "verdict"])
def test_the_map_is_drawn_in_each_colour(run, colour):
    ax = run.verdicts.plot_embedding(colour=colour)
    drawn = sum(len(group.get_offsets()) for group in ax.collections)
    assert drawn >= 48
    ax.figure.canvas.draw()


def test_a_map_needs_features(run):
    with pytest.raises(DataError, match="no features"):
        Verdicts(run.verdicts.table).plot_embedding()


def test_a_run_in_memory_has_pictures_too():
    run = labelmend.fit(pictures(), **TINY)
    assert run.verdicts.looks.thumbnail("3", 64).startswith(b"\x89PNG")
    assert run.verdicts.looks.features(["3", "4"])[1].shape == (2, 8)


def test_a_pickle_holds_the_table_and_not_the_images(run):
    again = pickle.loads(pickle.dumps(run.verdicts))
    assert again.table.equals(run.verdicts.table)
    assert again.looks is None
    assert run.verdicts.looks is not None
