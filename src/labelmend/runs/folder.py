"""The folder a run leaves behind: which files it has, how they are written and read."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from labelmend.data import is_named
from labelmend.data.image_set import ImageSet, Skipped
from labelmend.errors import RunError, WriteError
from labelmend.files import csv_rows, is_leftover, reason, remove_leftovers, replacing, write_text
from labelmend.runs.checksums import SUMS
from labelmend.runs.journal import CORRECTIONS, REVERTED, journals
from labelmend.runs.lock import LOCK, locked
from labelmend.runs.records import ADVICE, parse_object
from labelmend.settings.saving import HEADER
from labelmend.text import argument, as_text, count, spreadsheet_safe
from labelmend.training.state import CHECKPOINT, METRICS, PREVIOUS
from labelmend.verdicts.decisions import DECISIONS, Decisions, has_decisions

SETTINGS, DATA, NOISE, SKIPPED = "settings.yaml", "data.json", "noise.json", "skipped.csv"
CONFLICTS = "duplicates.csv"
SUMMARY, README, REPORT = "summary.json", "README.txt", "report.html"
MODEL, MODEL_INFO, BACKBONE = "model.safetensors", "model.json", "backbone.safetensors"
VERDICTS_PARQUET, VERDICTS_CSV = "verdicts.parquet", "verdicts.csv"
FROZEN = "frozen"
"""Folder of the run on frozen features that comes first where their network is trained too."""

CONTENTS = {
    README: "says what each file of this folder is",
    REPORT: "what was found, with pictures: open it in a browser",
    VERDICTS_CSV: "one row an image: given, predicted and suggested label, verdict, scores",
    VERDICTS_PARQUET: "the same table, faster to load: pandas.read_parquet",
    MODEL: "weights of the trained network",
    BACKBONE: "weights of the pretrained network whose features it works on (only where it was frozen)",
    MODEL_INFO: "classes, preprocessing and shape of the network; with the weights, all that predict needs",
    SUMMARY: "counts, estimated noise rate, test accuracy where it is known, times, processor",
    METRICS: "one JSON object an epoch: losses, counts, rates",
    SETTINGS: "every setting of the run; labelmend fit DATA --recipe settings.yaml runs it again",
    DATA: "where the images came from, checksums of all that the run depends on, and how it computes",
    NOISE: "the noise that was added to the labels: name, seed, realised rate, hash (only with --noise)",
    CONFLICTS: "pictures under more than one label, the same pixel by pixel (only where there were any)",
    SKIPPED: "files that were left out, and why (only where there were any)",
    SUMS: "checksums of the files; sha256sum --check SHA256SUMS says which are as they were written",
    CHECKPOINT: "state of an unfinished run; gone once it is finished",
    PREVIOUS: "the state an epoch earlier, in case the last one is damaged",
}
"""Each file of a run folder and what it is."""

SUMMED = tuple(name for name in CONTENTS if name not in (SUMS, CHECKPOINT, PREVIOUS))
"""Files that a finished run keeps, and that their checksums are of."""

_MARK = "A labelmend run."
_README = """\
{mark}

{files}

Verdicts
  easy            small loss, and prediction and neighbours agree: the label is kept
  hard_clean      hard to learn, but the images around it confirm the label: kept
  hard_corrected  the images around it agree on another label: see suggested_label
  uncertain       nothing near enough to tell: worth a look
With --finetune, frozen holds the run on frozen features that came first, and that the verdicts are of.
label_quality is in [0, 1]; a low value means a suspicious label.
suggested_label equals given_label where nothing is suggested.

Commands
  labelmend show {run}
  labelmend report {run}
  labelmend review {run}      (decide in the browser; kept in {folder}/decisions.sqlite)
  labelmend apply {run}       (the labels corrected, in {folder}/corrections)
  labelmend predict {run} IMAGES
  labelmend resume {run}      (if it was interrupted)
