"""The figures of a report as files, for papers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labelmend.files import replacing
from labelmend.report import charts
from labelmend.report.content import known_features, place_on_map
from labelmend.report.findings import Findings
from labelmend.report.ours import MAKER, check_ours
from labelmend.verdicts import figures
from labelmend.verdicts.judge import VERDICTS

KINDS = ("png", "svg")
DOTS = 200
"""An inch, of PNG files."""


def draw_figures(findings: Findings) -> dict[str, Figure]:
    """The figures of a run by name; no map where its features cannot be had."""
    found = charts.flow(findings)
    names = [findings.run.classes[c] for c in found.classes]
    drawn = {
        "flow": _figure(6.0, 5.6, lambda ax: figures.draw_flow(ax, found.images, names)),
        "label_quality": _figure(
            6.4, 3.4, lambda ax: figures.draw_quality(ax, charts.quality_histogram(findings), VERDICTS)
        ),
        **_training(findings),
    }
    placed = place_on_map(findings, known_features(findings, ()))
    if placed is not None:
        rows, where = placed
        classes, by_class = findings.run.classes, figures.class_colours(len(findings.run.classes))
        colours = [figures.COLOURS[name] for name in VERDICTS]
        drawn["map_by_class"] = _figure(
            7.2,
            5.6,
            lambda ax: figures.draw_map(ax, where, findings.given[rows], classes, by_class, by_class),
        )
        drawn["map_by_verdict"] = _figure(
            7.2, 5.6, lambda ax: figures.draw_map(ax, where, findings.verdict[rows], VERDICTS, colours)
        )
    return drawn


def _training(findings: Findings) -> dict[str, Figure]:
    found = charts.curves(findings)
    epochs = found.pop("epoch")
    loss = {charts.CURVES[name]: found.pop(name) for name in (charts.LOSS,) if name in found}
    shares = {charts.CURVES[name]: values for name, values in found.items()}
    drawn = {"loss": _figure(5.0, 3.4, lambda ax: figures.draw_curves(ax, epochs, loss))} if loss else {}
    if shares:
        drawn["training"] = _figure(5.6, 3.4, lambda ax: figures.draw_curves(ax, epochs, shares))
    return drawn


def _figure(width: float, height: float, draw: Callable[[Axes], None]) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    draw(figure.subplots())
    return figure


def save(drawn: dict[str, Figure], folder: Path) -> list[Path]:
    """Write each figure as PNG and SVG; the same figures give the same bytes.

    Raises:
        RunError: If a file of one of these names is there that labelmend did not write.
        WriteError: If a file cannot be written.
    """
    for name in drawn:
        for kind in KINDS:
            check_ours(folder / f"{name}.{kind}")
    written = []
    # Letters that no font here has are drawn as boxes.
    with (
        matplotlib.rc_context({"svg.hashsalt": "labelmend", "svg.fonttype": "none"}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        for name, figure in drawn.items():
            for kind in KINDS:
                path = folder / f"{name}.{kind}"
                metadata = {"Date": None, "Creator": MAKER} if kind == "svg" else {"Software": MAKER}
                with replacing(path) as temporary:
                    figure.savefig(temporary, format=kind, dpi=DOTS, metadata=metadata)
                written.append(path)
    return written
