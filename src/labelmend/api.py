"""``fit``, ``resume`` and ``load_run``: labelmend in three functions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelmend.data.image_set import ImageSet
from labelmend.errors import LabelmendWarning, RunError
from labelmend.runs import folder as run_folder
from labelmend.runs import jobs
from labelmend.runs.backbone import cache_beside
from labelmend.runs.looks import with_looks
from labelmend.runs.run import Run
from labelmend.runs.run import load_run as read_run
from labelmend.runs.suggest import settle
from labelmend.settings.loading import DEFAULT_RECIPE, resolve
from labelmend.settings.names import shown
from labelmend.training.listener import Listener

__all__ = ["Run", "fit", "load_run", "resume"]


def fit(
    data: Any,
    *,
    out: str | Path | None = None,
    test: Any = None,
    recipe: str | Path | Mapping[str, Any] | None = None,
    method: str | None = None,
    overwrite: bool = False,
    listener: Listener | None = None,
    **settings: Any,
) -> Run:
    """Train an image classifier on labels that may be wrong, and judge every label.

    Args:
        data: a folder with one sub-folder per class; a table (CSV, TSV, JSONL, Parquet) of files and
            labels; an ``.npz`` file; the name of a data set such as ``digits``; a pair
            ``(images, labels)`` of arrays; a Hugging Face ``Dataset``, or a map-style torch
            data set.
        out: run folder to write; None keeps everything in memory.
        test: images with true labels, scored every epoch and never chosen by; sources as for ``data``. Or
            ``"trusted"``: those of the training images whose label a person has confirmed, which are then not
            trained on.
        recipe: name or path of a recipe, which gives the defaults; by default the one that suits the size of
            the images (``photos`` above 64 px, else ``fast``).
        method: name of the method; by default the recipe's.
        overwrite: replace the run that is in the folder.
        listener: told of the progress.
        **settings: any setting by its flat name, e.g. ``epochs=10``, ``noise="symmetric:0.4"``.

    Returns:
        The finished run.

    Warns:
        LabelmendWarning: If images were left out, e.g. as they cannot be read.

    Raises:
        SettingsError: If a setting is unknown or has a value it cannot have.
        DataError: If the images or labels cannot be used.
        RunError: If the folder is not empty, lies among the images, cannot be written, or is in use.

    Examples:
        >>> import labelmend
        >>> run = labelmend.fit("digits", noise="symmetric:0.4", epochs=10)  # doctest: +SKIP
        >>> run.verdicts.suggestions(top=5)  # doctest: +SKIP
    """
    if isinstance(test, str | Path):
        settings["test"], test = str(test), None
    # Settings that cannot be are told before the data is looked at.
    wanted = resolve(DEFAULT_RECIPE if recipe is None else recipe, method, settings).data
    if out is None:
        job = jobs.prepare(settle(data, recipe, method, settings), data, test)
        _warn_of_left_out(job, data)
        return with_looks(jobs.start(job, listener=listener), data)
    folder = _path(out, "out")
    run_folder.check_apart(folder, (data, wanted.test_source), (wanted.labels, wanted.decisions))
    with run_folder.claimed(folder, overwrite):
        resolved = settle(data, recipe, method, settings)
        job = jobs.prepare(resolved, data, test, cache=cache_beside(folder))
        _warn_of_left_out(job, data)
        return with_looks(jobs.start(job, folder, listener=listener), data if job.source is None else None)


def _warn_of_left_out(job: jobs.Job, data: Any) -> None:
    """Say what has no verdict; of an ``ImageSet`` its ``skipped`` does."""
    skipped = job.train_set.skipped
    if skipped and not isinstance(data, ImageSet):
        warnings.warn(
            f"{job.train_set.name}: {len(skipped):,} {'is' if len(skipped) == 1 else 'are'} left out, first "
            f"{skipped[0].path} ({skipped[0].reason}); column id of the verdicts says which are there",
            LabelmendWarning,
            stacklevel=3,
        )


def resume(
    folder: str | Path, *, data: Any = None, test: Any = None, listener: Listener | None = None
) -> Run:
    """Go on with an interrupted run from its last epoch; a finished one is loaded.

    Args:
        folder: run folder.
        data: the training images, if they were in memory or have moved.
        test: the test images, if they were in memory.
        listener: told of the progress.

    Returns:
        The finished run, with the result of an uninterrupted one.

    Raises:
        RunError: If the folder holds no run or is in use, or the data has changed since it started.
    """
    folder = _path(folder, "folder")
    if run_folder.is_finished(folder):
        return load_run(folder)
    with run_folder.held(folder):
        return with_looks(jobs.go_on(folder, jobs.reload(folder, data, test), listener), data)


def load_run(folder: str | Path) -> Run:
    """Load a finished run; its verdicts show pictures as long as the data are where they were.

    Raises:
        RunError: If the folder holds no finished run, or a file of it is missing, or is not what the run
            wrote, or a weight is no finite number.
    """
    return with_looks(read_run(_path(folder, "folder")))


def _path(value: Any, name: str) -> Path:
    if not isinstance(value, str | Path):
        raise RunError(f"{name} is {shown(value)}, but must be the path of a folder")
    return Path(value)
