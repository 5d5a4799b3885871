"""Images that are an ImageSet already."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from labelmend.data.assemble import (
    Form,
    check_training_set,
    header_of,
    in_form,
    note_of_enlarging,
    refuse_equal_names,
)
from labelmend.data.decode import SMALLEST
from labelmend.data.image_set import ImageSet
from labelmend.data.listing import Listing
from labelmend.data.readers.base import Reader, Request
from labelmend.data.splits import refuse_split
from labelmend.errors import DataError


class ImageSetReader(Reader):
    """Sets that were loaded before, or put together by hand."""

    def matches(self, source: Any) -> bool:
        """Whether it is an ImageSet."""
        return isinstance(source, ImageSet)

    def read(self, source: Any, request: Request) -> Listing:
        """List the images, which stay decoded, with the names of their labels."""
        source = _checked(source)
        refuse_split(request.split, source.name)
        names, true = source.class_names, source.true_labels
        return Listing(
            name=source.name,
            ids=source.ids,
            paths=source.paths,
            labels=[names[label] for label in source.given_labels],
            class_names=names,
            true_labels=None if true is None else [names[label] for label in true],
            trusted=None if source.trusted is None else [bool(flag) for flag in source.trusted],
            groups=source.groups,
            images=source.images,
            mirror_safe=source.mirror_safe,
            skipped=source.skipped,
            notes=source.notes,
        )

    def load(self, source: Any, request: Request, form: Form) -> ImageSet:
        """The set itself, with only those columns made anew that have to change.

        It keeps its size where no other is asked for. Labels from a file or other classes are matched by
        their names, as those of any source.

        Raises:
            DataError: As ``Reader.load``.
        """
        said = form.size is None and not source.has_features and note_of_enlarging([header_of(source.images)])
        if said:
            source = replace(source, notes=[*source.notes, *said])
        form = replace(form, size=form.size or max(source.images.shape[1], SMALLEST))
        names = form.class_names
        if request.labels is not None or (names is not None and list(names) != source.class_names):
            return replace(super().load(source, request, form), pixel_range=source.pixel_range)
        found = _checked(source)
        refuse_split(request.split, found.name)
        refuse_equal_names(found.class_names, found.name)
        if form.limit is not None and form.limit < len(found):
            found = found.subset(range(form.limit))
        images = in_form(found.images, form)
        if form.for_training:
            check_training_set(found.given_labels, found.class_names, found.name, form.limit)
        return found if images is found.images else replace(found, images=images)


def _checked(source: ImageSet) -> ImageSet:
    """The set with a name and int64 labels, all of them in [0, C)."""
    name, count = source.name or "images", source.num_classes
    labels = np.asarray(source.given_labels, dtype=np.int64)
    bad = np.flatnonzero((labels < 0) | (labels >= count))
    if len(bad):
        row = int(bad[0])
        raise DataError(
            f"{name}, row {row + 1}: there is no class {labels[row]}; the set names {count} classes, "
            "numbered from 0"
        )
    if labels is source.given_labels and source.name:
        return source
    return replace(source, given_labels=labels, name=name)
