"""``labelmend detect``: only the question which labels are wrong."""

from __future__ import annotations

from collections.abc import Sequence

from labelmend.cli import fit

HELP = """\
usage: labelmend detect DATA [--out RUN] [flags of labelmend fit]

Find wrong labels: each image is embedded once by a pretrained network, and judged on its features by
classifiers that have not seen its label. Features are kept beside the run: the next time takes seconds.
It is labelmend fit DATA --recipe photos --test none, and takes every flag of labelmend fit.

The run folder then holds a verdict and a suggested label for every image: see verdicts.csv."""

DEFAULTS = ("--recipe", "photos", "--test", "none")


def main(argv: Sequence[str]) -> None:
    """Run ``labelmend detect``."""
    if any(argument in ("-h", "--help") for argument in argv):
        print(HELP)
        raise SystemExit(0)
    # First, so that what is given counts.
    fit.main([*DEFAULTS, *argv])
