"""The file that labels are written to: never one of the user's."""

from __future__ import annotations

from pathlib import Path

from labelmend.errors import RunError, SettingsError
from labelmend.files import check_writable
from labelmend.runs import journal as journals
from labelmend.runs.checksums import of_file


def checked_out(out: Path, suffix: str, run: Path) -> Path:
    """Refuse a file that is the user's, or that cannot be written.

    Args:
        out: the file to write.
        suffix: that its name must have.
        run: folder of the run that the labels are of.

    Raises:
        SettingsError: If it has another name, or no folder.
        RunError: If it is there, and was not written here, or was edited since.
        WriteError: If it cannot be written.
    """
    if not out.name.lower().endswith(suffix.lower()):
        raise SettingsError(
            f"--out is {str(out)!r}, but must end in {suffix}, as these labels are written so"
        )
    if not out.parent.is_dir():
        raise SettingsError(f"--out is {str(out)!r}, but there is no folder {out.parent}")
    if out.is_dir():
        raise SettingsError(f"--out {out} is a folder; give the name of a file")
    check_writable(out)
    if out.exists():
        _refuse_foreign(out, run)
    return out


def _refuse_foreign(out: Path, run: Path) -> None:
    """Refuse to replace anything but what was written here before, and left as it was."""
    written = [journal for _, journal in journals.journals(run) if journal.result == str(out.resolve())]
    if not out.is_file() or not written:
        raise RunError(f"--out {out} is there, and nothing is replaced; give another name")
    if of_file(out) not in {s for j in written for s in (j.result_sha256, j.original_sha256)}:
        raise RunError(f"--out {out} was edited since it was written, and is not replaced; give another name")
