"""A data set by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelmend.data.benchmarks import BENCHMARKS, is_named
from labelmend.data.listing import Listing
from labelmend.data.readers.base import Reader, Request


class NamedReader(Reader):
    """Named data sets, ``digits`` and the benchmarks."""

    def matches(self, source: Any) -> bool:
        """Whether it is the name of a data set."""
        return is_named(source)

    def splits(self, source: Any, root: str | Path | None = None) -> list[str]:
        """All splits that the data set has, here or not."""
        return list(BENCHMARKS[source].splits)

    def read(self, source: Any, request: Request) -> Listing:
        """List one split of the data set, which is looked for below ``request.root``."""
        return BENCHMARKS[source].listing(request.root, request.split)
