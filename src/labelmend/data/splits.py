"""Names of splits: train, val and test under their usual aliases."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from labelmend.errors import DataError

_ALIASES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def standard_split(name: str) -> str:
    """``train``, ``val`` or ``test`` for any of their usual names; other names as they are."""
    return _ALIASES.get(name.strip().lower(), name.strip())


def is_split_name(name: str) -> bool:
    """Whether a folder of this name is taken for a split, not a class."""
    return name.lower() in _ALIASES


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
    if wanted is not None:
        raise DataError(f"{where}: --split is {wanted!r}, but this source has no splits; leave --split out")


def held_out(splits: Sequence[str]) -> str | None:
    """The split to test on: ``test``, else ``val``, else None."""
    return next((split for split in ("test", "val") if split in splits), None)
