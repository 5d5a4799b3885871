"""The pixels of each training step, decoded ahead of time where they must be decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from torch import Tensor

from labelmend.data.image_set import Images


def fetch(images: Images, steps: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """The pixels of each step; those that must be decoded are fetched one step ahead.

    Args:
        images: N images.
        steps: int64 indices of each step, (B,). Images that are not in memory are fetched while the caller
            works on the step before, so ``steps`` is asked for one step more than has been yielded.

    Yields:
        The indices of a step, as given, and its images, uint8, (B, height, width, channels).

    Raises:
        DataError: If a file has become unreadable since the set was loaded.
    """
    if images.in_memory:
        for index in steps:
            yield index, images.gather(index)
        return
    with ThreadPoolExecutor(1) as pool:
        ahead: tuple[Tensor, Future[Tensor]] | None = None
        for index in steps:
            ready, ahead = ahead, (index, pool.submit(images.gather, index))
            if ready is not None:
                yield ready[0], ready[1].result()
        if ahead is not None:
            yield ahead[0], ahead[1].result()
