"""Images to classify in one array."""

from __future__ import annotations

from typing import Any

from labelmend.data.arrays import list_arrays
from labelmend.data.listing import Listing
from labelmend.data.readers.base import Reader, Request


class ArrayReader(Reader):
    """NumPy arrays, torch tensors and nested lists of images: whatever is left."""

    labelled = False
    unlabelled = True

    def matches(self, source: Any) -> bool:
        """Anything: what is no array of images is refused with a reason when it is read."""
        return True

    def read(self, source: Any, request: Request) -> Listing:
        """List the images."""
        return list_arrays(source, None, "arrays")
