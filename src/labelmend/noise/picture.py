"""A picture of label noise: the transition matrix, and images whose label was changed."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from labelmend.data.image_set import ImageSet
from labelmend.errors import DataError
from labelmend.noise.record import NoiseRecord
from labelmend.text import printable

ROWS, COLUMNS = 5, 5
WRITTEN_UP_TO = 20
NAMED_UP_TO = 40
LONGEST_NAME = 40


def shown_names(class_names: list[str]) -> list[str]:
    """Class names as Matplotlib draws them literally: a pair of dollar signs would be read as a formula."""
    return [printable(name, LONGEST_NAME).replace("$", r"\$") for name in class_names]


def draw_noise(image_set: ImageSet, record: NoiseRecord, seed: int = 0) -> Figure:
    """Heat map of ``T[true, given]`` and a random sample of flips.

    Args:
        image_set: images with given and true labels.
        record: of the noise.
        seed: of the choice of examples.

    Raises:
        DataError: If the true labels are not known.
    """
    if image_set.true_labels is None:
        raise DataError(f"{image_set.name}: true labels are not known, so its noise cannot be shown")
    figure = Figure(figsize=(15, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    rate = "" if record.nominal_rate is None else f", {record.nominal_rate:.0%} asked for"
    changed = int((image_set.given_labels != image_set.true_labels).sum())
    figure.suptitle(
        f"{record.name}: {record.realised_rate:.2%} of the labels are wrong "
        f"({changed:,} of {len(image_set):,}{rate})"
    )
    left, right = np.asarray(figure.subfigures(1, 2))
    _draw_matrix(left, np.array(record.transition), shown_names(image_set.class_names))
    _draw_flips(right, image_set, image_set.true_labels, np.random.RandomState(seed))
    return figure


def save_picture(path: Path, image_set: ImageSet, record: NoiseRecord) -> None:
    """Write ``draw_noise`` as a PNG, whatever the name ends in; letters that the font lacks are boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        draw_noise(image_set, record).savefig(path, format="png", dpi=100)


def _draw_matrix(figure: SubFigure, matrix: np.ndarray, class_names: list[str]) -> None:
    axes = figure.subplots()
    image = axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="given label", ylabel="true label", title="T[true, given]: share of each row")
    if len(class_names) <= NAMED_UP_TO:
        axes.set_xticks(range(len(class_names)), class_names, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(class_names)), class_names)
    if len(class_names) <= WRITTEN_UP_TO:
        for (row, column), share in np.ndenumerate(matrix):
            if share >= 0.005:
                colour = "white" if share > 0.5 else "black"
                text = f"{100 * share:.0f}"
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    figure.colorbar(image, ax=axes, shrink=0.8)


def _draw_flips(
    figure: SubFigure, image_set: ImageSet, true: np.ndarray, state: np.random.RandomState
) -> None:
    given, names = image_set.given_labels, shown_names(image_set.class_names)
    flips = np.flatnonzero(given != true)
    chosen = np.sort(state.permutation(flips)[: ROWS * COLUMNS])
    figure.suptitle("changed labels: true > given" if len(flips) else "no label was changed")
    pixels = image_set.images.gather(torch.from_numpy(chosen)).cpu().numpy()
    for place, axes in enumerate(figure.subplots(ROWS, COLUMNS).flat):
        axes.axis("off")
        if place < len(chosen):
            row, shown = chosen[place], pixels[place]
            axes.imshow(shown[..., 0] if shown.shape[2] == 1 else shown, cmap="gray", vmin=0, vmax=255)
            axes.set_title(f"{names[true[row]]} >\n{names[given[row]]}", fontsize=8)
