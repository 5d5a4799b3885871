"""Checksums of the files of a run, by which a change of any of them shows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from labelmend.errors import RunError
from labelmend.files import write_text

SUMS = "SHA256SUMS"
"""In the format of ``sha256sum``: ``sha256sum --check SHA256SUMS`` says which files are as they were."""


def of_file(path: Path) -> str:
    """SHA-256 (hex) of the bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path, names: Iterable[str], coming: Mapping[str, str]) -> None:
    """Write the checksums of the files of a run.

    Args:
        folder: of the run.
        names: of files; those that are not there are left out.
        coming: texts of files that are written next, by name.
    """
    sums = {name: of_file(folder / name) for name in names if (folder / name).is_file()}
    sums |= {name: hashlib.sha256(text.encode()).hexdigest() for name, text in coming.items()}
    write_text(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))


def check_unchanged(folder: Path, names: Iterable[str]) -> None:
    """Refuse files of a run that are not what was written; those without a checksum pass.

    Raises:
        RunError: If a file is missing or has changed.
    """
    path = folder / SUMS
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in names:
        if name not in sums:
            continue
        if not (folder / name).is_file():
            raise RunError(f"{folder / name} is missing; {folder} is not a complete run folder")
        if of_file(folder / name) != sums[name]:
            raise RunError(
                f"{folder / name} is not what the run wrote: it is damaged or was edited; put it back, or "
                f"remove {path} to use it as it is"
            )