"""


def is_ours(folder: Path) -> bool:
    """Whether a folder was made by labelmend, so that a new run may replace what is in it."""
    for name, start in ((README, _MARK), (SETTINGS, HEADER)):
        with suppress(OSError), (folder / name).open(encoding="utf-8", errors="replace") as file:
            if file.read(len(start)) == start:
                return True
    return False


def check_free(folder: Path, overwrite: bool) -> None:
    """Make sure that a run may be written to a folder.

    Raises:
        RunError: If the path is a file, or the folder holds anything but a run, or a run and ``overwrite``
            is not set, or one that a person has decided on.
    """
    if folder.exists() and not folder.is_dir():
        raise RunError(f"--out {folder} is a file; give the name of a folder")
    if not folder.is_dir() or all(path.name == LOCK or is_leftover(path) for path in folder.iterdir()):
        return
    if not is_ours(folder):
        raise RunError(
            f"--out {folder} is not empty, and what is in it is no run; nothing is replaced there: give "
            "another folder"
        )
    if overwrite:
        _check_nothing_is_lost(folder)
    if overwrite or not is_run(folder):
        return
    if is_unfinished(folder):
        raise RunError(
            f"--out {folder} holds an unfinished run; labelmend resume {argument(folder)} goes on with it, "
            "--overwrite starts anew"
        )
    raise RunError(
        f"--out {folder} is not empty; give another folder, or --overwrite to replace the run in it"
    )


def check_apart(folder: Path, sources: Iterable[Any], also_read: Iterable[Any] = ()) -> None:
    """Make sure that a run is not written among the images it is about, nor over anything that it reads.

    Args:
        folder: to write to.
        sources: of images; what is no path is passed over.
        also_read: labels and decisions, by which the folder may lie.

    Raises:
        RunError: If the folder is a source, lies inside one, or is or holds anything that is read.
    """
    sources = list(sources)
    check_outside(folder, sources, "--out")
    out = folder.resolve()
    for source in _on_disk(sources):
        if out in Path(source).resolve().parents:
            raise RunError(f"--out {folder} holds the data {source}; give another folder with --out")
    for path in _on_disk(also_read):
        place = Path(path).resolve()
        if out in (place, *place.parents):
            raise RunError(
                f"--out {folder} would replace {path}, which is read; give another folder with --out"
            )


def check_outside(folder: Path, sources: Iterable[Any], flag: str) -> None:
    """Make sure that nothing is written among images.

    Args:
        folder: to write to.
        sources: of images; what is no path is passed over.
        flag: that names the folder.

    Raises:
        RunError: If the folder is a source, or lies inside one.
    """
    out = folder.resolve()
    for source in _on_disk(sources):
        if Path(source).resolve() in (out, *out.parents):
            raise RunError(
                f"{flag} {folder} lies inside the data {source}, where it would be taken for images; give a "
                f"folder outside with {flag}"
            )


def _on_disk(sources: Iterable[Any]) -> list[str | Path]:
    """Those that are paths, as they were given: ``./trusted`` is no other name of ``trusted``."""
    paths = [source for source in sources if isinstance(source, str | Path) and not is_named(source)]
    # A path of no letters would be the working folder.
    return [path for path in paths if str(path).strip() and Path(path).exists()]


@contextmanager
def claimed(folder: Path, overwrite: bool = False) -> Iterator[None]:
    """Make and hold a folder for a new run, before any work is done for it.

    Whatever would stop the run from being written stops it here. A folder in which no run was begun is
    removed again.

    Raises:
        RunError: If the folder may not be used (see ``check_free``), or another process is at work in it.
        WriteError: If the system does not let it be written.
    """
    made: list[Path] = []
    try:
        try:
            made += [path for path in (folder, *folder.parents) if not path.exists()]
            check_free(folder, overwrite)
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(
                f"--out {folder} cannot be used: {reason(error)}; give another folder"
            ) from error
        with locked(folder):
            check_free(folder, overwrite)
            remove_leftovers(folder)
            fresh = not is_ours(folder)
            if fresh:
                # A few bytes now show a full disk, and whose folder it is.
                _write_readme(folder)
            try:
                yield
            finally:
                if fresh and not is_run(folder):
                    _empty(folder)
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder of a run that goes on.

    Raises:
        RunError: If it holds no run, or another process is at work in it.
    """
    require_run(folder)
    with locked(folder):
        remove_leftovers(folder)
        yield


