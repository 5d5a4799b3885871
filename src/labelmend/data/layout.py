"""How a folder of images is divided: into splits of classes, or into classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labelmend.data.class_folders import direct_images, subfolders
from labelmend.data.labels import list_classes
from labelmend.data.splits import NO_SPLITS, loose_split_of, split_of, standard_split
from labelmend.data.tables_beside import metadata_of, table_beside
from labelmend.data.walk import ImageWalk
from labelmend.errors import DataError

_RUN_FILES = ("settings.yaml", "data.json")
_DEEPEST_WRAPPER = 4

Part = Path | Mapping[str, Path]
"""A split: the folder of it, or the folder of each of its classes."""


@dataclass(frozen=True)
class Layout:
    """What the subfolders of a folder are.

    Attributes:
        folder: that holds the splits or classes; below the one asked for if that only wraps it.
        splits: by name; empty where the subfolders are classes.
        notes: what was assumed, one line each.
        doubt: why no split can be chosen without being told, or "".
    """

    folder: Path
    splits: dict[str, Part] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    doubt: str = ""

    def choose(self, wanted: str | None, where: str) -> tuple[str, Part]:
        """Name and place of the split to read: the one asked for, any subfolder by its name, or ``train``.

        Raises:
            DataError: If there is no such split, or it is in doubt which folders are splits.
        """
        if wanted is None and self.doubt:
            raise DataError(self.doubt)
        name = "train" if wanted is None else standard_split(wanted)
        if name in self.splits:
            return name, self.splits[name]
        if wanted and Path(wanted).name == wanted and (self.folder / wanted).is_dir():
            return wanted, self.folder / wanted
        raise DataError(
            f"{where}: there is no split {name!r}; choose one with --split: {', '.join(sorted(self.splits))}"
        )


def find_layout(folder: Path, split: str | None = None) -> Layout:
    """Tell splits from classes.

    A subfolder is a split if it is called like one and holds folders of images (or a table, or
    nothing), and if one of its siblings does so for training; a class of that name holds its images
    directly, as other classes do.

    Args:
        folder: the folder of a data set.
        split: what the user calls for; with ``none``, all folders are classes.

    Raises:
        DataError: If two folders are the same split.
    """
    inner, notes = _unwrap(folder)
    if split == NO_SPLITS:
        return Layout(inner, {}, notes)
    named = [sub for sub in subfolders(inner) if split_of(sub.name)]
    others = [sub for sub in subfolders(inner) if sub not in named and not is_run(sub) and holds_images(sub)]
    if not named and (loose := _loose_splits(others)):
        unknown = [sub for sub in others if sub not in loose.values()]
        return Layout(inner, {**loose}, [*notes, _renamed(loose), *_left_out(unknown)])
    if not named:
        return _parts_of_one_set(inner, others) or _classes_of_splits(inner, others, notes)
    if not any(_is_divided(sub) for sub in named) and others:
        names = list_classes([sub.name for sub in named])
        notes.append(
            f"{names} is taken for a class, as its images lie directly in it (--split chooses a split)"
        )
        return Layout(inner, {}, notes)
    splits = _distinct(inner, named, notes)
    rest = list_classes([f"{sub.name}/" for sub in others])
    doubt = ""
    if "train" not in splits:
        found = ", ".join(sorted(sub.name for sub in named))
        beside = f" beside it (but {rest})" if others else ""
        doubt = (
            f"{inner}: {found} looks like a split, but there is no training split{beside}; "
            "choose the folder to train on with --split NAME, or say with --split none that all folders are "
            "classes"
        )
    elif others and len(splits) == 1:
        doubt = (
            f"{inner}: it is not clear whether {named[0].name}/ is a split or a class like {rest}; "
            "say with --split train that it is a split, or with --split none that all folders are classes"
        )
    elif others:
        notes += _left_out(others)
    return Layout(inner, splits, notes, doubt)


def is_run(folder: Path) -> bool:
    """Whether a folder is one that a run wrote."""
    return all((folder / name).is_file() for name in _RUN_FILES)


def holds_images(folder: Path) -> bool:
    """Whether there is an image in a folder, at any depth."""
    return ImageWalk(folder).holds_image(folder)


def _is_divided(folder: Path) -> bool:
    """Whether a folder holds classes or a table rather than the images of one class."""
    if metadata_of(folder) or any(folder.glob("*.parquet")) or table_beside(folder):
        return True
    return not direct_images(folder) and any(holds_images(sub) for sub in subfolders(folder))


def _distinct(folder: Path, named: list[Path], notes: list[str]) -> dict[str, Part]:
    splits: dict[str, Part] = {}
    first: dict[str, str] = {}
    for sub in named:
        split = split_of(sub.name) or ""
        if split in splits:
            raise DataError(
                f"{folder}: {first[split]} and {sub.name} are both its {split} split; "
                "choose one of them by giving it as the source"
            )
        first[split] = sub.name
        splits[split] = _unwrap_split(sub, split)
    if any(name != split for split, name in first.items()):
        notes.append(_renamed({split: folder / name for split, name in first.items() if name != split}))
    return splits


def _renamed(splits: Mapping[str, Path]) -> str:
    names = ", ".join(f"{folder.name} is {split}" for split, folder in splits.items())
    return f"splits: {names} (--split none takes all folders for classes)"


def _left_out(others: list[Path]) -> list[str]:
    rest = list_classes([f"{sub.name}/" for sub in others])
    return (
        [f"{rest} is no split and is left out (--split none takes all folders for classes)"] if rest else []
    )


def _loose_splits(folders: list[Path]) -> dict[str, Path]:
    """Folders such as ``pets_train`` and ``pets_test``: but for the split of one name, and all divided."""
    found: dict[tuple[str, ...], dict[str, Path]] = {}
    for folder in folders:
        loose = loose_split_of(folder.name) if _is_divided(folder) else None
        if loose is not None:
            splits = found.setdefault(loose[1], {})
            if loose[0] in splits:
                return {}
            splits[loose[0]] = folder
    return next((s for s in found.values() if "train" in s and len(s) > 1), {}) if len(found) == 1 else {}


def _only_folder(folder: Path) -> Path | None:
    """The one subfolder with images, where nothing but it has any."""
    if metadata_of(folder) or direct_images(folder):
        return None
    full = [
        sub for sub in subfolders(folder) if not is_run(sub) and (holds_images(sub) or split_of(sub.name))
    ]
    return full[0] if len(full) == 1 else None


def _unwrap(folder: Path) -> tuple[Path, list[str]]:
    """The folder below one or more that hold nothing else, as archives unpack."""
    inner: Path | None = folder
    for _ in range(_DEEPEST_WRAPPER):
        inner = _only_folder(inner) if inner is not None else None
        if inner is None or split_of(inner.name):
            break
        if _is_divided(inner) and len(subfolders(inner)) > 1:
            return inner, [f"all images are in {inner.relative_to(folder)}/, which is read"]
    return folder, []


def _unwrap_split(folder: Path, split: str) -> Path:
    """``seg_train/seg_train`` and the like: the inner folder."""
    only = _only_folder(folder)
    return only if only is not None and split_of(only.name) == split and _is_divided(only) else folder


def _parts_of_one_set(folder: Path, parts: list[Path]) -> Layout | None:
    """Folders such as ``fold1`` and ``fold2``, or ``raw`` and ``cleaned``, that hold the same classes.

    Each must have half of its folders, or more, in common with another part.
    """
    if len(parts) < 2 or any(direct_images(part) for part in parts):
        return None
    inside = {part: {sub.name for sub in subfolders(part) if holds_images(sub)} for part in parts}
    if any(split_of(name) for names in inside.values() for name in names):
        return None
    for part, names in inside.items():
        shared = names & set().union(*(others for other, others in inside.items() if other != part))
        if not shared or 2 * len(shared) < len(names):
            return None
    known = sorted(set().union(*inside.values()))
    if len(known) < 2:
        return None
    doubt = (
        f"{folder}: {list_classes([part.name for part in parts])} hold the same folders "
        f"({list_classes(known)}), so that these may be the classes; choose the part to train on with "
        "--split NAME, or say with --split none that the outer folders are the classes"
    )
    return Layout(folder, {part.name: part for part in parts}, [], doubt)


def _classes_of_splits(folder: Path, classes: list[Path], notes: list[str]) -> Layout:
    """``cat/train``, ``cat/test``, ``dog/train``, ...: each class is divided into the splits.

    Raises:
        DataError: If a class has two folders for one split.
    """
    splits: dict[str, dict[str, Path]] = {}
    like_splits: list[Path] = []
    is_whole = True
    for sub in classes:
        parts = subfolders(sub)
        named = [part for part in parts if split_of(part.name) and holds_images(part)]
        is_whole &= bool(named) and len(named) == len(parts) and not direct_images(sub)
        like_splits += named
        for part in named:
            of_split = splits.setdefault(split_of(part.name) or "", {})
            if sub.name in of_split:
                raise DataError(
                    f"{of_split[sub.name]} and {part.name} are both one split; join or rename them"
                )
            of_split[sub.name] = part
    if is_whole and "train" in splits:
        notes.append("each class folder is divided into splits (--split none takes all of its images)")
        return Layout(folder, {**splits}, notes)
    if like_splits:
        names = list_classes([part.relative_to(folder).as_posix() for part in like_splits])
        notes.append(
            f"{names} are read as parts of their class, not as splits: those divide every class, and one is "
            "called train"
        )
    elif len(classes) > 1 and all(_holds_folders_only(sub) for sub in classes):
        inner = list_classes([part.name for sub in classes for part in subfolders(sub)])
        notes.append(
            f"classes are the outer folders ({list_classes([sub.name for sub in classes])}), of which those "
            f"in them are parts ({inner}); to tell these apart, give one of the outer folders as the source"
        )
    return Layout(folder, {}, notes)


def _holds_folders_only(folder: Path) -> bool:
    return not direct_images(folder) and len(subfolders(folder)) > 1
