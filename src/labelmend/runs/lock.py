"""One process at a time in a folder: a lock that ends with its holder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from labelmend.errors import RunError, WriteError
from labelmend.files import reason

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder, which is there, against every other process; a kill of the holder frees it.

    The file of the lock goes with it. It is removed before the lock is given up, and a process that has
    opened it by then sees that it has no name any more, and makes another.

    Raises:
        RunError: If another process holds the folder, or nothing can be written there.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise RunError(
            f"another labelmend is at work in {folder}; wait until it has ended, or give another folder"
        ) from None
    except OSError as error:
        raise WriteError(f"nothing can be written in {folder}: {reason(error)}") from error
    try:
        yield
    finally:
        # Windows does not let an open file be removed; there it stays.
        with suppress(OSError):
            (folder / LOCK).unlink()
        lock.release()
