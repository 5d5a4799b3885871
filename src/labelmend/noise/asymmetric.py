"""Asymmetric noise: each class is confused with one other, by a map."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from labelmend.data.tables import distinct_keys
from labelmend.errors import DataError, SettingsError
from labelmend.noise.inputs import check_labels, check_rate
from labelmend.noise.record import NoiseRecord
from labelmend.noise.sampling import multinomial_labels

NAME = "asymmetric"
CIFAR10_MAP = {9: 1, 2: 0, 3: 5, 5: 3, 4: 7}
"""Truck to automobile, bird to airplane, cat and dog to each other, deer to horse (Patrini et al. 2017)."""
BLOCK = 5


def asymmetric(
    true: np.ndarray, num_classes: int, rate: float, seed: int, mapping: Mapping[int, int]
) -> tuple[np.ndarray, NoiseRecord]:
    """Flip the mapped classes to their targets, each sample with probability r (Patrini et al. 2017).

    One multinomial a sample from ``RandomState(seed)``, in order. Classes that the map leaves out keep
    their labels, so the realised rate is r times the share of mapped samples: r / 2 with the CIFAR-10 map.

    Args:
        true: int64 (N,), values in [0, C).
        num_classes: C.
        rate: r in [0, 1], within each mapped class.
        seed: of the draws.
        mapping: class index to the class index it is taken for.

    Returns:
        The given labels, int64 (N,), and their record, with ``expected_rate`` among the parameters.

    Raises:
        DataError: If a label is out of range.
        SettingsError: If the rate or a class of the map is, or a class is mapped to itself.
    """
    labels, rate = check_labels(true, num_classes), check_rate(rate)
    matrix = np.eye(num_classes)
    for source, target in mapping.items():
        if not (0 <= source < num_classes and 0 <= target < num_classes) or source == target:
            raise SettingsError(
                f"--noise: the map takes class {source} to {target}, but both must be different classes "
                f"from 0 to {num_classes - 1}"
            )
        matrix[source, source], matrix[source, target] = 1.0 - rate, rate
    given = multinomial_labels(labels, matrix, seed)
    mapped = float(np.isin(labels, list(mapping)).mean())
    record = NoiseRecord.of(
        NAME,
        labels,
        given,
        num_classes,
        parameters={"map": {str(k): int(v) for k, v in mapping.items()}, "expected_rate": rate * mapped},
        seed=seed,
        nominal_rate=rate,
    )
    return given, record


def superclass_map(num_classes: int) -> dict[int, int]:
    """Each class to the next inside its block of 5 consecutive class indices, the last to the first.

    This is what the public generators call CIFAR-100's superclass noise; the blocks are of label indices
    and not the 20 superclasses of CIFAR-100.

    Raises:
        SettingsError: If C is not a multiple of 5.
    """
    if num_classes % BLOCK:
        raise SettingsError(f"--noise: map=superclass needs a multiple of {BLOCK} classes, not {num_classes}")
    return {c: c - c % BLOCK + (c + 1) % BLOCK for c in range(num_classes)}


def load_map(path: Path, class_names: Sequence[str]) -> dict[int, int]:
    """Read a map from a JSON object of class names or indices, e.g. ``{"cat": "dog", "dog": "cat"}``.

    Raises:
        DataError: If the file is missing or not such an object, or names an unknown class.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; give map=cifar10, map=superclass or a JSON object of classes")
    try:
        pairs = json.loads(path.read_text(), object_pairs_hook=distinct_keys)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(pairs, dict) or not pairs:
        raise DataError(f'{path}: must be an object of classes, e.g. {{"cat": "dog"}}')
    mapping: dict[int, int] = {}
    for name, other in pairs.items():
        index = _class_index(name, class_names, path)
        if index in mapping:
            raise DataError(f"{path}: class {class_names[index]!r} is there twice; leave one out")
        mapping[index] = _class_index(other, class_names, path)
    return mapping


def _class_index(name: object, class_names: Sequence[str], path: Path) -> int:
    if str(name) in class_names:
        return class_names.index(str(name))
    if str(name).isdecimal() and int(str(name)) < len(class_names):
        return int(str(name))
    raise DataError(f"{path}: {name!r} is no class; the classes are {', '.join(class_names[:20])}")
