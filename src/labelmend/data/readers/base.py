"""What every reader offers: which sources are its own, their splits, and their images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from labelmend.data.assemble import Form, assemble, class_names_of
from labelmend.data.image_set import ImageSet
from labelmend.data.label_file import LabelFile, replace_labels
from labelmend.data.listing import Listing
from labelmend.data.manifest import Columns
from labelmend.errors import DataError


@dataclass(frozen=True)
class Request:
    """Which part of a source is read, and how.

    Attributes:
        split: which split; by default ``train`` where there are splits.
        columns: how the columns of a table are read.
        root: folder of a named data set; by default ``$LABELMEND_DATA``.
        labels: file whose labels replace those of the source, or None.
        channels: of images to classify, as their network knows them (1 or 3), by which one picture is told
            from several grey ones; None where images are trained on.
    """

    split: str | None = None
    columns: Columns = field(default_factory=Columns)
    root: str | Path | None = None
    labels: LabelFile | None = None
    channels: int | None = None

    def refuse_unused(self, listing: Listing) -> None:
        """Refuse to read a source otherwise than is asked for.

        Raises:
            DataError: If a column or folder was named, but no table is read.
        """
        asked = {
            "--label-column": self.columns.label != "label" and self.labels is None,
            "--image-column": self.columns.image is not None and self.labels is None,
            "--group-column": self.columns.group is not None,
            "--image-root": self.columns.root is not None,
            "--skip-missing": self.columns.skip_missing,
        }
        if not listing.from_table and (unused := [flag for flag, given in asked.items() if given]):
            instead = "give the table as the source" if self.labelled else "give tables without other images"
            raise DataError(
                f"{listing.name} is not read from a table, so that {unused[0]} has no effect; leave it out, "
                f"or {instead}"
            )

    @property
    def labelled(self) -> bool:
        """Whether labels are read too, or the images alone."""
        return self.columns.labelled


class Reader(ABC):
    """One kind of source.

    Attributes:
        suffixes: of the files that it reads, in lower case; none where its sources are no files.
        labelled: whether its sources have labels, to train or test on.
        unlabelled: whether its sources are images to classify.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    labelled: ClassVar[bool] = True
    unlabelled: ClassVar[bool] = False

    @abstractmethod
    def matches(self, source: Any) -> bool:
        """Whether a source is of this kind."""

    def splits(self, source: Any, root: str | Path | None = None) -> list[str]:
        """Names of the splits that a source has; empty where it has none."""
        return []

    @abstractmethod
    def read(self, source: Any, request: Request) -> Listing:
        """List the images of a source without decoding them.

        Raises:
            DataError: If the source is faulty, or does not have what is asked for.
        """

    def load(self, source: Any, request: Request, form: Form) -> ImageSet:
        """The images and labels of a source in the form that is wanted.

        Raises:
            DataError: If the source or the file of labels is faulty, or does not suit the form.
        """
        listing = self.read_labelled(source, request, form.class_names)
        if form.for_training:
            request.refuse_unused(listing)
        return assemble(listing, form)

    def read_labelled(
        self, source: Any, request: Request, class_names: Sequence[str] | None = None
    ) -> Listing:
        """As ``read``, with the labels of the file that the request names.

        Args:
            source: of the images.
            request: which part of it, and which labels.
            class_names: classes in index order; by default those of the source.

        Raises:
            DataError: If the source or the file of labels is faulty.
        """
        listing = self.read(source, request)
        if request.labels is None:
            return listing
        names = class_names if class_names is not None else class_names_of(listing)
        return replace_labels(listing, request.labels, names)


def is_file_of(source: Any, suffixes: Sequence[str]) -> bool:
    """Whether a source is the path of a file that is there and has one of the suffixes."""
    if not isinstance(source, str | Path):
        return False
    path = Path(source)
    return path.name.lower().endswith(tuple(suffixes)) and path.is_file()
