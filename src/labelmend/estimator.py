"""A scikit-learn classifier that is robust to wrong labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from labelmend import api
from labelmend.data import sources
from labelmend.data.labels import is_empty
from labelmend.errors import DataError, SettingsError
from labelmend.runs.run import most_probable
from labelmend.settings.loading import DEFAULT_RECIPE
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
        recipe: name or path of a recipe, which gives all settings not given here.
        epochs: passes over the images; None for the recipe's budget.
        batch_size: images a step; None for the recipe's, as with the next three.
        lr: peak learning rate.
        network: name of the backbone.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        settings: further settings by flat name, e.g. ``{"easy_percent": 50}``.
        random_state: seed of every random choice; an int gives the same result each time.
        verbose: 1 prints a line per epoch.

    Attributes:
        classes_: the C distinct labels, sorted, in the order of the columns of ``predict_proba``.
        verdicts_: ``Verdicts`` on every training image.
        run_: the finished ``Run``.
        image_shape_: shape of one training image as passed to ``fit``.

    Examples:
        >>> from labelmend import NoisyLabelClassifier
        >>> classifier = NoisyLabelClassifier(epochs=10)
        >>> classifier.fit(images, labels).get_label_issues()  # doctest: +SKIP
    """

    def __init__(
        self,
        method: str | None = None,
        recipe: str = DEFAULT_RECIPE,
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

        Args:
            X: array of shape (N, H, W), (N, H, W, C) or (N, C, H, W), of any numbers.
            y: N labels of any type that can be sorted; partly wrong.

        Raises:
            DataError: If the images have another shape or range, or N differs.
            SettingsError: If a setting has a value it cannot have.
        """
        labels = column_or_1d(y)
        empty = [row for row, label in enumerate(labels) if labels.dtype == object and is_empty(label)]
        if empty:
            raise DataError(f"y has no label at position {empty[0]}; leave such images out")
        check_classification_targets(labels)
        classes, encoded = np.unique(labels, return_inverse=True)
        names = _distinct_names(classes)
        given = [names[position] for position in encoded]
        train_set = sources.load((X, given), class_names=names)
        listener: Listener | None = PrintEpochs() if self.verbose else None
        self.run_ = api.fit(
            train_set,
            recipe=self.recipe,
            method=self.method,
            listener=listener,
            **self._given_settings(),
        )
        self.classes_ = classes
        self.verdicts_ = self.run_.verdicts
        self.image_shape_ = np.shape(X)[1:]
        return self

    def _given_settings(self) -> dict[str, Any]:
        named = {
            name: getattr(self, name)
            for name in ("epochs", "batch_size", "lr", "network", "device")
            if getattr(self, name) is not None
        }
        further = dict(self.settings or {})
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
        return self.run_.predict_proba(X)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each image, shape (N,); None for images that cannot be read."""
        probabilities = self.predict_proba(X)
        return most_probable(self.classes_, probabilities)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy on the labels given, in [0, 1].

        On labels that are themselves wrong in places this is not accuracy on the truth: a robust
        classifier disagrees with wrong labels, and scores lower for it.
        """
        return float(super().score(X, y, sample_weight))

    def get_label_issues(self) -> pd.DataFrame:
        """What was found about the training labels, in cleanlab's columns.

        Returns:
            One row a training image, in order: ``is_label_issue`` (bool), ``label_quality`` (in [0, 1],
            low = suspicious), ``given_label`` and ``predicted_label`` (of the type of ``y``). It can be
            passed to ``cleanlab.classification.CleanLearning.fit(label_issues=...)`` where ``y`` is
            the integers 0 to C - 1 that cleanlab expects.
        """
        check_is_fitted(self)
        issues = self.verdicts_.issues()
        position = {name: i for i, name in enumerate(self.run_.classes)}
        for column in ("given_label", "predicted_label"):
            issues[column] = self.classes_[issues[column].map(position).to_numpy(dtype=np.int64)]
        return issues


def _distinct_names(classes: np.ndarray) -> list[str]:
    names = [str(label) for label in classes.tolist()]
    # Labels that print alike (1 and 1.0 cannot both occur, but objects can) are told apart by position.
    return names if len(set(names)) == len(names) else [f"{name} ({i})" for i, name in enumerate(names)]
