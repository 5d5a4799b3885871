"""Labels that a person has confirmed: those decided on in an earlier run, and images held out to score by."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from pathlib import Path

import numpy as np

from labelmend.data.assemble import check_training_set
from labelmend.data.image_set import ImageSet, Skipped
from labelmend.data.labels import list_classes
from labelmend.errors import DataError
from labelmend.runs import folder as run_folder
from labelmend.runs.checksums import check_unchanged
from labelmend.runs.fingerprint import fingerprint
from labelmend.runs.journal import moved_images
from labelmend.runs.records import DataRecord, read_record
from labelmend.verdicts.decisions import Decisions
from labelmend.verdicts.frame import read_parquet

RELATIVE = "equal to an image that is scored by, or of its group"
"""Why an image is left out of training."""


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
    # Images that ``labelmend apply --move`` has moved since have other ids.
    for now, before in moved_images(folder).items():
        if before in found and now in known:
            found[now] = found.pop(before)
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
        DataError: If none of these images was decided on, or one has a class that is not among those here; or
            if images without names are matched by their places, and most of the labels there are others.
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
    if not any(image_set.paths):
        note += _matched_by_place(image_set, folder, labels)
    if elsewhere:
        note += f"; {elsewhere:,} decisions are on images that are not here by these ids and are passed over"
    return replace(image_set.with_labels(given), trusted=trusted, notes=[*image_set.notes, note])


def _matched_by_place(image_set: ImageSet, folder: Path, decided: dict[str, str]) -> str:
    """What to say of images that have no names; nothing where they are those of the run, pixel by pixel.

    Raises:
        DataError: If the labels say that they are other images.
    """
    record = read_record(folder / run_folder.DATA, DataRecord)
    if record["train"].get("images") == fingerprint(image_set)["images"]:
        return ""
    verdicts = read_parquet(folder / run_folder.VERDICTS_PARQUET)
    before = dict(zip(verdicts["id"], verdicts["given_label"], strict=True))
    other = 0
    for row, identity in enumerate(image_set.ids):
        if identity in decided:
            labels = [image_set.given_labels[row]]
            labels += [] if image_set.true_labels is None else [image_set.true_labels[row]]
            known = (before.get(identity), decided[identity])
            other += not any(image_set.class_names[label] in known for label in labels)
    if 2 * other > len(decided):
        raise DataError(
            f"{image_set.name}: decisions of {folder} go by the places of images, and {other:,} of the "
            f"{len(decided):,} images there have labels that are neither the given nor the decided ones; "
            "give the data that this run was trained on, in its order"
        )
    return (
        "; they are matched by place, as these images have no names, and pixels or number of images are not "
        "those of that run: make sure that the order is the same"
    )


def divide_trusted(image_set: ImageSet) -> tuple[ImageSet, ImageSet]:
    """The images to train on, and those with a trusted label to score by.

    What equals a trusted image pixel by pixel, or is of its group, is in neither, nor is what equals one of
    these or is of its group; it is listed as left out.

    Raises:
        DataError: If no label is trusted, or there is nothing to learn from the others.

    Warns:
        LabelmendWarning: If a class has no image to train on.
    """
    trusted = image_set.trusted
    if trusted is None or not trusted.any():
        have = "there is none" if trusted is None else f"none of its {len(image_set):,} images has one"
        raise DataError(
            f"{image_set.name}: --test trusted needs labels that a person has confirmed, and {have}; give a "
            "column 'trusted', true in some rows, or --decisions RUN of a run that was reviewed"
        )
    apart = _with_relatives(trusted, image_set)
    if apart.all():
        raise DataError(
            f"{image_set.name}: --test trusted leaves no image to train on: {trusted.sum():,} are trusted "
            f"and {(~trusted).sum():,} are tied to one as a copy or by a group; leave it out"
        )
    names = [path or identity for path, identity in zip(image_set.paths, image_set.ids, strict=True)]
    relatives = [Skipped(names[row], RELATIVE) for row in (apart & ~trusted).nonzero()[0]]
    training = image_set.subset((~apart).nonzero()[0])
    scored = replace(image_set.subset(trusted.nonzero()[0]), notes=[], skipped=[])
    check_training_set(
        training.given_labels,
        training.class_names,
        f"{image_set.name}, without what --test trusted scores by",
        None,
    )
    note = f"{len(scored):,} images with a trusted label are scored by and not trained on (--test trusted)"
    kept = replace(training, notes=[*training.notes, note], skipped=[*training.skipped, *relatives])
    return kept, scored


def _with_relatives(chosen: np.ndarray, image_set: ImageSet) -> np.ndarray:
    """Chosen images (bool, (N,)), and all that copies and groups tie to them, however many steps away."""
    groups = None if image_set.groups is None else np.unique(image_set.groups, return_inverse=True)[1]
    found, before = chosen.copy(), -1
    while found.sum() > before:
        before = found.sum()
        for rows in image_set.same_pictures:
            found[rows] = found[rows].any()
        if groups is not None:
            found = np.isin(groups, groups[found])
    return found
