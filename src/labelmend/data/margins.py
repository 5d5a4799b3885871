"""Images as a backbone is trained on them: the square that it looks at, and what is around it."""

from __future__ import annotations

from labelmend.data.assemble import refuse_unreadable, skipped_images
from labelmend.data.decode import DecodedOnDemand, ProgressCallback, decode_into_memory, look_through
from labelmend.data.features import Arrays, Embedder
from labelmend.data.image_set import MEMORY_LIMIT, Images, MemoryImages, Skipped
from labelmend.data.listing import Listing


def side_with_margin(embedder: Embedder) -> int:
    """Side in pixels of an image whose middle is what an embedder looks at."""
    return round(embedder.size / embedder.crop)


def with_margins(
    listing: Listing,
    embedder: Embedder,
    *,
    memory_limit: int = MEMORY_LIMIT,
    progress: ProgressCallback | None = None,
) -> tuple[Images, list[int], list[Skipped]]:
    """The images of a listing as squares, of which the middle ``embedder.size`` pixels are what it embeds.

    Args:
        listing: of the images.
        embedder: whose preparation they get.
        memory_limit: bytes up to which they are held in memory; above, they are decoded each time they are
            asked for.
        progress: called with (images done, images in all).

    Returns:
        The readable images, uint8 (M, side, side, 3), their rows in the listing, and the other images.

    Raises:
        DataError: If none can be read.
    """
    items = listing.items if listing.images is None else Arrays(listing.images)
    side, interpolation, keep_aspect = (
        side_with_margin(embedder),
        embedder.interpolation,
        embedder.keep_aspect,
    )
    if len(items) * side * side * 3 <= memory_limit:
        pixels, reasons = decode_into_memory(
            items, side, 3, progress, interpolation=interpolation, keep_aspect=keep_aspect
        )
        images: Images = MemoryImages(pixels)
    else:
        reasons, _ = look_through(items, 3, progress)
        readable = [items[row] for row in range(len(items)) if row not in reasons]
        images = DecodedOnDemand(readable, side, 3, interpolation, keep_aspect)
    rows = [row for row in range(len(items)) if row not in reasons]
    if not rows:
        refuse_unreadable(listing, reasons)
    return images, rows, skipped_images(listing, reasons)
