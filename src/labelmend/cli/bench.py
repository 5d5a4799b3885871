"""``labelmend bench``: run benchmark cells one after another."""

from __future__ import annotations

from pathlib import Path

from labelmend.bench.run import run_bench
from labelmend.cli.messages import complain, plain_warnings


def bench(file: str, out: str = "bench", document: str | None = None) -> None:
    """Run a list of cells (data, noise, method, seed) and write one JSON a cell, and tables.

    Finished cells are kept, and the cell in hand is resumed.

    Args:
        file: YAML file that lists the cells.
        out: folder for results.
        document: Markdown file whose tables of this suite are brought up to date.
    """
    with plain_warnings():
        try:
            run_bench(Path(file), Path(out), None if document is None else Path(document))
        except KeyboardInterrupt:
            complain("stopped; the same command goes on from here")
            raise
