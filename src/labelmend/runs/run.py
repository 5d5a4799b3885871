"""A finished run, from memory or from its folder."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from labelmend.config import Settings
from labelmend.data import sources
from labelmend.errors import LabelmendWarning, RunError, SettingsError
from labelmend.methods import METHODS
from labelmend.models.classifier import Classifier
from labelmend.models.ensemble import Ensemble
from labelmend.models.registry import NetworkDescription, build_network
from labelmend.runs import folder as run_folder
from labelmend.runs.backbone import cache_to_read, embedding, restore_frozen
from labelmend.runs.checksums import check_unchanged
from labelmend.runs.records import ADVICE, SummaryRecord, read_model, read_record
from labelmend.settings.loading import load
from labelmend.tensors import all_finite, load_tensors
from labelmend.training.arithmetic import find_device
from labelmend.training.embedder import FrozenBackbone
from labelmend.training.predict import predict_probabilities
from labelmend.verdicts.verdicts import Verdicts

READ = (
    run_folder.MODEL,
    run_folder.MODEL_INFO,
    run_folder.BACKBONE,
    run_folder.VERDICTS_PARQUET,
    run_folder.SETTINGS,
    run_folder.SUMMARY,
)
"""Files of a finished run that it is loaded from."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        verdicts: what it says of every training image.
        settings: what it ran with.
        summary: counts, estimated noise rate, test accuracy where it is known, times, processor.
        classes: names of the C classes, in the order of the columns of ``predict_proba``.
        network: the trained network, in evaluation mode.
        description: how to build and feed the network, as JSON-able values.
        folder: where it is kept, or None.
        frozen: the network whose features ``network`` works on, if there is one and it is in memory.
    """

    verdicts: Verdicts
    settings: Settings
    summary: dict[str, Any]
    network: Classifier | Ensemble
    description: dict[str, Any]
    folder: Path | None = None
    frozen: FrozenBackbone | None = None

    @cached_property
    def backbone(self) -> FrozenBackbone | None:
        """The network whose features ``network`` works on, or None; loaded when it is needed first."""
        if self.frozen is not None or self.folder is None or not self.description.get("backbone"):
            return self.frozen
        return restore_frozen(
            self.description["backbone"], run_folder.existing(self.folder, run_folder.BACKBONE), self.device
        )

    @property
    def classes(self) -> list[str]:
        """Names of the C classes."""
        return list(self.description["classes"])

    def predict_proba(self, images: Any, **columns: Unpack[sources.ImageColumns]) -> np.ndarray:
        """Class probabilities, one row for each image that is given, in order.

        Args:
            images: an image file, a folder of images, a picture in memory (PIL image, array (H, W),
                (H, W, C) or (C, H, W)), a list of those, a table of files, an ``.npz`` or ``.npy`` file, an
                array of N images, or what ``read`` returned.
            **columns: see ``labelmend.data.sources.ImageColumns``.

        Returns:
            float array of shape (N, C); rows sum to 1, and are NaN for images that cannot be read.

        Raises:
            DataError: If a file is not there, or no image can be read.

        Warns:
            LabelmendWarning: If some cannot be read; says why.
        """
        found = self.read(images, **columns)
        if found is not images and len(found.rows) < len(found):
            first = found.skipped[-1]
            warnings.warn(
                f"{len(found) - len(found.rows)} of {len(found)} images cannot be read, and have no "
                f"prediction, e.g. {first.path}: {first.reason}",
                LabelmendWarning,
                stacklevel=2,
            )
        probabilities = np.full((len(found), len(self.classes)), np.nan, dtype=np.float32)
        probabilities[found.rows] = predict_probabilities(
            self.network,
            self.description,
            found.images,
            METHODS[self.settings.method.name].probabilities,
            device=self.device,
        )
        return probabilities

    @property
    def device(self) -> str:
        """The device of the run, or what there is on a machine that has none such."""
        try:
            find_device(self.settings.training.device)
        except SettingsError:
            return "auto"
        return self.settings.training.device

    def predict(self, images: Any, **columns: Unpack[sources.ImageColumns]) -> np.ndarray:
        """Names of the most probable classes, shape (N,); None for images that cannot be read.

        ``images`` and ``columns`` as in ``predict_proba``.
        """
        return most_probable(np.asarray(self.classes, dtype=object), self.predict_proba(images, **columns))

    def read(self, images: Any, **columns: Unpack[sources.ImageColumns]) -> sources.UnlabelledImages:
        """Read images in the size and channels of the network; arguments as in ``predict_proba``."""
        if isinstance(images, sources.UnlabelledImages):
            return images
        low_and_high = self.description.get("pixel_range")
        cache = None if self.folder is None else cache_to_read(self.folder)
        return sources.load_unlabelled(
            images,
            embed=None if self.backbone is None else embedding(self.backbone, cache),
            image_size=self.description["image_size"],
            channels=self.description["channels"] if self.backbone is None else 3,
            pixel_range=None if low_and_high is None else (low_and_high[0], low_and_high[1]),
            **columns,
        )


def most_probable(classes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The class of the largest probability in each row of (N, C); None where the row is NaN."""
    unknown = np.isnan(probabilities).any(axis=1)
    found: np.ndarray = classes[np.where(unknown[:, None], 0, probabilities).argmax(1)]
    if unknown.any():
        found = found.astype(object)
        found[unknown] = None
    return found


def load_run(folder: str | Path) -> Run:
    """Load a finished run.

    Raises:
        RunError: If the folder holds no finished run, or a file of it is missing, or is not what the run
            wrote, or a weight is no finite number.
    """
    folder = Path(folder)
    run_folder.require_finished(folder)
    description = read_model(folder / run_folder.MODEL_INFO)
    network = _build_model(description)
    weights, _ = load_tensors(run_folder.existing(folder, run_folder.MODEL))
    if not all_finite(weights):
        raise RunError(f"{folder / run_folder.MODEL} has weights that are no finite numbers; train anew")
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise RunError(
            f"{folder / run_folder.MODEL} holds other weights than {run_folder.MODEL_INFO} describes "
            f"({reason}); {ADVICE}"
        ) from None
    network.eval()
    run = Run(
        Verdicts.load(folder),
        load(folder / run_folder.SETTINGS),
        read_record(folder / run_folder.SUMMARY, SummaryRecord),
        network,
        description,
        folder,
    )
    # Last: what is wrong in a file that cannot be read is told better by its reader.
    check_unchanged(folder, READ)
    return run


def _build_model(description: dict[str, Any]) -> Classifier | Ensemble:
    """The network of a run, or its ensemble; a run of an older version has one network."""
    of_each = NetworkDescription.from_dict(description)
    networks = [build_network(of_each) for _ in range(description.get("members", 1))]
    return networks[0] if len(networks) == 1 else Ensemble(networks)
