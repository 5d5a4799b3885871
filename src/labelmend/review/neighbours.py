"""The easy images nearest to one on which no anchor voted, by the features of the run's network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock, Thread

import numpy as np

from labelmend.errors import LabelmendError
from labelmend.runs.features import features_of, nearest
from labelmend.runs.pictures import RunPictures
from labelmend.runs.run import Run, load_run

REFERENCE = 2000
"""Easy images that are compared with, drawn at random where there are more."""
SHOWN = 3
SEED = 0


class Neighbours:
    """Features are computed when they are first asked for, in a thread of their own: a review never waits.

    Those of easy images by a frozen backbone are kept beside the runs and only read again.

    Args:
        folder: of a finished run.
        pictures: of the run.
        easy: ids of its easy images.
    """

    def __init__(self, folder: Path, pictures: RunPictures, easy: Sequence[str]) -> None:
        self._folder, self._pictures = folder, pictures
        drawn = np.random.default_rng(SEED).permutation(len(easy))[:REFERENCE]
        self._easy = [easy[place] for place in np.sort(drawn)]
        self._known: tuple[Run, list[str], np.ndarray] | None = None
        self._thread = Thread(target=self._prepare, daemon=True)
        self._starting, self._computing = Lock(), Lock()

    def of(self, image_id: str, wait: float = 0.0) -> list[str] | None:
        """Ids of the easy images nearest to an image, the nearest first.

        Args:
            image_id: of the image, which is never its own neighbour.
            wait: seconds that features may still take.

        Returns:
            Up to ``SHOWN``, none where features cannot be had; None where they are not there yet.
        """
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()
        self._thread.join(wait)
        if self._thread.is_alive():
            return None
        if self._known is None:
            return []
        run, ids, known = self._known
        with self._computing:
            _, asked = features_of(run, self._pictures, [image_id], kept=False)
        if not len(asked):
            return []
        found = [ids[place] for place in nearest(asked, known, SHOWN + 1)[0]]
        return [identity for identity in found if identity != image_id][:SHOWN]

    def _prepare(self) -> None:
        try:
            run = load_run(self._folder)
            ids, known = features_of(run, self._pictures, self._easy)
        except LabelmendError:
            return
        if ids:
            self._known = run, ids, known
