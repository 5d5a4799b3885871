"""``labelmend resume``: go on with a run that was interrupted."""

from __future__ import annotations

from pathlib import Path

from labelmend.cli.messages import plain_warnings, say
from labelmend.cli.progress import ProgressView
from labelmend.cli.reading import describe_job, image_bar
from labelmend.cli.report import report_at_end
from labelmend.cli.result import print_result
from labelmend.runs import folder as run_folder
from labelmend.runs import jobs
from labelmend.text import argument


def resume(run: str, no_report: bool = False, data: str | None = None) -> None:
    """Go on with an interrupted run from its last epoch; the result is that of an uninterrupted run.

    Args:
        run: run folder.
        no_report: leave out report.html.
        data: where the training images are now, if they have moved.
    """
    folder = Path(run)
    if run_folder.is_finished(folder):
        say(f"the run in {folder} is finished; labelmend show {argument(folder)} prints what it found")
        return
    with run_folder.held(folder), plain_warnings():
        with image_bar() as progress:
            job = jobs.reload(folder, data, progress=progress)
        for line in describe_job(job):
            say(line)
        with ProgressView(folder) as view:
            finished = jobs.go_on(folder, job, view)
        if not no_report:
            report_at_end(folder, data)
    print_result(finished)
