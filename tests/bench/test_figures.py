from bench.examples import cell, record
from labelmend.bench.figures import draw_suite, save_figure, varied_settings


def points(axes):
    """Position of each marker that is drawn with error bars."""
    return [tuple(float(value[0]) for value in bars.lines[0].get_data()) for bars in axes.containers]


def test_a_point_a_row_beside_what_others_published():
    records = [
        record(cell("DivideMix"), 0.6),
        record(cell("DivideMix", seed=2), 0.8),
        record(cell("Mine", method="mixup"), 0.9),
    ]
    (axes,) = draw_suite(records).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["DivideMix", "Mine"]
    assert sorted(points(axes)) == [(70, 0), (90, 1), (92.49, 0), (92.56, 0)]


def test_one_panel_a_noise():
    records = [record(cell(noise="symmetric:0.2"), 0.6), record(cell(noise=None), 0.7)]
    titles = [axes.get_title() for axes in draw_suite(records).axes]
    assert titles == ["as given", "symmetric:0.2"]


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
    panels = {axes.get_xlabel(): axes for axes in draw_suite(records).axes}
    line = panels["lr"].containers[0].lines[0]
    assert list(zip(*line.get_data(), strict=True)) == [(0.01, 50), (0.1, 50), (0.5, 70)]
    assert panels["lr"].get_xscale() == "log"
    assert panels["batch_size"].get_xscale() == "linear"


def test_rows_that_differ_otherwise_become_no_lines():
    two = [record(cell("A", lr=0.1)), record(cell("B", lr=0.2))]
    assert varied_settings(two) == {}
    both = [*two, record(cell("C", lr=0.3, batch_size=64))]
    assert varied_settings(both) == {}
    named = [record(cell("A")), record(cell("B", padding="zero")), record(cell("C", lr=0.3))]
    assert varied_settings(named) == {}


def test_the_same_figure_is_the_same_file(tmp_path):
    for name in ("a.png", "b.png"):
        save_figure(draw_suite([record(cell())]), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
