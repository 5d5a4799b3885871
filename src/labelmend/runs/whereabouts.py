"""Where the data of a run are now."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelmend.config import DataSettings, Settings
from labelmend.data import is_named
from labelmend.errors import LabelmendWarning, RunError
from labelmend.runs import folder as run_folder
from labelmend.runs.records import DataRecord, read_record
from labelmend.settings.loading import load


def find_data(folder: Path, data: Any = None) -> tuple[Any, Settings]:
    """Where the images of a run are, and its settings, whose paths lead to what has moved with them.

    Args:
        folder: of the run.
        data: where they are now, if they have moved or were in memory; of a table that is still there, the
            folder that its names are relative to now.

    Returns:
        The source, None where it was in memory and is not given; and the settings.

    Raises:
        RunError: If they are given nowhere, and have gone from where they were.

    Warns:
        LabelmendWarning: For each other path of the settings that has gone, and lies where it did from the
            images.
    """
    settings = load(folder / run_folder.SETTINGS)
    source: str | None = read_record(folder / run_folder.DATA, DataRecord)["source"]
    on_disk = source is not None and not is_named(source)
    if data is None:
        if on_disk and not Path(str(source)).exists():
            raise RunError(
                f"the data of {folder} is not at {source} any more; say where it is now (--data WHERE), or "
                "put it back"
            )
        return source, settings
    if on_disk and Path(str(source)).is_file() and isinstance(data, str | Path) and Path(data).is_dir():
        # The images of a table have moved, and the table has not.
        there = replace(settings.data, image_root=str(Path(data).absolute()))
        return source, replace(settings, data=there)
    if on_disk and isinstance(data, str | Path) and not is_named(data):
        settings = replace(
            settings, data=_moved_along(settings.data, Path(str(source)), Path(data).absolute())
        )
    return data, settings


def _moved_along(wanted: DataSettings, before: Path, now: Path) -> DataSettings:
    paths = {
        "labels": wanted.labels,
        "decisions": wanted.decisions,
        "test": wanted.test_source,
        "image_root": wanted.image_root,
    }
    found: dict[str, Any] = {}
    for name, path in paths.items():
        if path is None or is_named(path) or Path(path).exists():
            continue
        there = os.path.normpath(now.parent / os.path.relpath(path, before.parent))
        if Path(there).exists():
            flag = name.replace("_", "-")
            warnings.warn(
                f"--{flag} {path} of the run has gone; {there} is taken, which lies where it did from the "
                "data; put the other back if that is not the same",
                LabelmendWarning,
                stacklevel=3,
            )
            found[name] = there
    return replace(wanted, **found)
