"""``labelmend report``: what a run found, as a page to read."""

from __future__ import annotations

from pathlib import Path

from labelmend.cli.messages import complain, plain_warnings, say
from labelmend.errors import LabelmendError, SettingsError
from labelmend.report.write import write_figures, write_report
from labelmend.text import argument


def report(run: str, out: str | None = None, data: str | None = None, static: str | None = None) -> None:
    """Write what a run found as one page of HTML, with pictures, that needs no network.

    Args:
        run: run folder.
        out: the file to write (default: report.html in the run folder).
        data: where the training images are now, if they have moved.
        static: a folder to write the figures to instead, as PNG and SVG, e.g. for a paper.
    """
    if static is not None and out is not None:
        raise SettingsError("--out is the page, and --static writes figures instead; leave one of them out")
    with plain_warnings():
        if static is not None:
            for path in write_figures(run, static, data):
                say(path)
            return
        say(write_report(run, out, data))


def report_at_end(folder: Path, data: str | None = None) -> None:
    """Write the report of a run that has just finished, which stays finished where that fails."""
    say("writing the report")
    try:
        write_report(folder, data=data)
    except LabelmendError as error:
        complain(f"warning: no report was written: {error} (labelmend report {argument(folder)} writes it)")
    except KeyboardInterrupt:
        complain(f"stopped; the run is finished, and labelmend report {argument(folder)} writes its report")
        raise
