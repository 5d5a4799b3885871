"""New images of more than 8 bits: on the scale of the training images, or on one of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from labelmend.data.bit_depth import (
    OVERSHOOT,
    SLIVER,
    USUAL,
    PixelRange,
    Scaled,
    Spread,
    deep_rows,
    extremes,
    is_of_whole_numbers,
    missing_values,
    note_of_cut,
    note_of_nan,
    number,
    spread,
    without_outliers,
)
from labelmend.data.decode import Header, in_threads
from labelmend.data.listing import Listing

_FEW = 0.05
"""Share of values that may lie outside a usual range which is taken all the same."""


def choose_range_of_new(spreads: Sequence[Spread]) -> PixelRange:
    """One range for new images of one kind of which the run does not know the scale.

    They are few, so that they may span less of a usual range than a training set, and one value that resizing
    has pushed above 1 must not turn all others black: the smallest usual range that they hardly leave is
    taken; failing that, from the smallest value to the largest, single outliers aside.

    Args:
        spreads: of the images, all of whole numbers or all of floats.
    """
    whole = all(s.whole for s in spreads)
    low, high = without_outliers(spreads)
    slack = 0.0 if whole else OVERSHOOT
    for place, (_, top) in enumerate(USUAL):
        if whole and top == 1:
            continue
        few = float(np.mean([s.outside[place] for s in spreads])) <= _FEW
        # Floats of a magnitude at which 0..255 shows hardly anything are highlights in 0..1.
        if high <= top * (1 + slack) or (top == 1 and few and high < 255 * SLIVER):
            if low >= -slack * top and (few or whole):
                return 0.0, top
            break
    return low, high if high > low else low + 1


def scale_new(
    listing: Listing, headers: Sequence[Header | str], trained: PixelRange | None
) -> tuple[Listing, str]:
    """The listing of new images with those of more than 8 bits scaled as the training images were.

    Images of the kind that was trained on (whole numbers or floats) have the scale of training, whatever
    else is given with them. Those of the other kind have one of their own: 0..1 is no part of 0..65535.

    Args:
        listing: N images that are not decoded.
        headers: of each, or why it cannot be read.
        trained: the range of the training images; None where they had 8 bits, or an older version kept none.

    Returns:
        The listing, with notes, and a warning in one line of what may make predictions worthless; "" if
        there is nothing to warn of.
    """
    known = [header for header in headers if isinstance(header, Header)]
    deep = deep_rows(headers)
    notes = [*listing.notes, *note_of_cut(known)]
    if not deep:
        return replace(listing, notes=notes), ""
    measured = dict(zip(deep, in_threads(spread, [listing.items[row] for row in deep]), strict=True))
    items = list(listing.items)
    warned: list[str] = []
    for floats in (False, True):
        rows = [row for row in deep if isinstance(header := headers[row], Header) and header.floats == floats]
        spreads = {row: s for row in rows if isinstance(s := measured[row], Spread)}
        group = _Group(spreads, floats, trained)
        for row in rows:
            # Without a finite value there is nothing to scale: opening it says so.
            items[row] = Scaled(items[row], group.pixel_range)
        if spreads:
            notes += group.notes()
            warned += group.warnings(listing)
    if len(deep) < len(known):
        notes.append(
            f"{len(known) - len(deep):,} of {len(known):,} images have 8 bits and are taken as they are, the "
            "others are scaled; look whether they are alike"
        )
    if warned:
        warned.append("give images on the scale of those that the run was trained on")
    return replace(listing, items=items, notes=notes), "; ".join(warned)


@dataclass(frozen=True)
class _Group:
    """New images of one kind, and what they are scaled by.

    Attributes:
        spreads: by row of the listing.
        floats: whether they hold floats, or whole numbers.
        trained: the range of the training images, or None.
    """

    spreads: Mapping[int, Spread]
    floats: bool
    trained: PixelRange | None

    @cached_property
    def by_training(self) -> bool:
        """Whether the scale of training is theirs."""
        if self.trained is None:
            return False
        if self.floats != is_of_whole_numbers(self.trained):
            return True
        # A scanner's units are the same in both kinds, but what fits into 8 bits is mostly on a scale of its
        # own: no whole number means anything on 0..1, and no float in 0..1 on 0..65535.
        if self.trained[1] - self.trained[0] <= 255:
            return False
        beyond = [s.beyond_8_bits for s in self.spreads.values()]
        return not self.floats or bool(beyond and np.mean(beyond) > _FEW)

    @cached_property
    def pixel_range(self) -> PixelRange:
        """Values that become black and white."""
        if self.trained is not None and self.by_training:
            return self.trained
        return choose_range_of_new(list(self.spreads.values())) if self.spreads else USUAL[0]

    @property
    def _kind(self) -> str:
        return "float images" if self.floats else "images of more than 8 bits"

    @property
    def _why_measured(self) -> str:
        if self.trained is None:
            return "the run has no scale for them"
        kind = "whole numbers" if self.floats else "floats"
        return f"the run was trained on {kind} from {number(self.trained[0])} to {number(self.trained[1])}"

    def notes(self) -> list[str]:
        """What was assumed, where that is usual."""
        found = []
        if missing := missing_values(list(self.spreads.values())):
            found.append(f"pixels of {missing} count as missing and are black")
        found += note_of_nan(list(self.spreads.values()))
        if self.trained is None and self.pixel_range == USUAL[2]:
            found.append(f"{len(self.spreads):,} {self._kind}: 0 becomes black and 65535 white")
        return found

    def warnings(self, listing: Listing) -> list[str]:
        """What may be wrong with the scale: a guess, values outside it, or hardly any of it used."""
        low, high = self.pixel_range
        scale = f"{number(low)} to {number(high)}"
        count = f"{len(self.spreads):,} {self._kind}"
        found = []
        if not self.by_training and (self.trained is not None or self.pixel_range not in USUAL):
            found.append(f"{count} are read from {scale}, as is measured on them, since {self._why_measured}")
        clipped = [row for row, s in self.spreads.items() if s.low < low or s.high > high]
        if clipped:
            lowest, highest = extremes([self.spreads[row] for row in clipped])
            found.append(
                f"{len(clipped):,} of {count} have values outside {scale}, which are clipped (first "
                f"{_name(listing, clipped[0])}; they go from {number(lowest)} to {number(highest)})"
            )
        if slivers := self._slivers():
            lowest, highest = extremes([self.spreads[row] for row in slivers])
            found.append(
                f"{len(slivers):,} of {count} use only {number(lowest)} to {number(highest)} of {scale}, "
                f"so that hardly anything is seen in them (first {_name(listing, slivers[0])})"
            )
        return found

    def _slivers(self) -> list[int]:
        """Rows of images that use hardly any of the range.

        Where it is that of training, or 0..1, a dark image among others is just that, and no sign of another
        scale.
        """
        low, high = self.pixel_range
        narrow = (high - low) * SLIVER

        def is_sliver(lowest: float, highest: float) -> bool:
            return low < highest < low + narrow or 0 < highest - lowest < narrow

        if self.by_training or self.pixel_range == USUAL[0]:
            return list(self.spreads) if is_sliver(*extremes(list(self.spreads.values()))) else []
        return [row for row, s in self.spreads.items() if is_sliver(s.low, s.high)]


def _name(listing: Listing, row: int) -> str:
    return listing.paths[row] or listing.ids[row]
