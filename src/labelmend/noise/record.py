"""What a noise model reports beside the labels: enough to recognise them and to make them again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from labelmend.errors import DataError


def transition_matrix(true: np.ndarray, given: np.ndarray, num_classes: int) -> np.ndarray:
    """Empirical ``T[true, given]``: shares of the given labels within each true class.

    Args:
        true: int64 (N,), values in [0, C).
        given: int64 (N,), values in [0, C).
        num_classes: C.

    Returns:
        float64 (C, C), every row sums to 1; a class without samples keeps its label (identity row).
    """
    counts = np.bincount(true * num_classes + given, minlength=num_classes**2)
    counts = counts.reshape(num_classes, num_classes).astype(np.float64)
    empty = counts.sum(axis=1) == 0
    counts[empty, empty] = 1.0
    matrix: np.ndarray = counts / counts.sum(axis=1, keepdims=True)
    return matrix


def label_hash(labels: np.ndarray) -> str:
    """SHA-256 (hex) of labels (N,) written as little-endian int64."""
    return hashlib.sha256(np.ascontiguousarray(labels, dtype="<i8").tobytes()).hexdigest()


@dataclass(frozen=True)
class NoiseRecord:
    """How labels were corrupted.

    Attributes:
        name: the noise model, e.g. ``instance-shared``.
        version: of the model; raised whenever the same inputs would give other labels.
        parameters: everything else that decides the labels (map, layout, scaling, file, ...).
        seed: seed of the draws; None where nothing is drawn (human labels).
        nominal_rate: the rate asked for; None where none is (human labels, a matrix).
        realised_rate: share of samples whose given label is not the true one, in [0, 1].
        transition: empirical ``T[true, given]``, C rows that each sum to 1.
        sha256: of the given labels as little-endian int64.
    """

    name: str
    version: int
    parameters: dict[str, Any]
    seed: int | None
    nominal_rate: float | None
    realised_rate: float
    transition: list[list[float]] = field(repr=False)
    sha256: str

    @classmethod
    def of(
        cls,
        name: str,
        true: np.ndarray,
        given: np.ndarray,
        num_classes: int,
        *,
        version: int = 1,
        parameters: dict[str, Any] | None = None,
        seed: int | None = None,
        nominal_rate: float | None = None,
    ) -> NoiseRecord:
        """Measure the record of given labels (N,) against the true labels (N,)."""
        return cls(
            name=name,
            version=version,
            parameters=dict(parameters or {}),
            seed=seed,
            nominal_rate=nominal_rate,
            realised_rate=float(np.mean(given != true)),
            transition=transition_matrix(true, given, num_classes).tolist(),
            sha256=label_hash(given),
        )

    def again(self, true: np.ndarray, given: np.ndarray, num_classes: int, **parameters: Any) -> NoiseRecord:
        """The record of labels (N,) that something else, named by ``parameters``, has decided on as well."""
        return self.of(
            self.name,
            true,
            given,
            num_classes,
            version=self.version,
            parameters={**self.parameters, **parameters},
            seed=self.seed,
            nominal_rate=self.nominal_rate,
        )

    def to_json(self) -> str:
        """The record as a JSON object."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> NoiseRecord:
        """Read what ``to_json`` wrote.

        Raises:
            DataError: If the text is no such object.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"noise record: not valid JSON ({error}); write it again with labelmend noise"
            ) from None
        expected = {f.name for f in fields(cls)}
        if not isinstance(values, dict) or set(values) != expected:
            found = sorted(values) if isinstance(values, dict) else type(values).__name__
            raise DataError(f"noise record: found {found}, but the fields must be {sorted(expected)}")
        try:
            return TypeAdapter(cls).validate_json(text, strict=True)
        except ValidationError as faults:
            fault = faults.errors(include_url=False)[0]
            raise DataError(f"noise record: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
