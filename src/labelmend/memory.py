"""How much memory there is, asked before much of it is taken."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def total_memory() -> int | None:
    """Bytes of memory that this process can ever have: the machine's, or its container's; None if unknown."""
    found = []
    # Only POSIX has sysconf; only Linux has control groups.
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for limit in _CGROUP_LIMITS:
        if limit.is_file() and (text := limit.read_text().strip()).isdigit():
            found.append(int(text))
    return min((size for size in found if size > 0), default=None)


def fits_in_memory(size: int) -> bool:
    """Whether ``size`` bytes could be held at all; True where the memory is unknown."""
    total = total_memory()
    return total is None or size < total


def in_words(size: int) -> str:
    """A number of bytes for a person, e.g. ``2.4 GiB``."""
    power = min(max(size.bit_length() - 1, 0) // 10, len(_UNITS) - 1)
    return f"{size:,} bytes" if power == 0 else f"{size / 1024**power:,.1f} {_UNITS[power]}"
