"""Labels that a person decided on in an earlier run, as trusted ones of a new run."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from pathlib import Path

import numpy as np

from labelmend.data.image_set import ImageSet
from labelmend.data.labels import list_classes
from labelmend.errors import DataError
from labelmend.runs import folder as run_folder
from labelmend.runs.checksums import check_unchanged
from labelmend.verdicts.decisions import Decisions


def verified_labels(folder: Path, known: Container[str], name: str) -> tuple[dict[str, str], int]:
    """The label by id that a person decided on, and how many such images are not at hand.

    Args:
        folder: of the run that was reviewed.
        known: ids of the images at hand.
        name: of these images.

    Raises:
        RunError: If nothing was decided about that run, or its verdicts are damaged.
        DataError: If no image that was decided on is among those at hand.
    """
    check_unchanged(folder, (run_folder.VERDICTS_PARQUET,))
    with Decisions.open(folder) as decisions:
        found = {identity: entry.label for identity, entry in decisions.current().items()}
    labels = {identity: label for identity, label in found.items() if label is not None and identity in known}
    if not labels and (decided := [identity for identity, label in found.items() if label is not None]):
        raise DataError(
            f"{name} has none of the {len(decided):,} images that were decided on in {folder}, first "
            f"{decided[0]!r}; give the data that this run was trained on"
        )
    return labels, sum(label is not None for label in found.values()) - len(labels)


def trust_decisions(image_set: ImageSet, folder: Path) -> ImageSet:
    """The images with the labels that a person decided on, which are trusted.

    Args:
        image_set: training images.
        folder: of the run that was reviewed.

    Raises:
        RunError: If nothing was decided about that run.
        DataError: If none of these images was decided on, or one has a class that is not among those here.
    """
    rows = {identity: row for row, identity in enumerate(image_set.ids)}
    labels, elsewhere = verified_labels(folder, rows, image_set.name)
    given = image_set.given_labels.copy()
    trusted = np.zeros(len(given), dtype=bool) if image_set.trusted is None else image_set.trusted.copy()
    index = {name: label for label, name in enumerate(image_set.class_names)}
    for identity, label in labels.items():
        if label not in index:
            raise DataError(
                f"{folder}: image {identity!r} was decided to be {label!r}, which is not one of the "
                f"{len(index)} classes of {image_set.name} ({list_classes(image_set.class_names)})"
            )
        given[rows[identity]] = index[label]
        trusted[rows[identity]] = True
    changed = int((given != image_set.given_labels).sum())
    note = (
        f"{len(labels):,} labels were decided by a person ({folder}) and are trusted; {changed:,} of them "
        "are not those of the source"
    )
    if elsewhere:
        note += f"; {elsewhere:,} decisions are on images that are not here by these ids and are passed over"
    return replace(image_set.with_labels(given), trusted=trusted, notes=[*image_set.notes, note])
