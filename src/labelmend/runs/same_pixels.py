"""Whether images without names are still those of a run, in its order."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelmend.config import NO_TEST, TRUSTED, Settings
from labelmend.data import is_named
from labelmend.data.listing import Listing
from labelmend.errors import LabelmendError, LabelmendWarning, RunError
from labelmend.runs import folder as run_folder
from labelmend.runs.backbone import cache_beside
from labelmend.runs.fingerprint import fingerprint
from labelmend.runs.jobs import prepare
from labelmend.runs.records import DataRecord, read_record


def check_pixels(folder: Path, source: Any, settings: Settings, listing: Listing) -> None:
    """Refuse other images in the places of those of a run, where nothing but their places tells them apart.

    Images with names pass, and so do those of named data sets, which are in one order.

    Args:
        folder: of the run.
        source: of its images, as it is now.
        settings: of the run.
        listing: what the source lists.

    Raises:
        RunError: If pixels are others.

    Warns:
        LabelmendWarning: If the features that a frozen network makes of them are others, as they can be on
            another machine; or if there are none to compare.
    """
    if any(listing.paths) or is_named(source):
        return
    test = settings.data.test if settings.data.test == TRUSTED else NO_TEST
    alone = replace(settings, data=replace(settings.data, noise=None, test=test))
    places = f"{listing.name}: the images have no names, and are known by their places"
    try:
        with warnings.catch_warnings():
            # What there is to say of the data was said when the run was made.
            warnings.simplefilter("ignore", LabelmendWarning)
            now = prepare(alone, source, cache=cache_beside(folder)).train_set
    except LabelmendError as error:
        # The network of their features may not be at hand here.
        warnings.warn(
            f"{places}; whether they are those of {folder} cannot be told ({error}): make sure that their "
            "order is the same",
            LabelmendWarning,
            stacklevel=2,
        )
        return
    if fingerprint(now)["images"] == read_record(folder / run_folder.DATA, DataRecord)["train"].get("images"):
        return
    kind = "features" if now.has_features else "pixels"
    told = f"{places}, where {kind} are others than when {folder} was trained"
    if now.has_features:
        warnings.warn(f"{told}; make sure that their order is the same", LabelmendWarning, stacklevel=2)
        return
    raise RunError(f"{told}; give the data in its order, or train again (labelmend fit)")
