"""Names of splits: train, val and test under their usual aliases."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from labelmend.errors import DataError

NO_SPLITS = "none"
"""Given as a split: the folders are classes, whatever they are called."""

SPLIT_COLUMNS = ("split", "subset", "partition", "set", "fold", "phase", "usage", "dataset_split", "data set")
"""Columns of tables that may say which split a row belongs to."""

_ALIASES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "validate": "val",
    "dev": "val",
    "eval": "val",
    "evaluation": "val",
    "test": "test",
    "testing": "test",
    "holdout": "test",
}
_FILLERS = frozenset(
    ("set", "images", "image", "imgs", "img", "data", "dataset", "split", "seg", "folder", "files", "pics")
)
_WORD = re.compile("|".join(sorted({*_ALIASES, *_FILLERS}, key=len, reverse=True)))


def split_of(name: str) -> str | None:
    """The split that a folder of this name holds (``Train``, ``test_set``, ``val2017``), or None."""
    letters = re.sub(r"[^a-z]+", " ", name.strip().lower())
    words = _WORD.findall(letters)
    splits = [_ALIASES[word] for word in words if word in _ALIASES]
    is_all = len("".join(words)) == len(letters.replace(" ", ""))
    return splits[0] if is_all and len(splits) == 1 else None


def loose_split_of(name: str) -> tuple[str, tuple[str, ...]] | None:
    """The split in a name of more words than ``split_of`` knows, and these: ``flowers_train``, ``test_v2``.

    None where there is no split in it, or several.
    """
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    splits = [_ALIASES[word] for word in words if word in _ALIASES]
    return (splits[0], tuple(word for word in words if word not in _ALIASES)) if len(splits) == 1 else None


def standard_split(name: str) -> str:
    """``train``, ``val`` or ``test`` for any of their usual names; other names as they are."""
    return split_of(name) or name.strip()


def is_split_name(name: str) -> bool:
    """Whether a folder of this name may be a split rather than a class."""
    return split_of(name) is not None


def choose_split(available: Collection[str], wanted: str | None, where: str) -> str:
    """The split to read: the one asked for, or ``train``.

    Raises:
        DataError: If the source does not have it.
    """
    split = "train" if wanted is None else standard_split(wanted)
    if split not in available:
        raise DataError(
            f"{where}: there is no split {split!r}; choose one with --split: {', '.join(sorted(available))}"
        )
    return split


def refuse_split(wanted: str | None, where: str) -> None:
    """Raise a DataError if a split is asked of a source that has none."""
    if wanted not in (None, NO_SPLITS):
        raise DataError(f"{where}: --split is {wanted!r}, but this source has no splits; leave --split out")


def held_out(splits: Sequence[str]) -> str | None:
    """The split to test on: ``test``, else ``val``, else None."""
    return next((split for split in ("test", "val") if split in splits), None)
