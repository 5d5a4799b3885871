"""A folder with one subfolder of images for each class."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

from labelmend.data.image_file import IMAGE_SUFFIXES
from labelmend.data.image_set import Skipped
from labelmend.data.labels import clean_name
from labelmend.data.listing import Label, Listing
from labelmend.data.walk import ImageWalk, is_folder, is_hidden, is_image_file
from labelmend.errors import DataError, LabelmendWarning, UnlabelledError
from labelmend.text import as_text


def subfolders(folder: Path) -> list[Path]:
    """Folders directly inside ``folder``, sorted by name, hidden ones and those of the system left out.

    Raises:
        DataError: If the folder cannot be read.
    """
    return [sub for sub in _all_subfolders(folder) if not is_hidden(sub.name)]


def _all_subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as scan:
            found = [Path(entry.path) for entry in scan if is_folder(entry)]
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be read: {error.strerror}") from error
    return sorted(found, key=lambda p: p.name)


def image_files(folder: Path) -> list[Path]:
    """Image files anywhere under ``folder``, sorted by path, hidden files and folders left out."""
    return ImageWalk(folder).files(folder)


def direct_images(folder: Path) -> list[Path]:
    """Image files that lie directly in ``folder``, sorted by name, hidden ones left out."""
    with os.scandir(folder) as scan:
        found = [Path(e.path) for e in scan if not (is_hidden(e.name) or is_folder(e))]
    return sorted(path for path in found if is_image_file(path) and path.is_file())


def list_class_folders(
    folder: Path, root: Path | None = None, classes: Mapping[str, Path] | None = None
) -> Listing:
    """List a folder of class folders by torchvision's rules.

    Classes are the subfolders, sorted by name; their images are found at any depth.

    Args:
        folder: the folder of class folders.
        root: folder that ids and paths are relative to; by default ``folder``.
        classes: the folder of each class; by default the subfolders.

    Raises:
        UnlabelledError: If there is no class folder with an image.
        DataError: If one has a blank name.

    Warns:
        LabelmendWarning: If a class folder holds no image; the class is left out.
    """
    root = folder if root is None else root
    walk = ImageWalk(folder)
    files: list[Path] = []
    labels: list[Label] = []
    folders: dict[Path, str] = {}
    for name, class_folder in (classes or {sub.name: sub for sub in subfolders(folder)}).items():
        images = walk.files(class_folder)
        if not images:
            warnings.warn(
                f"{class_folder}: no image in this class folder (looked for "
                f"{', '.join(sorted(IMAGE_SUFFIXES))}); the class is left out",
                LabelmendWarning,
                stacklevel=2,
            )
            continue
        if not clean_name(name):
            raise DataError(f"{class_folder}: the name of this class folder is blank; give it another")
        files += images
        labels += [clean_name(name)] * len(images)
        folders[class_folder] = as_text(clean_name(name))
    if classes is None:
        for sub in _all_subfolders(folder):
            if is_hidden(sub.name):
                walk.note_hidden(sub)
    loose = direct_images(folder)
    if not files:
        where = " (the images lie directly in it)" if loose else ""
        raise UnlabelledError(
            f"{folder}: no class folders with images{where}; put each class into a folder of its own, "
            "or give a CSV file with columns file_name and label"
        )
    left_out = [*walk.left_out, *(Skipped(file.name, "lies in no class folder") for file in loose)]
    if root != folder:
        above = folder.relative_to(root).as_posix()
        left_out = [Skipped(f"{above}/{entry.path}", entry.reason) for entry in left_out]
    paths = [file.relative_to(root).as_posix() for file in files]
    return Listing(
        name=str(root),
        ids=list(paths),
        paths=paths,
        items=files,
        labels=labels,
        class_folders=folders,
        skipped=left_out,
    )
