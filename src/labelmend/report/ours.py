"""Which files may be replaced: those that an earlier report wrote."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from labelmend.errors import RunError

MAKER = "labelmend"
"""What pages and figures say of who made them, near their beginning."""

HEAD = 2048


def check_ours(path: Path) -> None:
    """Refuse a path at which something is that labelmend did not write.

    Raises:
        RunError: If there is such a file.
    """
    # Whatever is no file is refused when it is written.
    if not path.is_file():
        return
    with suppress(OSError), path.open("rb") as file:
        head = file.read(HEAD)
        if MAKER.encode() not in head and head:
            raise RunError(f"{path} is there already, and is no report of labelmend; give another name")
