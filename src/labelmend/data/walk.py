"""The image files below a folder: each once, and what is left out with the reason."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from labelmend.data.image_file import IMAGE_SUFFIXES, SNIFFED_FORMATS
from labelmend.data.image_set import Skipped

SYSTEM_FOLDERS = frozenset(
    {"__macosx", "__pycache__", "@eadir", "$recycle.bin", "lost+found", "system volume information"}
)
_VERSION_STORES = frozenset({".git", ".dvc", ".hg", ".svn"})
_SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini"})
NOT_AN_IMAGE = "not an image by its suffix"


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is not the user's: hidden, or of the system."""
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def is_image_file(path: Path | str) -> bool:
    """Whether a file is an image by its suffix, or, where it has none, by its first bytes."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix:
        return suffix in IMAGE_SUFFIXES
    try:
        with Image.open(path, formats=SNIFFED_FORMATS):
            return True
    except Exception:  # decoders raise whatever they like; what they cannot open is no image
        return False


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


class ImageWalk:
    """Finds the image files of one data set; a file that links lead to twice is found once.

    Links out of the data set are followed. A link to what the data set holds anyway (a loop, another
    class, a folder above) would multiply or relabel images: it is left out.

    Attributes:
        root: folder of the data set.
        left_out: what was passed over, in the order in which it was met; paths are relative to the root.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.left_out: list[Skipped] = []
        self._real_root = os.path.realpath(root)
        self._linked: dict[str, str] = {}
        self._hidden: list[str] = []

    def files(self, folder: Path) -> list[Path]:
        """Image files at any depth, sorted by path; hidden files and folders are passed over."""
        if folder != self.root and folder.is_symlink() and not self._follows(str(folder), str(folder)):
            return []
        self._hidden.clear()
        found = sorted(self._walk(str(folder), str(folder)))
        for passed_over in self._hidden:
            self.note_hidden(passed_over)
        return found

    def holds_image(self, folder: Path) -> bool:
        """Whether there is an image at any depth; stops at the first."""
        if folder != self.root and folder.is_symlink() and not self._follows(str(folder), str(folder)):
            return False
        return next(self._walk(str(folder), str(folder)), None) is not None

    def note_hidden(self, folder: Path | str) -> None:
        """Note that a hidden folder is passed over, where it holds images that the user may have meant."""
        if os.path.basename(folder).lower() in SYSTEM_FOLDERS | _VERSION_STORES:
            return
        images = sum(
            not name.startswith("._") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
            for _, _, files in os.walk(folder)
            for name in files
        )
        if images:
            self._leave_out(str(folder), f"a hidden folder with {images:,} image{'s' * (images != 1)}")

    def _walk(self, top: str, scope: str) -> Iterator[Path]:
        pending = [top]
        while pending:
            folder = pending.pop()
            try:
                with os.scandir(folder) as scan:
                    entries = sorted(scan, key=lambda entry: entry.name)
            except OSError as error:
                self._leave_out(folder, f"the folder cannot be read: {error.strerror}")
                continue
            for entry in entries:
                if is_folder(entry):
                    if is_hidden(entry.name):
                        self._hidden.append(entry.path)
                    elif not entry.is_symlink() or self._follows(entry.path, scope):
                        pending.append(entry.path)
                elif self._is_wanted(entry, scope):
                    yield Path(entry.path)

    def _is_wanted(self, entry: os.DirEntry[str], scope: str) -> bool:
        """Whether a file is listed; if not, but it might have been meant, that is noted."""
        if entry.name.startswith("._") or entry.name.lower() in _SYSTEM_FILES:
            return False
        suffix = os.path.splitext(entry.name)[1].lower()
        if entry.name.startswith("."):
            if suffix in IMAGE_SUFFIXES:
                self._leave_out(entry.path, "hidden")
            return False
        if not os.path.isfile(entry.path):
            dangling = entry.is_symlink()
            self._leave_out(entry.path, "a link to nothing" if dangling else "not a regular file")
            return False
        if entry.is_symlink() and not self._follows(entry.path, scope):
            return False
        if not is_image_file(entry.path):
            self._leave_out(entry.path, NOT_AN_IMAGE if suffix else "not an image, and without a suffix")
            return False
        return True

    def _follows(self, path: str, scope: str) -> bool:
        """Whether a link leads out of the data set, to where no link of this folder has led before."""
        target = os.path.realpath(path)
        inside = os.path.relpath(target, self._real_root).split(os.sep)
        if inside[0] != os.pardir and not any(is_hidden(part) for part in inside if part != os.curdir):
            self._leave_out(path, "a link to what the data set holds already")
            return False
        if os.path.commonpath([target, self._real_root]) == target:
            self._leave_out(path, "a link to a folder above")
            return False
        # Two classes may link to one file: that is one picture under two labels, which is reported later.
        key = target if os.path.isdir(target) else f"{scope}\0{target}"
        before = self._linked.setdefault(key, path)
        if before != path:
            self._leave_out(path, f"a link to the same as {self._relative(before)}")
            return False
        return True

    def _relative(self, path: str) -> str:
        return Path(os.path.relpath(path, self.root)).as_posix()

    def _leave_out(self, path: str, reason: str) -> None:
        self.left_out.append(Skipped(self._relative(path), reason))
