"""An ``.npy`` file of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelmend.data.arrays import list_arrays
from labelmend.data.listing import Listing
from labelmend.data.numpy_files import read_npy
from labelmend.data.pictures import one_or_several
from labelmend.data.readers.base import Reader, Request, is_file_of
from labelmend.data.splits import refuse_split


class NpyReader(Reader):
    """NumPy arrays of images; labels come from another file."""

    suffixes = (".npy",)
    unlabelled = True

    def matches(self, source: Any) -> bool:
        """Whether it is an ``.npy`` file that is there."""
        return is_file_of(source, self.suffixes)

    def read(self, source: Any, request: Request) -> Listing:
        """List its images, without labels; one picture to classify is no stack of its rows."""
        path = Path(source)
        refuse_split(request.split, str(path))
        return list_arrays(one_or_several(read_npy(path), request.channels, str(path)), None, str(path))
