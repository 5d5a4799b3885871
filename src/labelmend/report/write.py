"""The report of a run on disk."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from labelmend.errors import LabelmendWarning, WriteError
from labelmend.files import check_writable, reason, write_text
from labelmend.report.content import content
from labelmend.report.findings import gather
from labelmend.report.ours import check_ours
from labelmend.report.page import render
from labelmend.report.static import draw_figures, save
from labelmend.runs import folder as run_folder
from labelmend.runs.records import DataRecord, read_record
from labelmend.settings.loading import load


def write_report(run: str | Path, out: str | Path | None = None, data: Any = None) -> Path:
    """Write what a finished run found as one page of HTML that needs no other file and no network.

    Args:
        run: folder of the run.
        out: the file; by default ``report.html`` in the folder.
        data: the training images, if they were in memory, or have moved. Without them, or where the data of
            the run have gone, the page has no pictures, and says so.

    Returns:
        Path of the page.

    Raises:
        RunError: If the folder holds no finished run, or the data given are not those of the run; if a file
            is in the way that is no report.
        WriteError: If the file cannot be written.

    Warns:
        LabelmendWarning: If pictures are left out, with the reason.
    """
    path = Path(run) / run_folder.REPORT if out is None else Path(out)
    check_ours(path)
    findings = gather(run, data)
    if findings.notice:
        lost = "the report has no pictures: " if findings.pictures is None else ""
        warnings.warn(f"{lost}{findings.notice}", LabelmendWarning, stacklevel=2)
    check_writable(path)
    write_text(path, render(findings, content(findings)))
    return path


def write_figures(run: str | Path, folder: str | Path, data: Any = None) -> list[Path]:
    """Write the figures of a run as PNG and SVG files.

    Args:
        run: folder of the run.
        folder: to write to; made if it is not there. Files of other names in it are let be.
        data: as for ``write_report``; without pictures there is no map.

    Returns:
        Paths of the files.

    Raises:
        RunError: As ``write_report``; if the folder lies among the images of the run.
        WriteError: If a file cannot be written.
    """
    findings = gather(run, data)
    folder, settings = Path(folder), load(Path(run) / run_folder.SETTINGS).data
    source = read_record(Path(run) / run_folder.DATA, DataRecord)["source"]
    run_folder.check_outside(folder, (source, data, settings.test_source, settings.image_root), "--static")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder} cannot be used: {reason(error)}; give another folder") from error
    return save(draw_figures(findings), folder)
