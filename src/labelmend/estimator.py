"""A scikit-learn classifier that is robust to wrong labels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d
from torch import Tensor

from labelmend.data import sources
from labelmend.data.image_set import ImageSet, Skipped
from labelmend.data.labels import is_empty, read_label
from labelmend.data.listing import Listing
from labelmend.errors import DataError, LabelmendWarning, SettingsError
from labelmend.runs import jobs
from labelmend.runs.looks import with_looks
from labelmend.runs.run import most_probable
from labelmend.runs.suggest import settle
from labelmend.training.listener import Listener, Silent

MAX_SEED = 2**31 - 1


class PrintEpochs(Silent):
    """A listener that prints one line per epoch."""

    def on_epoch(self, row: dict[str, Any]) -> None:
        """Print epoch, loss and the estimated noise rate once it is known."""
        rate = row.get("estimated_noise_rate")
        noise = "" if rate is None else f"  estimated noise {rate:.1%}"
        print(f"epoch {row['epoch']:>4}  loss {row['loss']:.3f}{noise}", flush=True)


class NoisyLabelClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Image classifier for labels that are partly wrong, by scikit-learn's rules.

    Args:
        method: name of the method; None for the recipe's.
        recipe: name or path of a recipe, which gives all settings not given here; None for the one that
            suits the size of the images, as ``labelmend.fit`` takes it.
        epochs: passes over the images; None for the recipe's budget.
        batch_size: images a step; None for the recipe's, as with the next three.
        lr: peak learning rate.
        network: name of the backbone.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        settings: further settings by flat name, e.g. ``{"easy_percent": 50}``.
        random_state: seed of every random choice; an int gives the same result each time.
        verbose: 1 prints a line per epoch.

    Attributes:
        classes_: the C distinct labels, sorted, in the order of the columns of ``predict_proba``; of text the
            names as ``labelmend.fit`` reads them (``"cat "`` is ``"cat"``).
        verdicts_: ``Verdicts`` on every training image that could be read; the index of its table is the
            position of the image in ``X``.
        run_: the finished ``Run``.
        image_shape_: shape of one training image as passed to ``fit``; None where they differ in shape, or
            are files.

    Examples:
        >>> from labelmend import NoisyLabelClassifier
        >>> classifier = NoisyLabelClassifier(epochs=10)
        >>> classifier.fit(images, labels).get_label_issues()  # doctest: +SKIP
    """

    def __init__(
        self,
        method: str | None = None,
        recipe: str | None = None,
        epochs: float | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        network: str | None = None,
        device: str | None = None,
        settings: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = 0,
        verbose: int = 0,
    ) -> None:
        self.method = method
        self.recipe = recipe
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.network = network
        self.device = device
        self.settings = settings
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Train on images and the labels given for them.

        Images that cannot be read are left out.

        Args:
            X: array of shape (N, H, W), (N, H, W, C) or (N, C, H, W), of any numbers; or N images (arrays,
                tensors, PIL images) of any sizes, or paths of files, in a list.
            y: N labels of any type that can be sorted; partly wrong.

        Raises:
            DataError: If the images have another shape or range, or N differs.
            SettingsError: If a setting has a value it cannot have.

        Warns:
            LabelmendWarning: If some images cannot be read; how many, and why the first.
        """
        settings = self._given_settings()
        labels = _read_labels(y)
        check_classification_targets(labels)
        classes, codes = np.unique(labels, return_inverse=True)
        names = [
            label if isinstance(label, str) else str(read_label(label, "y")) for label in classes.tolist()
        ]
        listing = sources.read_listing((X, codes))
        # Names that are read already must not be read again: what is in a pair of quotes would lose the next.
        listing = replace(listing, labels=[names[code] for code in codes], class_names=names)
        shape = _image_shape(X)
        job = jobs.prepare(settle(listing, self.recipe, self.method, settings), listing)
        _warn_of_unread(listing, job.train_set)
        listener: Listener | None = PrintEpochs() if self.verbose else None
        self.run_ = with_looks(jobs.start(job, listener=listener), listing)
        self.classes_ = classes
        self.verdicts_ = self.run_.verdicts
        self.image_shape_ = shape
        self._given = classes[codes]
        position = {image_id: place for place, image_id in enumerate(listing.ids)}
        self.verdicts_.table.index = pd.Index([position[i] for i in self.verdicts_.table["id"]])
        return self

    def _given_settings(self) -> dict[str, Any]:
        named = {
            name: getattr(self, name)
            for name in ("epochs", "batch_size", "lr", "network", "device")
            if getattr(self, name) is not None
        }
        further = {} if self.settings is None else self.settings
        if not isinstance(further, Mapping) or not all(isinstance(name, str) for name in further):
            raise SettingsError(
                f"settings is {further!r}, but must be a dictionary of names and values, e.g. "
                "{'easy_percent': 50}"
            )
        twice = named.keys() & further.keys()
        if twice:
            raise SettingsError(f"{min(twice)} is given both as an argument and in settings; give it once")
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(MAX_SEED)
        return {"seed": int(seed), **further, **named}

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities, shape (N, C); rows sum to 1, and are NaN for images that cannot be read.

        Args:
            X: images as in ``fit``, one picture, or anything else that ``Run.predict_proba`` takes.
        """
        check_is_fitted(self)
        return self.run_.predict_proba(self._pictures(X))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each image, shape (N,); ``X`` as in ``predict_proba``.

        Raises:
            DataError: If an image cannot be read.
        """
        check_is_fitted(self)
        found = self.run_.read(self._pictures(X))
        if len(found.rows) < len(found):
            row = min(set(range(len(found))).difference(found.rows))
            raise DataError(
                f"image {row} of X has no class, as it cannot be read "
                f"({_reason(found.paths[row], found.ids[row], found.skipped)}); leave it out, or take "
                "predict_proba, which has a row of NaN for it"
            )
        return most_probable(self.classes_, self.run_.predict_proba(found))

    def _pictures(self, X: Any) -> Any:
        """Images as ``Run`` takes them.

        Raises:
            DataError: If they are flattened: a table of numbers would be taken for one grey picture.
        """
        shape, one = _table_shape(X), self.image_shape_
        if one and shape and shape != one and shape[1] == prod(one):
            raise DataError(
                f"X has shape {shape}, as if each image of shape {one} were flattened; give "
                f"X.reshape{(-1, *one)}, or X[None] if it is one picture"
            )
        is_list_of_files = isinstance(X, np.ndarray | pd.Series) and X.ndim == 1 and _are_paths(X)
        return X.tolist() if is_list_of_files else X

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy on the labels given, in [0, 1].

        On labels that are themselves wrong in places this is not accuracy on the truth: a robust
        classifier disagrees with wrong labels, and scores lower for it.

        Raises:
            DataError: If an image cannot be read, or has no label.
        """
        return float(accuracy_score(_read_labels(y), self.predict(X), sample_weight=sample_weight))

    def get_label_issues(self) -> pd.DataFrame:
        """What was found about the training labels, in cleanlab's columns.

        Returns:
            One row for each image of ``X``, in order: ``is_label_issue`` (bool), ``label_quality`` (in
            [0, 1], low = suspicious), ``given_label`` and ``predicted_label`` (of the type of ``y``). Of an
            image that was not trained on, as it cannot be read or lies beyond ``limit``, nothing is known:
            it is no issue, its quality is NaN, and None is predicted. It can be passed to
            ``cleanlab.classification.CleanLearning.fit(label_issues=...)`` where ``y`` is the integers 0 to
            C - 1 that cleanlab expects.
        """
        check_is_fitted(self)
        found = self.verdicts_.issues()
        code = {name: i for i, name in enumerate(self.run_.classes)}
        for column in ("given_label", "predicted_label"):
            found[column] = self.classes_[found[column].map(code).to_numpy(dtype=np.int64)]
        rows = found.index.to_numpy()
        if len(rows) == len(self._given):
            return found
        given, predicted = self._given.copy(), np.full(len(self._given), None, dtype=object)
        given[rows], predicted[rows] = found["given_label"].to_numpy(), found["predicted_label"].to_numpy()
        issues = found.reindex(range(len(given)))
        issues["is_label_issue"] = found["is_label_issue"].reindex(issues.index, fill_value=False)
        issues["given_label"] = given
        issues["predicted_label"] = pd.Series(predicted, dtype=object)
        return issues


