"""A list of pictures to classify, in memory or on disk, of any sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelmend.data.arrays import image_item
from labelmend.data.image_file import Encoded
from labelmend.data.listing import Listing
from labelmend.data.pictures import is_one
from labelmend.data.readers.base import Reader, Request
from labelmend.errors import DataError


class PicturesReader(Reader):
    """Lists of PIL images, arrays, tensors, bytes of files and paths, each a picture of its own."""

    labelled = False
    unlabelled = True

    def matches(self, source: Any) -> bool:
        """Whether it is a list of nothing else."""
        return isinstance(source, list | tuple) and all(map(is_one, source))

    def read(self, source: Any, request: Request) -> Listing:
        """List each member once, in order; ids are paths, or positions from 0."""
        paths = [str(part) if isinstance(part, str | Path) else "" for part in source]
        return Listing(
            name=f"{len(source)} pictures",
            ids=[path or str(position) for position, path in enumerate(paths)],
            paths=paths,
            items=[_item(part, f"picture {position}") for position, part in enumerate(source)],
        )


def _item(part: Any, name: str) -> Encoded:
    if isinstance(part, str | Path):
        if not Path(part).is_file():
            raise DataError(f"{part}: there is no such file")
        return Path(part)
    return part if isinstance(part, bytes) else image_item(part, name)
