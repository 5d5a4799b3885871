"""A pair (images, labels) of arrays in memory."""

from __future__ import annotations

from typing import Any

from labelmend.data.arrays import list_arrays
from labelmend.data.listing import Listing
from labelmend.data.readers.base import Reader, Request
from labelmend.data.splits import refuse_split
from labelmend.errors import DataError


class PairReader(Reader):
    """Tuples of NumPy arrays, torch tensors or lists."""

    def matches(self, source: Any) -> bool:
        """Whether it is a tuple."""
        return isinstance(source, tuple)

    def read(self, source: Any, request: Request) -> Listing:
        """List the images with their labels.

        Raises:
            DataError: If the tuple is no pair, or either part is faulty.
        """
        refuse_split(request.split, "arrays")
        if len(source) != 2:
            raise DataError(f"a tuple of {len(source)} values is no source; give the pair (images, labels)")
        return list_arrays(source[0], source[1], "arrays")