def _read_labels(y: Any) -> np.ndarray:
    """Labels (N,) of an estimator; those that are text as ``labelmend.fit`` reads them.

    Raises:
        DataError: If there is none, or it is no label.
    """
    labels: np.ndarray = column_or_1d(y)
    if labels.dtype.kind in "biufc":
        return labels
    empty = [row for row, label in enumerate(labels) if is_empty(label)]
    if empty:
        raise DataError(f"y has no label at position {empty[0]}; leave such images out")
    # What else objects can be is for scikit-learn to refuse.
    if not any(isinstance(label, str) for label in labels):
        return labels
    names = [str(read_label(label, f"y, position {row}")) for row, label in enumerate(labels)]
    return np.asarray(names, dtype=object if labels.dtype == object else str)


def _image_shape(X: Any) -> tuple[int, ...] | None:
    """The shape that images have in common; None if they have not, or are files."""
    shape = tuple(getattr(X, "shape", ()))
    if len(shape) > 1:
        return shape[1:]
    shapes = {tuple(np.shape(image)) for image in X}
    return (shapes.pop() or None) if len(shapes) == 1 else None


def _table_shape(X: Any) -> tuple[int, ...] | None:
    """(N, d) of an array, a tensor or a list of N rows of numbers; None if it is no such table."""
    if isinstance(X, np.ndarray | Tensor):
        return tuple(X.shape) if X.ndim == 2 else None
    if not isinstance(X, list | tuple) or not len(X):
        return None
    first = X[0]
    is_row = (
        first.ndim == 1
        if isinstance(first, np.ndarray | Tensor)
        else isinstance(first, list | tuple) and len(first) > 0 and np.isscalar(first[0])
    )
    return (len(X), len(first)) if is_row else None


def _are_paths(images: Any) -> bool:
    return all(isinstance(image, str | Path) for image in images)


def _reason(path: str, image_id: str, skipped: Sequence[Skipped]) -> str:
    """Why an image cannot be read, with its file where it has one."""
    name = path or image_id
    reason = next((entry.reason for entry in skipped if entry.path == name), "no reason is known")
    return f"{path}: {reason}" if path else reason


def _warn_of_unread(listing: Listing, train_set: ImageSet) -> None:
    skipped = {entry.path for entry in train_set.skipped}
    names = (path or image_id for path, image_id in zip(listing.paths, listing.ids, strict=True))
    unread = [row for row, name in enumerate(names) if name in skipped]
    if not unread:
        return
    row = unread[0]
    warnings.warn(
        f"{len(unread):,} of {len(listing):,} images are left out of training, as they cannot be read, "
        f"first image {row} of X ({_reason(listing.paths[row], listing.ids[row], train_set.skipped)})",
        LabelmendWarning,
        stacklevel=3,
    )
