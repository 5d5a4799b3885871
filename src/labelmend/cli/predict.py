"""``labelmend predict``: classify images with the model of a run."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np

from labelmend.cli.messages import complain, plain_warnings
from labelmend.data.readers import READERS
from labelmend.data.sources import ImageColumns
from labelmend.errors import DataError
from labelmend.files import check_writable, csv_rows, replacing
from labelmend.runs.run import Run, load_run, most_probable
from labelmend.text import printable, spreadsheet_safe

COLUMNS = ("image", "class", "probability", "reason")
Row = tuple[str, str, str, str]


def predict(
    run: str,
    images: list[str],
    out: str | None = None,
    image_column: str | None = None,
    image_root: str | None = None,
) -> None:
    """Classify images with the model of a run; prints image, class and probability.

    There is one line for each image, in the order in which they are given; an image that cannot be read has
    the reason in the place of a probability.

    Args:
        run: run folder.
        images: image files, a folder of images, or a table (CSV, TSV, JSONL, Parquet) of files.
        out: CSV file to write instead of printing.
        image_column: column of a table that names the images; by default one of a usual name.
        image_root: folder that the file names of a table are relative to; by default that of the table.
    """
    columns: ImageColumns = {"image_column": image_column, "image_root": image_root}
    if out is not None:
        _check_out(Path(out), images)
    with plain_warnings():
        finished = load_run(run)
        rows = [row for sources in _together(images) for row in _rows(finished, sources, columns)]
    if out is None:
        for name, label, probability, reason in rows:
            shown = (name, label, f"{float(probability):.4f}") if not reason else (name, "-", reason)
            print("\t".join(map(printable, shown)))
        return
    with replacing(Path(out)) as temporary, csv_rows(temporary) as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(map(spreadsheet_safe, row) for row in rows)
    print(f"{sum(not row[3] for row in rows)} predictions in {printable(out)}", file=sys.stderr)


def _check_out(out: Path, images: list[str]) -> None:
    """Refuse a file that cannot be written, or that would replace what is to be read."""
    if out.suffix.lower() != ".csv":
        raise DataError(f"--out is {str(out)!r}, but must end in .csv")
    if not out.parent.is_dir():
        raise DataError(f"--out is {str(out)!r}, but there is no folder {out.parent}")
    if out.is_dir():
        raise DataError(f"--out {out} is a folder; give the name of a file")
    check_writable(out)
    if any(out.exists() and Path(image).exists() and out.samefile(image) for image in images):
        raise DataError(f"--out {out} is what is to be read; give another name")
    if out.exists() and not _is_ours(out):
        raise DataError(f"--out {out} is there, and no predictions of labelmend; give another name")


def _is_ours(out: Path) -> bool:
    """Whether a file holds predictions, of this version or an older one, so that new ones may replace it."""
    with out.open("rb") as file:
        return file.readline(100).strip().startswith(",".join(COLUMNS[:3]).encode())


def _together(images: list[str]) -> Iterator[str | list[str]]:
    """Files and folders side by side as one list, tables and arrays one by one."""
    suffixes = {suffix for reader in READERS for suffix in reader.suffixes}

    def is_set(image: str) -> bool:
        return Path(image).suffix.lower() in suffixes and not Path(image).is_dir()

    for alone, group in groupby(images, is_set):
        if alone or len(images) == 1:
            yield from group
        else:
            yield list(group)


def _rows(run: Run, source: str | list[str], columns: ImageColumns) -> Iterator[Row]:
    found = run.read(source, **columns)
    for note in found.notes:
        complain(f"note: {note}")
    reasons = {skipped.path: skipped.reason for skipped in found.skipped}
    for path, reason in reasons.items():
        complain(f"warning: {path} is skipped: {reason}")
    probabilities = run.predict_proba(found)
    predicted = most_probable(np.asarray(run.classes, dtype=object), probabilities)
    for path, identifier, label, row in zip(found.paths, found.ids, predicted, probabilities, strict=True):
        name = path or identifier
        if label is None:
            yield name, "", "", reasons[name]
        else:
            yield name, label, f"{row.max():.6f}", ""
