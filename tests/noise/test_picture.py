from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from labelmend.data.image_set import ImageSet
from labelmend.errors import DataError
from labelmend.noise.picture import draw_noise, save_picture
from labelmend.noise.spec import apply


def texts(figure) -> str:
    shown = [text.get_text() for axes in figure.axes for text in [axes.title, *axes.texts]]
    return "\n".join([*shown, *(part.get_suptitle() for part in [figure, *figure.subfigs])])


def test_the_picture_says_rate_matrix_and_flips(fixture_set: ImageSet) -> None:
    noisy, record = apply("pairflip:0.4", fixture_set)
    shown = texts(draw_noise(noisy, record))
    assert f"pairflip: {record.realised_rate:.2%} of the labels are wrong" in shown
    assert "cat >\ndeer" in shown
    assert f"{100 * record.transition[0][1]:.0f}" in shown
    assert "bird >\ntruck" not in shown


def test_clean_labels_have_a_picture_too(fixture_set: ImageSet) -> None:
    assert "no label was changed" in texts(draw_noise(*apply("symmetric:0", fixture_set)))


def test_a_png_is_written_whole(fixture_set: ImageSet, tmp_path: Path) -> None:
    save_picture(tmp_path / "noise.png", *apply("symmetric:0.2", fixture_set))
    with Image.open(tmp_path / "noise.png") as image:
        assert image.format == "PNG"
        assert min(image.size) > 500
    assert [path.name for path in tmp_path.iterdir()] == ["noise.png"]


def test_true_labels_are_needed(fixture_set: ImageSet) -> None:
    noisy, record = apply("symmetric:0.2", fixture_set)
    with pytest.raises(DataError, match="true labels are not known"):
        draw_noise(replace(noisy, true_labels=None), record)


def test_names_are_drawn_as_they_are(fixture_set: ImageSet, tmp_path: Path) -> None:
    names = [r"$\frac{$", "a\nb", *fixture_set.class_names[2:]]
    noisy, record = apply("pairflip:0.4", replace(fixture_set, class_names=names))
    figure = draw_noise(noisy, record)
    figure.draw_without_rendering()
    ticks = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert ticks[:2] == [r"\$\frac{\$", r"a\nb"]


@pytest.mark.filterwarnings("error")
def test_letters_that_the_font_lacks_raise_no_warning(fixture_set: ImageSet, tmp_path: Path) -> None:
    names = ["\u732b", *fixture_set.class_names[1:]]
    save_picture(tmp_path / "n.png", *apply("symmetric:0.2", replace(fixture_set, class_names=names)))