def _check_nothing_is_lost(folder: Path) -> None:
    """Refuse to replace a run that a person's work hangs on.

    Raises:
        RunError: If a person has decided on it, its decisions cannot be read, or labels of its data were
            changed in their place and not taken back.
    """
    ways_out = f"give another folder, or remove {folder / DECISIONS} to replace both"
    if has_decisions(folder):
        try:
            with Decisions.open(folder) as log:
                decided = log.current()
        except RunError as error:
            raise RunError(f"--out {folder}: {error}; {ways_out}") from error
        if decided:
            raise RunError(
                f"--out {folder} holds a run with a person's decisions on {count(len(decided), 'image')}, "
                f"which are about its verdicts alone; {ways_out}"
            )
    for own, journal in journals(folder):
        outside = journal.kind == "moves" or not Path(str(journal.result)).is_relative_to(folder.resolve())
        if outside and journal.state != REVERTED:
            raise RunError(
                f"--out {folder} holds a run whose labels were applied to its data, and {own} is needed to "
                f"take that back (labelmend revert {argument(folder)}); give another folder, or move "
                f"{folder / CORRECTIONS} elsewhere to replace the run alone"
            )


def create(folder: Path) -> None:
    """Begin a run in a folder; of an old run ``CONTENTS`` are removed, and a log of no decisions."""
    folder.mkdir(parents=True, exist_ok=True)
    _empty(folder)
    _write_readme(folder)


def _empty(folder: Path) -> None:
    """Remove what is of a run; the file last that says whose folder it is."""
    for name in (*(name for name in CONTENTS if name != README), README):
        (folder / name).unlink(missing_ok=True)
    (folder / DECISIONS).unlink(missing_ok=True)
    if is_ours(folder / FROZEN):
        _empty(folder / FROZEN)
        with suppress(OSError):
            (folder / FROZEN).rmdir()


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
        raise RunError(
            f"the run in {folder} is not finished; labelmend resume {argument(folder)} goes on with it"
        )


def write_skipped(folder: Path, skipped: Iterable[Skipped]) -> None:
    """Write ``skipped.csv`` if any file was left out."""
    rows = [
        (spreadsheet_safe(as_text(entry.path)), spreadsheet_safe(as_text(entry.reason))) for entry in skipped
    ]
    if rows:
        with replacing(folder / SKIPPED) as temporary, csv_rows(temporary) as file:
            writer = csv.writer(file)
            writer.writerow(("path", "reason"))
            writer.writerows(rows)


def write_conflicts(folder: Path, image_set: ImageSet) -> None:
    """Write ``duplicates.csv`` if any picture stands under more than one label."""
    rows = [
        (
            number,
            spreadsheet_safe(image_set.ids[row]),
            spreadsheet_safe(image_set.paths[row]),
            spreadsheet_safe(name),
        )
        for number, group in enumerate(image_set.conflicts(), start=1)
        for row in group
        for name in [image_set.class_names[image_set.given_labels[row]]]
    ]
    if rows:
        with replacing(folder / CONFLICTS) as temporary, csv_rows(temporary) as file:
            writer = csv.writer(file)
            writer.writerow(("picture", "id", "path", "given_label"))
            writer.writerows(rows)


def _write_readme(folder: Path) -> None:
    width = max(map(len, CONTENTS))
    files = "\n".join(f"{name:<{width}}  {text}" for name, text in CONTENTS.items())
    write_text(folder / README, _README.format(mark=_MARK, files=files, run=argument(folder), folder=folder))


def existing(folder: Path, name: str) -> Path:
    """The path of a file of a run.

    Raises:
        RunError: If it is missing.
    """
    path = folder / name
    if not path.is_file():
        go_on = f"labelmend resume {argument(folder)} goes on"
        raise RunError(f"{path} is missing; {ADVICE if is_finished(folder) else go_on}")
    return path


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Metrics of every epoch so far.

    Raises:
        RunError: If the file is missing or a line of it is no JSON.
    """
    path = existing(folder, METRICS)
    lines = path.read_bytes().splitlines()
    return [parse_object(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1)]
