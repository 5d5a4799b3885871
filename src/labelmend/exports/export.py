"""A run in the format of another tool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from labelmend.config import require
from labelmend.data.suggested_labels import MIN_CONFIDENCE
from labelmend.errors import RunError, WriteError
from labelmend.exports.fiftyone import export_fiftyone
from labelmend.exports.huggingface import export_huggingface
from labelmend.exports.label_studio import export_label_studio
from labelmend.exports.labelled import LabelledRun, open_labelled
from labelmend.exports.onnx import export_onnx
from labelmend.exports.tables import export_cleanlab, export_csv
from labelmend.files import reason
from labelmend.runs import folder as run_folder
from labelmend.runs.checksums import check_unchanged

TABLES: dict[str, Callable[[LabelledRun, Path], list[Path]]] = {
    "csv": export_csv,
    "cleanlab": export_cleanlab,
    "huggingface": export_huggingface,
    "labelstudio": export_label_studio,
    "fiftyone": export_fiftyone,
}
ONNX = "onnx"
FORMATS = (*TABLES, ONNX)

EXPORTS = "exports"
"""Folder, in that of a run, with one for each format."""


def export(
    run: str | Path,
    format: str,
    out: str | Path | None = None,
    *,
    min_confidence: float = MIN_CONFIDENCE,
    data: Any = None,
) -> list[Path]:
    """Write a run in the format of another tool.

    Args:
        run: folder of a finished run.
        format: one of ``FORMATS``.
        out: folder to write to, new or empty; by default ``RUN/exports/FORMAT``, which is written anew.
        min_confidence: of a suggestion that ``label`` takes over, in [0, 1]; decisions go first.
        data: the training images, if they were in memory or have moved; only formats with images need them.

    Returns:
        The files that were written.

    Raises:
        SettingsError: If there is no such format.
        RunError: If the run is not finished, its images are needed and gone, a package is missing, or the
            folder holds anything else.
        WriteError: If the system refuses to write.
    """
    require(format in FORMATS, "format", format, f"one of {', '.join(FORMATS)}")
    require(0 <= min_confidence <= 1, "min_confidence", min_confidence, "in [0, 1]")
    folder = Path(run)
    run_folder.require_finished(folder)
    check_unchanged(folder, (run_folder.VERDICTS_PARQUET, run_folder.MODEL_INFO, run_folder.SETTINGS))
    target = folder / EXPORTS / format if out is None else Path(out)
    if out is not None and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RunError(f"--out {out} is there and not empty, and nothing is replaced; give another folder")
    labelled = None if format == ONNX else open_labelled(folder, min_confidence, data)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{target} cannot be made: {reason(error)}") from error
    return export_onnx(folder, target) if labelled is None else TABLES[format](labelled, target)
