"""Which files of a folder are images: suffixes, links, what cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

from corpus.build import put, write
from corpus.registry import Source, case

TWO = ("cat/1.png", "dog/2.png")


def link(at: Path, to: str) -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    at.symlink_to(to)


@case(
    classes=["a", "b"],
    values=[10, 20, 30, 40, 50, 60, 70, 80],
    skipped=[],
)
def rare_suffixes(folder):
    names = ("1.JPG", "2.jfif", "3.jpe", "4.JP2", "5.Tiff")
    return Source(put(folder, *(f"a/{name}" for name in names), "b/6.webp", "b/7.tga", "b/8.BMP"))


@case(values=[10, 20], labels=["a", "b"], skipped=["a/README: not an image, and without a suffix"])
def files_without_a_suffix(folder):
    put(folder, "a/0001", "b/0002")
    write(folder / "a/README", "read me")
    return Source(folder)


@case(values=[10, 30], skipped=[r"a/2.HEIC: HEIC files need pillow-heif \(pip install pillow-heif\)"])
def heic_without_its_library(folder):
    return Source(put(folder, "a/1.png", "a/2.HEIC", "b/3.png"))


@case(
    values=[10, 20],
    skipped=[
        "cat/a.txt: not an image",
        "cat/b.xml: not an image",
        "dog/.3.png: hidden",
        "dog/c.mp4: not an image",
    ],
)
def other_files_are_counted(folder):
    put(folder, *TWO, "dog/.3.png", "dog/._2.png", "dog/.DS_Store", "dog/Thumbs.db")
    for name in ("cat/a.txt", "cat/b.xml", "dog/c.mp4"):
        write(folder / name, "x")
    return Source(folder)


@case(
    values=[10, 20],
    skipped=[".birds: a hidden folder with 2 images", "cat/.old: a hidden folder with 1 image"],
)
def hidden_folders_are_counted_but_for_those_of_systems(folder):
    hidden = (".birds/4.png", ".birds/more/5.png", "cat/.old/3.png", ".git/6.png", "__MACOSX/7.png")
    put(folder, *TWO, *hidden, "cat/.empty/notes.txt")
    return Source(folder)


@case(labels=["cat", "dog"], skipped=["cat/loop: a link to what the data set holds already"])
def a_loop_in_a_class_folder(folder):
    put(folder, *TWO)
    link(folder / "cat/loop", ".")
    return Source(folder)


@case(labels=["cat", "dog"], skipped=["cat/up: a link to what the data set holds already"])
def a_link_to_the_data_set_itself(folder):
    put(folder, *TWO)
    link(folder / "cat/up", "..")
    return Source(folder)


@case(labels=["cat", "dog"], skipped=["cat/top: a link to a folder above"])
def a_link_far_up(folder):
    put(folder, *TWO)
    link(folder / "cat/top", "/")
    return Source(folder)


@case(labels=["cat", "dog"], skipped=["cat/b: a link to what", "dog/a: a link to what"])
def two_folders_linked_to_each_other(folder):
    put(folder, *TWO)
    link(folder / "cat/b", "../dog")
    link(folder / "dog/a", "../cat")
    return Source(folder)


@case(labels=["cat", "dog"], skipped=["cat/2.png: a link to what the data set holds already"])
def a_link_to_a_file_of_another_class(folder):
    put(folder, *TWO)
    link(folder / "cat/2.png", "../dog/2.png")
    return Source(folder)


@case(labels=["cat", "dog"], skipped=["cat/3.png: a link to nothing", "cat/self.png: a link to nothing"])
def links_to_nothing(folder):
    put(folder, *TWO)
    link(folder / "cat/3.png", "gone.png")
    link(folder / "cat/self.png", "self.png")
    return Source(folder)


@case(classes=["cat", "dog"], labels=["cat", "dog"], notes=["puppy: no image in this class folder"])
def a_class_that_links_to_another(folder):
    put(folder, *TWO)
    link(folder / "puppy", "dog")
    return Source(folder)


@case(labels=["cat", "cat", "dog"], values=[10, 20, 30], skipped=["cat/z: a link to the same as cat"])
def classes_that_are_links_to_a_store(folder):
    put(folder.parent / "store", "c/1.png", "c/2.png", "d/3.png")
    link(folder / "cat", "../store/c")
    (folder.parent / "store/c/z").symlink_to(folder.parent / "store/c")
    link(folder / "dog", "../store/d")
    return Source(folder)


@case(labels=["cat", "dog"], values=[10, 20], skipped=["cat/again.png: a link to the same as cat/1.png"])
def files_that_are_links_to_a_store(folder):
    put(folder.parent / "store", "x", "y")
    link(folder / "cat/1.png", "../../store/x")
    link(folder / "cat/again.png", "../../store/x")
    link(folder / "dog/2.png", "../../store/y")
    return Source(folder)


@case(labels=["cat", "dog"], values=[10, 20], skipped=[])
def links_into_a_hidden_store_as_of_git_annex(folder):
    put(folder, ".git/annex/x.png", ".git/annex/y.png")
    link(folder / "cat/1.png", "../.git/annex/x.png")
    link(folder / "dog/2.png", "../.git/annex/y.png")
    return Source(folder)


@case(labels=["cat", "dog"], skipped=["cat/pipe.png: not a regular file"])
def a_pipe_called_png(folder):
    put(folder, *TWO)
    os.mkfifo(folder / "cat/pipe.png")
    return Source(folder)


@case(labels=["cat", "dog"], skipped=["cat/0.png: not an image in a known format", r"dog/9.png: "])
def empty_and_cut_off_files(folder):
    put(folder, *TWO, "dog/9.png")
    (folder / "cat/0.png").write_bytes(b"")
    whole = (folder / "dog/9.png").read_bytes()
    (folder / "dog/9.png").write_bytes(whole[:45])
    return Source(folder)
