"""A folder with one subfolder of images for each class."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from labelmend.data.image_file import IMAGE_SUFFIXES
from labelmend.data.listing import Label, Listing
from labelmend.errors import DataError, LabelmendWarning


def subfolders(folder: Path) -> list[Path]:
    """Folders directly inside ``folder``, sorted by name, hidden ones left out."""
    return sorted(
        (p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")), key=lambda p: p.name
    )


def image_files(folder: Path) -> list[Path]:
    """Image files anywhere under ``folder``, sorted by path, hidden files and folders left out."""
    found = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES:
                found.append(Path(parent, name))
    return sorted(found)


def list_class_folders(folder: Path, root: Path | None = None) -> Listing:
    """List a folder of class folders by torchvision's rules.

    Classes are the subfolders, sorted by name; their images are found at any depth.

    Args:
        folder: the folder of class folders.
        root: folder that ids and paths are relative to; by default ``folder``.

    Raises:
        DataError: If there is no class folder with an image.

    Warns:
        LabelmendWarning: If a class folder holds no image; the class is left out.
    """
    root = folder if root is None else root
    files: list[Path] = []
    labels: list[Label] = []
    class_names: list[str] = []
    for class_folder in subfolders(folder):
        images = image_files(class_folder)
        if not images:
            warnings.warn(
                f"{class_folder}: no image in this class folder (looked for "
                f"{', '.join(sorted(IMAGE_SUFFIXES))}); the class is left out",
                LabelmendWarning,
                stacklevel=2,
            )
            continue
        class_names.append(class_folder.name)
        files += images
        labels += [class_folder.name] * len(images)
    if not files:
        loose = " (the images lie directly in it)" if image_files(folder) else ""
        raise DataError(
            f"{folder}: no class folders with images{loose}; put each class into a folder of its own, "
            "or give a CSV file with columns file_name and label"
        )
    paths = [file.relative_to(root).as_posix() for file in files]
    return Listing(name=str(root), ids=list(paths), paths=paths, items=files, labels=labels)
