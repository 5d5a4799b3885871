"""Classification-based noise: the labels that a network, trained on the clean ones, doubts most."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelmend.data.image_set import ImageSet
from labelmend.data.numpy_files import read_npz
from labelmend.errors import DataError, WriteError
from labelmend.files import check_writable, reason, replacing
from labelmend.noise.inputs import check_labels, check_rate, require_option
from labelmend.noise.record import NoiseRecord

NAME = "classifier"


@dataclass(frozen=True)
class SoftLabelRecipe:
    """How the network behind the soft labels is trained (on clean labels, with cross-entropy).

    Attributes:
        network: name of the backbone.
        widths: channels of each stage of ``fastnet``; not used by others, and empty where there are none.
        epochs: passes over the images; the softmax is averaged over all of them.
        batch_size: images a step.
        lr: peak learning rate.
        lr_schedule: ``linear``, ``cosine`` or ``step``.
    """

    network: str
    widths: tuple[int, ...]
    epochs: int
    batch_size: int
    lr: float
    lr_schedule: str


RECIPES = {
    "quick": SoftLabelRecipe("fastnet", (16, 32, 64), 12, 500, 0.2, "linear"),
    "full": SoftLabelRecipe("resnet34", (), 150, 128, 0.1, "step"),
}
"""``quick``: 2.8e13 counted operations on 50,000 images of 32 px, minutes on 2 cores. ``full``: batch size,
rate and 150 epochs of Chen et al. (2021) with a ResNet-34 for their Wide-ResNet-28-10; needs a GPU."""


SoftLabelTrainer = Callable[[ImageSet, SoftLabelRecipe, int], np.ndarray]
"""Trains on N images whose given labels are clean, by a recipe and a seed; returns the softmax of every image
averaged over the epochs, float32 (N, C). ``labelmend.training.soft_labels.averaged_softmax`` is one."""


def classifier(
    true: np.ndarray, soft_labels: np.ndarray, rate: float, seed: int | None = None
) -> tuple[np.ndarray, NoiseRecord]:
    """Flip the labels that averaged soft labels contradict most (Chen et al., AAAI 2021, "SEAL").

    Args:
        true: int64 (N,), values in [0, C).
        soft_labels: (N, C), S, see ``SoftLabelTrainer``.
        rate: r in [0, 1]; exactly ``int(r N)`` labels are flipped.
        seed: that the soft labels were trained with, for the record; the flip itself draws nothing.

    Returns:
        The given labels, int64 (N,), and their record.

    Raises:
        DataError: If soft labels and labels do not fit.
        SettingsError: If the rate is out of range.
    """
    given = flip_top(soft_labels, true, rate)
    record = NoiseRecord.of(
        NAME,
        np.asarray(true, dtype=np.int64),
        given,
        soft_labels.shape[1],
        seed=seed,
        nominal_rate=float(rate),
    )
    return given, record


def flip_top(soft_labels: np.ndarray, true: np.ndarray, rate: float) -> np.ndarray:
    """Flip exactly ``int(r N)`` samples to their most probable wrong class, the most probable first.

    ``c_n = argmax_{c != y_n} S_n[c]``; samples are ranked by ``S_n[c_n]``, ties by position. Flips are
    nested: those at a lower rate are among those at a higher rate, with the same targets.

    Args:
        soft_labels: (N, C), S.
        true: int64 (N,), y.
        rate: r in [0, 1].

    Returns:
        int64 (N,).

    Raises:
        DataError: If S is not (N, C) with finite values, or a label is out of range.
        SettingsError: If the rate is.
    """
    if soft_labels.ndim != 2 or len(soft_labels) != len(true) or not np.isfinite(soft_labels).all():
        raise DataError(
            f"soft labels: found shape {soft_labels.shape}, but {len(true)} labels need finite values of "
            f"shape ({len(true)}, classes)"
        )
    labels, rate = check_labels(true, soft_labels.shape[1]), check_rate(rate)
    others = np.array(soft_labels, dtype=np.float64)
    others[np.arange(len(labels)), labels] = -np.inf
    target = others.argmax(axis=1)
    flipped = np.argsort(-others.max(axis=1), kind="stable")[: int(rate * len(labels))]
    given = labels.copy()
    given[flipped] = target[flipped]
    return given


def choose_recipe(name: str, epochs: int | None = None, network: str | None = None) -> SoftLabelRecipe:
    """A recipe by name, with another number of epochs or another network.

    Raises:
        SettingsError: If there is none of that name, or epochs are below 1.
    """
    require_option(name in RECIPES, "recipe", name, " or ".join(RECIPES))
    require_option(epochs is None or epochs >= 1, "epochs", epochs, "1 or more")
    recipe = RECIPES[name]
    return replace(recipe, epochs=epochs or recipe.epochs, network=network or recipe.network)


def describe_recipe(recipe: SoftLabelRecipe) -> dict[str, object]:
    """The recipe as JSON-able values."""
    return {**asdict(recipe), "widths": list(recipe.widths)}


def soft_label_hash(soft_labels: np.ndarray) -> str:
    """SHA-256 (hex) of S (N, C) written as little-endian float32, row by row."""
    return hashlib.sha256(np.ascontiguousarray(soft_labels, dtype="<f4").tobytes()).hexdigest()


def save_soft_labels(
    path: Path, soft_labels: np.ndarray, true: np.ndarray, made: Mapping[str, object] | None = None
) -> None:
    """Write S (N, C) and the labels (N,) it was trained on to an ``.npz`` file.

    Args:
        path: of the file.
        soft_labels: S.
        true: the labels.
        made: how S was made, JSON-able: ``describe_recipe`` and ``seed``; None where that is not known.

    Raises:
        DataError: If the name does not end in ``.npz``.
        WriteError: If it cannot be written.
    """
    if path.suffix != ".npz":
        raise DataError(f"{path}: soft labels are kept in an .npz file; give soft= a name that ends in .npz")
    _make_folder(path)
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            soft_labels=soft_labels.astype(np.float32),
            true_labels=true,
            made=json.dumps(dict(made or {})),
        )


WANTED = (
    "soft_labels must be (images, classes) of floating-point numbers, beside true_labels; delete it to train "
    "anew, or give another file"
)


def load_soft_labels(path: Path, true: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Read S (N, C) of these labels (N,), and how they were made.

    Returns:
        S, and ``describe_recipe`` and ``seed``; these are empty where the file does not say.

    Raises:
        DataError: If the file is damaged or was made for other labels.
    """
    try:
        arrays = read_npz(path)
        soft_labels, labels = arrays["soft_labels"], arrays["true_labels"]
    except DataError as error:
        raise DataError(f"{error}; {WANTED}") from None
    except KeyError as error:
        raise DataError(f"{path}: it has no array {error}; {WANTED}") from None
    if not np.array_equal(labels, true):
        raise DataError(
            f"{path}: made for {len(labels)} labels that are not those of these {len(true)} images; "
            "delete it or give another file"
        )
    if soft_labels.ndim != 2 or soft_labels.dtype.kind != "f":
        raise DataError(f"{path}: soft_labels has shape {soft_labels.shape} of {soft_labels.dtype}; {WANTED}")
    try:
        made = json.loads(str(arrays.get("made", "{}")))
    except (ValueError, RecursionError):
        made = None
    if not isinstance(made, dict):
        raise DataError(f"{path}: 'made' is no JSON object; {WANTED}")
    return soft_labels, made


def kept_soft_labels(
    path: Path, true: np.ndarray, make: Callable[[], np.ndarray], made: Mapping[str, object]
) -> np.ndarray:
    """S (N, C) of these labels from a file, which is made first where there is none.

    To make it takes minutes, so whether the file can be written is found before.

    Args:
        path: of the file.
        true: the labels (N,).
        make: makes S.
        made: how, for the file; see ``save_soft_labels``.

    Raises:
        DataError: If the file is damaged or was made for other labels.
        WriteError: If it cannot be written.
    """
    if not path.is_file():
        _make_folder(path)
        check_writable(path)
        save_soft_labels(path, make(), true, made)
    return load_soft_labels(path, true)[0]


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {reason(error)}; give another folder") from error
