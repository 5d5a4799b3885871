"""Figures of verdicts, drawn on axes of matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb, to_rgb

from labelmend.verdicts.judge import EASY, HARD_CLEAN, HARD_CORRECTED, UNCERTAIN
from labelmend.verdicts.layout import FeatureMap

COLOURS = {EASY: "#5b7289", HARD_CLEAN: "#0b7a6b", HARD_CORRECTED: "#b34700", UNCERTAIN: "#6d4bbd"}
"""Of each verdict, here and on the page of a report."""

MOST_IN_LEGEND = 20
MOST_NUMBERS = 15
"""Classes up to which the numbers of a heat map can be read."""

Colour = tuple[float, float, float]


def new_axes() -> Axes:
    """Axes of a new figure of pyplot, which a notebook shows."""
    from matplotlib import pyplot

    return pyplot.subplots(layout="constrained")[1]


def text_of(name: str) -> str:
    """A name as matplotlib shows it: dollar signs begin no formula."""
    return name.replace("$", r"\$")


def class_colours(number: int) -> list[Colour]:
    """A colour of each class, those of neighbouring numbers far apart."""
    if number <= 10:
        palette = colormaps["tab10"]
        return [to_rgb(palette(at)) for at in range(number)]
    return [tuple(hsv_to_rgb((0.381966 * at % 1, 0.6, 0.8))) for at in range(number)]


def draw_flow(ax: Axes, images: np.ndarray, names: Sequence[str]) -> None:
    """A heat map of suggestions.

    Args:
        ax: to draw on.
        images: int64 (K, K), ``images[given, suggested]``.
        names: of the K classes.
    """
    if not len(names):
        ax.set_axis_off()
        ax.text(0.5, 0.5, "no other label is suggested", ha="center", transform=ax.transAxes)
        return
    shown = [text_of(name) for name in names]
    ax.imshow(np.ma.masked_equal(images, 0), cmap="Oranges", vmin=0, vmax=max(int(images.max()), 1))
    ax.set_xticks(range(len(names)), shown, rotation=0 if max(map(len, names)) <= 2 else 90)
    ax.set_yticks(range(len(names)), shown)
    ax.set_xlabel("suggested label")
    ax.set_ylabel("given label")
    if len(names) <= MOST_NUMBERS:
        for given, suggested in np.argwhere(images):
            number = images[given, suggested]
            colour = "white" if number > 0.6 * images.max() else "black"
            ax.text(suggested, given, str(number), ha="center", va="center", color=colour, fontsize=8)


def draw_quality(ax: Axes, counts: np.ndarray, names: Sequence[str]) -> None:
    """Histogram of label quality by verdict.

    Args:
        ax: to draw on.
        counts: int64 (V, B), images of each verdict in B equal steps from 0 to 1.
        names: of the V verdicts.
    """
    steps = counts.shape[1]
    left = np.arange(steps) / steps
    bottom = np.zeros(steps)
    for name, heights in zip(names, counts, strict=True):
        if heights.any():
            ax.bar(left, heights, 0.9 / steps, bottom, align="edge", color=COLOURS[name], label=name)
            bottom += heights
    ax.set_xlabel("label quality")
    ax.set_ylabel("images")
    ax.legend(frameon=False)


def draw_map(
    ax: Axes,
    found: FeatureMap,
    codes: np.ndarray,
    names: Sequence[str],
    colours: Sequence[Colour | str],
    class_colours: Sequence[Colour | str] | None = None,
) -> None:
    """The map of the paper's Figure 3: features, and anchors in darker colours.

    Args:
        ax: to draw on.
        found: where features and anchors are.
        codes: int64 (N,), class or verdict of each image.
        names: of the codes.
        colours: of the codes.
        class_colours: of the labels of anchors, which are darker; without them anchors are grey.
    """
    shown = []
    for code in np.unique(codes):
        x, y = found.points[codes == code].T
        points = ax.scatter(x, y, s=9, color=colours[code], alpha=0.7, linewidths=0)
        shown.append((points, text_of(names[code])))
    if len(found.anchors):
        dark = [
            tuple(0.5 * part for part in to_rgb("#888888" if class_colours is None else class_colours[label]))
            for label in found.anchor_labels
        ]
        x, y = found.anchors.T
        anchors = ax.scatter(x, y, s=16, c=dark, marker="D", linewidths=0.3, edgecolors="white")
        shown.append((anchors, "anchors"))
    ax.set_aspect("equal", "datalim")
    ax.set_xticks([])
    ax.set_yticks([])
    if len(np.unique(codes)) <= MOST_IN_LEGEND:
        # Named one by one: of itself a legend leaves out what begins with "_".
        ax.legend(
            *zip(*shown, strict=True),
            frameon=False,
            markerscale=2,
            fontsize=8,
            loc="center left",
            bbox_to_anchor=(1, 0.5),
        )


def draw_curves(
    ax: Axes, epochs: Sequence[float | None], series: Mapping[str, Sequence[float | None]]
) -> None:
    """Numbers by epoch; epochs in which one was not measured are passed over."""
    for name, values in series.items():
        known = [(x, y) for x, y in zip(epochs, values, strict=True) if x is not None and y is not None]
        if known:
            ax.plot(*zip(*known, strict=True), marker="." if len(known) <= 30 else None, label=name)
    ax.set_xlabel("epoch")
    if series:
        ax.legend(frameon=False, fontsize=8)
