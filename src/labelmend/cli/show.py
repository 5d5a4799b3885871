"""``labelmend show``: print what a run found."""

from __future__ import annotations

from labelmend.cli.messages import plain_warnings, say
from labelmend.cli.result import print_result
from labelmend.config import require
from labelmend.runs.run import load_run
from labelmend.training.metrics import caveats


def show(run: str, top: int = 20) -> None:
    """Print the summary of a run again, and its surest suggestions.

    Args:
        run: run folder.
        top: how many suggestions to list, the surest first.
    """
    require(top >= 0, "top", top, "0 or more")
    with plain_warnings():
        finished = load_run(run)
    for caveat in caveats(finished.summary):
        say(caveat)
    print_result(finished, top)
