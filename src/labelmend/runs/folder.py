"""The folder a run leaves behind: which files it has, how they are written and read."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from labelmend.data.image_set import ImageSet, Skipped
from labelmend.errors import RunError
from labelmend.files import replacing, write_json, write_text
from labelmend.runs.records import DataRecord, parse_object, read_record
from labelmend.text import spreadsheet_safe
from labelmend.training.state import CHECKPOINT, METRICS

SETTINGS, DATA, NOISE, SKIPPED = "settings.yaml", "data.json", "noise.json", "skipped.csv"
SUMMARY, README = "summary.json", "README.txt"
MODEL, MODEL_INFO = "model.safetensors", "model.json"
VERDICTS_PARQUET, VERDICTS_CSV = "verdicts.parquet", "verdicts.csv"

CONTENTS = {
    README: "says what each file of this folder is",
    VERDICTS_CSV: "one row an image: given, predicted and suggested label, verdict, scores",
    VERDICTS_PARQUET: "the same table, faster to load: pandas.read_parquet",
    MODEL: "weights of the trained network",
    MODEL_INFO: "classes, preprocessing and shape of the network; with the weights, all that predict needs",
    SUMMARY: "counts, estimated noise rate, test accuracy where it is known, times, processor",
    METRICS: "one JSON object an epoch: losses, counts, rates",
    SETTINGS: "every setting of the run; labelmend fit DATA --recipe settings.yaml runs it again",
    DATA: "where the images came from, and a fingerprint of ids and labels",
    NOISE: "the noise that was added to the labels: name, seed, realised rate, hash (only with --noise)",
    SKIPPED: "files that were left out, and why (only where there were any)",
    CHECKPOINT: "state of an unfinished run; gone once it is finished",
}
"""Each file of a run folder and what it is."""

_README = """\
A labelmend run.

{files}

Verdicts
  easy            small loss: the label is kept
  hard_clean      hard to learn, but the images around it confirm the label: kept
  hard_corrected  the images around it agree on another label: see suggested_label
  uncertain       nothing near enough to tell: worth a look
label_quality is in [0, 1]; a low value means a suspicious label.
suggested_label equals given_label where nothing is suggested.

Commands
  labelmend show {folder}
  labelmend predict {folder} IMAGES
  labelmend resume {folder}      (if it was interrupted)
"""


def check_free(folder: Path, overwrite: bool) -> None:
    """Make sure that a run may be written to a folder.

    Raises:
        RunError: If the path is a file, or a folder that is not empty, unless ``overwrite`` is set.
    """
    if folder.exists() and not folder.is_dir():
        raise RunError(f"--out {folder} is a file; give the name of a folder")
    if overwrite or not folder.is_dir() or not any(folder.iterdir()):
        return
    if is_unfinished(folder):
        raise RunError(
            f"--out {folder} holds an unfinished run; labelmend resume {folder} goes on with it, "
            "--overwrite starts anew"
        )
    raise RunError(
        f"--out {folder} is not empty; give another folder, or --overwrite to replace the run in it"
    )


def create(folder: Path) -> None:
    """Make an empty run folder; of an old run only the files of ``CONTENTS`` are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in CONTENTS:
        (folder / name).unlink(missing_ok=True)


def next_folder(parent: Path, data: str, method: str) -> Path:
    """The first of ``parent/<data>-<method>-1``, ``-2``, ... that does not exist."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(data).stem).strip("-.") or "data"
    number = 1
    while (folder := parent / f"{name}-{method}-{number}").exists():
        number += 1
    return folder


def is_run(folder: Path) -> bool:
    """Whether the folder holds a run, finished or not."""
    return (folder / SETTINGS).is_file()


def is_finished(folder: Path) -> bool:
    """Whether the folder holds a finished run; the summary is written last."""
    return is_run(folder) and (folder / SUMMARY).is_file()


def is_unfinished(folder: Path) -> bool:
    """Whether the folder holds a run that was stopped before its end."""
    return is_run(folder) and not (folder / SUMMARY).is_file()


def require_run(folder: Path) -> None:
    """Check that a folder holds a run.

    Raises:
        RunError: If it does not.
    """
    if not folder.is_dir():
        raise RunError(f"there is no run folder {folder}")
    if not is_run(folder):
        raise RunError(f"{folder} is not a run folder (it has no {SETTINGS})")


def require_finished(folder: Path) -> None:
    """Check that a folder holds a finished run.

    Raises:
        RunError: If it does not.
    """
    require_run(folder)
    if not is_finished(folder):
        raise RunError(f"the run in {folder} is not finished; labelmend resume {folder} goes on with it")


def fingerprint(image_set: ImageSet) -> str:
    """SHA-256 of class names, ids and given labels, in order.

    It changes when an image is added, removed, renamed or relabelled, or when the order changes.
    """
    digest = hashlib.sha256(json.dumps([image_set.class_names, image_set.ids]).encode())
    digest.update(image_set.given_labels.astype("<i8").tobytes())
    return digest.hexdigest()


def write_data(folder: Path, image_set: ImageSet, source: str | None, test_in_memory: bool) -> None:
    """Write ``data.json``; the source is None where the training images came from memory."""
    write_json(
        folder / DATA,
        {
            "source": source,
            "test_in_memory": test_in_memory,
            "images": len(image_set),
            "classes": image_set.class_names,
            "fingerprint": fingerprint(image_set),
        },
    )


def check_same_data(folder: Path, image_set: ImageSet) -> None:
    """Refuse to go on with other images or labels than a run started with.

    Raises:
        RunError: If ids, labels or their order have changed.
    """
    recorded = read_record(folder / DATA, DataRecord)
    if fingerprint(image_set) == recorded["fingerprint"]:
        return
    if len(image_set) != recorded["images"]:
        found = f"it had {recorded['images']} images, now {len(image_set)}"
    else:
        found = "names, labels or order are not what they were"
    raise RunError(f"the data of {folder} has changed ({found}); start a new run with labelmend fit")


def write_skipped(folder: Path, skipped: Iterable[Skipped]) -> None:
    """Write ``skipped.csv`` if any file was left out."""
    rows = [(spreadsheet_safe(entry.path), spreadsheet_safe(entry.reason)) for entry in skipped]
    if rows:
        with (
            replacing(folder / SKIPPED) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("path", "reason"))
            writer.writerows(rows)


def write_readme(folder: Path) -> None:
    """Write ``README.txt``."""
    width = max(map(len, CONTENTS))
    files = "\n".join(f"{name:<{width}}  {text}" for name, text in CONTENTS.items())
    write_text(folder / README, _README.format(files=files, folder=folder))


def remove_checkpoint(folder: Path) -> None:
    """Remove the state of an unfinished run."""
    (folder / CHECKPOINT).unlink(missing_ok=True)


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Metrics of every epoch so far.

    Raises:
        RunError: If the file is missing or a line of it is no JSON.
    """
    path = folder / METRICS
    if not path.is_file():
        raise RunError(f"{path} is missing; labelmend resume {folder} writes it")
    lines = path.read_bytes().splitlines()
    return [parse_object(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1)]
