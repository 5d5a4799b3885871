import pytest

from bench.examples import cell, record
from labelmend.bench.figures import draw_suite, save_figure, varied_settings


def points(axes):
    """Position of each marker that is drawn with error bars."""
    return [tuple(float(value[0]) for value in bars.lines[0].get_data()) for bars in axes.containers]


def test_a_point_a_row_beside_what_others_published():
    records = [
        record(cell("DivideMix"), 0.6),
        record(cell("DivideMix", seed=2), 0.8),
        record(cell("A low one", method="mixup"), 0.9),
        record(cell("Another", method="mixup"), 0.2),
    ]
    figure = draw_suite(records)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Another", "DivideMix", "A low one"]
    assert sorted(points(axes)) == [(20, 0), (70, 1), (90, 2), (92.49, 1), (92.56, 1)]
    spread = next(bars for bars in axes.containers if bars.lines[0].get_xdata()[0] == 70)
    ((low, _), (high, _)) = spread.lines[2][0].get_segments()[0]
    assert (low, high) == pytest.approx((70 - 200**0.5, 70 + 200**0.5))
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["this suite", "the paper, full scale, best epoch", "re-run, full scale"]


def test_one_panel_a_noise():
    records = [record(cell(noise="symmetric:0.2"), 0.6), record(cell(noise=None), 0.7)]
    figure = draw_suite(records)
    assert [axes.get_title() for axes in figure.axes] == ["as given", "symmetric:0.2"]
    assert [points(axes) for axes in figure.axes] == [[(70, 0)], [(60, 0)]]
    assert not figure.legends


def test_rows_that_change_one_number_each_become_lines():
    base = {"method": "mixup", "lr": 0.1, "batch_size": 128}
    records = [
        record(cell("Base", **base), 0.5),
        record(cell("Slow", **base | {"lr": 0.01}), 0.4),
        record(cell("Slow", seed=2, **base | {"lr": 0.01}), 0.6),
        record(cell("Fast", **base | {"lr": 0.5}), 0.7),
        record(cell("Big", **base | {"batch_size": 512}), 0.8),
        record(cell("Small", **base | {"batch_size": 64}), 0.9),
    ]
    assert varied_settings(records) == {
        "lr": {0.1: "Base", 0.01: "Slow", 0.5: "Fast"},
        "batch_size": {128: "Base", 512: "Big", 64: "Small"},
    }
    # A row stands for its value whatever its noise.
    other = record(cell("Fast", noise="symmetric:0.2", **base | {"lr": 0.5}), 0.3)
    assert varied_settings([*records, other]) == varied_settings(records)
    panels = {axes.get_xlabel(): axes for axes in draw_suite(records).axes}
    line = panels["lr"].containers[0].lines[0]
    assert list(zip(*line.get_data(), strict=True)) == [(0.01, 50), (0.1, 50), (0.5, 70)]
    ends = [
        [round(float(y)) for _, y in part] for part in panels["lr"].containers[0].lines[2][0].get_segments()
    ]
    assert ends == [[36, 64], [50, 50], [70, 70]]
    assert panels["lr"].get_xscale() == "log"
    assert panels["batch_size"].get_xscale() == "linear"


def test_rows_that_differ_otherwise_become_no_lines():
    two = [record(cell("A", lr=0.1)), record(cell("B", lr=0.2))]
    assert varied_settings(two) == {}
    both = [*two, record(cell("C", lr=0.3, batch_size=64))]
    assert varied_settings(both) == {}
    switched = [*two, record(cell("C", lr=0.3)), record(cell("D", lr=0.1, nesterov=False))]
    assert varied_settings(switched) == {}
    assert set(varied_settings(switched[:3])) == {"lr"}
    # C has its three values, the fourth row would be nowhere.
    lost = [*two, record(cell("C", lr=0.3)), record(cell("D", lr=0.1, batch_size=64))]
    assert set(varied_settings(lost[:3])) == {"lr"} and varied_settings(lost) == {}
    named = [record(cell("A")), record(cell("B", padding="zero")), record(cell("C", lr=0.3))]
    assert varied_settings(named) == {}


def test_the_same_figure_is_the_same_file(tmp_path):
    for name in ("a.png", "b.png"):
        save_figure(draw_suite([record(cell())]), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
