"""Pictures and features of the images of a run, opened when they are first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from labelmend.runs.features import features_of
from labelmend.runs.pictures import RunPictures, open_pictures, pictures_of
from labelmend.runs.run import Run


@dataclass(frozen=True)
class RunLooks:
    """What the verdicts of a run show images with.

    Attributes:
        run: whose images and network they are.
        data: the training images, if they were in memory; None opens what the folder of the run names.
    """

    run: Run
    data: Any = None

    @cached_property
    def pictures(self) -> RunPictures:
        """Pictures of the run.

        Raises:
            LabelmendError: If its data cannot be opened.
        """
        if self.run.folder is None:
            return pictures_of(self.data, self.run.settings.data, self.run.description.get("pixel_range"))
        return open_pictures(self.run.folder, self.data)

    def thumbnail(self, image_id: str, side: int) -> bytes:
        """A PNG file of at most ``side`` pixels."""
        return self.pictures.thumbnail(image_id, side, "png")

    def features(self, ids: Sequence[str]) -> tuple[list[str], np.ndarray]:
        """Ids of the M images whose features can be had, and the features (M, d)."""
        return features_of(self.run, self.pictures, ids)


def with_looks(run: Run, data: Any = None) -> Run:
    """The run, whose verdicts can show pictures and features from now on.

    Args:
        run: in memory or from a folder.
        data: the training images as they were given, if they were in memory.
    """
    run.verdicts.looks = RunLooks(run, data)
    return run
