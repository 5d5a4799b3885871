"""Images that are listed already, and not decoded."""

from __future__ import annotations

from typing import Any

from labelmend.data.listing import Listing
from labelmend.data.readers.base import Reader, Request
from labelmend.data.splits import refuse_split


class ListingReader(Reader):
    """What another reader has listed, and labels were read of."""

    def matches(self, source: Any) -> bool:
        """Whether it is a Listing."""
        return isinstance(source, Listing)

    def read(self, source: Any, request: Request) -> Listing:
        """The listing itself."""
        refuse_split(request.split, source.name)
        listing: Listing = source
        return listing
