from __future__ import annotations

import os

from labelmend.data.walk import ImageWalk


def test_a_folder_that_cannot_be_read_is_told(tmp_path, save_image, monkeypatch):
    """The administrator may read everything, so the fault is made."""
    save_image(tmp_path / "a/1.png")
    (tmp_path / "a/locked").mkdir()
    scandir = os.scandir

    def guarded(folder):
        if str(folder).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", guarded)
    walk = ImageWalk(tmp_path)
    assert [file.name for file in walk.files(tmp_path / "a")] == ["1.png"]
    assert [(entry.path, entry.reason) for entry in walk.left_out] == [
        ("a/locked", "the folder cannot be read: Permission denied")
    ]


def test_the_first_image_is_enough(tmp_path, save_image):
    assert not ImageWalk(tmp_path).holds_image(tmp_path)
    save_image(tmp_path / "deep/er/1.png")
    assert ImageWalk(tmp_path).holds_image(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "deep")
    assert not ImageWalk(tmp_path).holds_image(tmp_path / "link")
