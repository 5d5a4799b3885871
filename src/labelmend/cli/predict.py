"""``labelmend predict``: classify images with the model of a run."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from labelmend.cli.messages import complain, plain_warnings
from labelmend.files import replacing
from labelmend.runs.run import Run, load_run
from labelmend.text import printable, spreadsheet_safe

COLUMNS = ("image", "class", "probability")


def predict(run: str, images: list[str], out: str | None = None) -> None:
    """Classify images with the model of a run; prints image, class and probability.

    Args:
        run: run folder.
        images: image files, a folder of images, or a table (CSV, TSV, JSONL, Parquet) of files.
        out: CSV file to write instead of printing.
    """
    with plain_warnings():
        finished = load_run(run)
        rows = [row for source in images for row in _rows(finished, source)]
    if out is None:
        for name, label, probability in rows:
            print(f"{printable(name)}\t{printable(label)}\t{probability:.4f}")
        return
    with replacing(Path(out)) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(
            (spreadsheet_safe(name), spreadsheet_safe(label), f"{probability:.6f}")
            for name, label, probability in rows
        )
    print(f"{len(rows)} predictions in {out}", file=sys.stderr)


def _rows(run: Run, source: str) -> list[tuple[str, str, float]]:
    found = run.read(source)
    for skipped in found.skipped:
        complain(f"warning: {skipped.path} is skipped: {skipped.reason}")
    probabilities = run.predict_proba(found)
    best = probabilities.argmax(1)
    names = [path or identifier for path, identifier in zip(found.paths, found.ids, strict=True)]
    return [
        (name, run.classes[label], float(p[label]))
        for name, label, p in zip(names, best, probabilities, strict=True)
    ]
