from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from labelmend.data import features as module
from labelmend.data import image_file
from labelmend.data.decode import num_threads
from labelmend.data.features import (
    CachedFeatures,
    content_key,
    embed,
    embed_listing,
    open_folder,
    stored_once,
)
from labelmend.data.image_file import square_pixels
from labelmend.data.image_set import ImageSet, MemoryImages, Skipped, Subset
from labelmend.data.listing import Listing
from labelmend.errors import DataError, LabelmendWarning, RunError

# A process that is forked computes with one thread, as the tests do.
FORK = multiprocessing.get_context("fork")


@dataclass
class Stub:
    """Corner pixels as features: the left one and the right one of the top row, and a constant."""

    size: int = 4
    crop: float = 1.0
    interpolation: str = "bilinear"
    keep_aspect: bool = True
    feature_dim: int = 3
    fingerprint: str = "stub"
    seen: list[int] = field(default_factory=list)

    def __call__(self, pixels: Tensor) -> Tensor:
        assert pixels.shape[1:] == (self.size, self.size, 3)
        assert pixels.dtype == torch.uint8
        red = pixels[:, 0, :, 0].float()
        self.seen.append(len(pixels))
        return torch.stack((red[:, 0], red[:, -1], torch.full((len(pixels),), 0.5)), dim=1)


def picture(left: int, right: int = 255) -> np.ndarray:
    """4 x 4 pixels, red of the left half and of the right half."""
    pixels = np.zeros((4, 4, 3), dtype=np.uint8)
    pixels[:, :2, 0], pixels[:, 2:, 0] = left, right
    return pixels


def write(folder, numbers) -> list:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{n}.png" for n in numbers]
    for n, path in zip(numbers, paths, strict=True):
        Image.fromarray(picture(n)).save(path)
    return paths


def every(features: CachedFeatures) -> list:
    return features.gather(torch.arange(features.shape[0])).tolist()


@pytest.fixture
def two_views(tmp_path) -> CachedFeatures:
    """Three images, the first two equal, with a plain view in memory and a mirrored one in a file."""
    plain = np.array([[1, 2], [3, 4]], dtype=np.float32)
    np.array([[5, 6], [7, 8], [9, 10]], dtype=np.float32).tofile(tmp_path / "mirrored")
    mirrored = np.memmap(tmp_path / "mirrored", np.float32, "r", shape=(3, 2))
    return CachedFeatures([plain, mirrored], np.array([[0, 2], [0, 2], [1, 0]]))


def test_features_are_gathered_by_image_and_view(two_views):
    assert two_views.shape == (3, 2, 2)
    found = two_views.gather(torch.tensor([2, 1]))
    assert found.dtype == torch.float32
    assert found.tolist() == [[[3, 4], [5, 6]], [[1, 2], [9, 10]]]
    assert two_views.gather(torch.empty(0, dtype=torch.int64)).shape == (0, 2, 2)


def test_what_is_gathered_is_a_copy(two_views):
    two_views.gather(torch.tensor([0])).zero_()
    assert two_views.gather(torch.tensor([0])).tolist() == [[[1, 2], [9, 10]]]


def test_a_mapped_view_is_not_in_memory(two_views):
    assert not two_views.in_memory
    assert CachedFeatures(two_views.views[:1], two_views.rows[:, :1]).in_memory


def test_features_have_the_face_of_images(two_views):
    part = Subset(two_views, torch.tensor([2, 0]))
    assert (part.shape, part.in_memory) == ((2, 2, 2), False)
    assert part.gather(torch.tensor([0])).tolist() == [[[3, 4], [5, 6]]]
    images = ImageSet(two_views, np.array([0, 1, 1]), ["a", "b"], ["x", "y", "z"], ["", "", ""])
    assert images.subset([1]).images.gather(torch.tensor([0])).tolist() == [[[1, 2], [9, 10]]]


def test_numbers_of_equal_images_do_not_depend_on_what_was_embedded_before(tmp_path):
    paths = [*write(tmp_path / "images", [3, 1, 2]), *write(tmp_path / "again", [1])]
    fresh, _ = embed(paths, Stub(), tmp_path / "cache")
    embed(paths[2:], Stub(), tmp_path / "other")
    filled, _ = embed(paths, Stub(), tmp_path / "other")
    assert fresh.rows[:, 0].tolist() != filled.rows[:, 0].tolist()
    for found in (fresh, filled):
        assert stored_once(found).tolist() == [0, 1, 2, 1]
        part = Subset(Subset(found, torch.tensor([3, 2, 1, 0])), torch.tensor([1, 2, 0]))
        assert stored_once(part).tolist() == [0, 1, 1]
        assert stored_once(part).dtype == torch.int64


@pytest.mark.parametrize("memory_limit", [2**30, 0])
def test_embedding_keeps_the_order_and_both_views(tmp_path, memory_limit):
    paths = write(tmp_path / "photos", range(10))
    stub = Stub()
    found, unreadable = embed(
        paths,
        stub,
        tmp_path / "cache",
        views=("plain", "mirrored"),
        batch_size=4,
        memory_limit=memory_limit,
    )
    assert found.in_memory == (memory_limit > 0)
    assert every(found) == [[[n, 255, 0.5], [255, n, 0.5]] for n in range(10)]
    assert unreadable == {}
    assert stub.seen == [4, 4, 4, 4, 2, 2]


def test_nothing_is_embedded_twice(tmp_path):
    paths = write(tmp_path / "photos", range(6))
    embed(paths, Stub(), tmp_path / "cache")
    again, changed, added = Stub(), Stub(), Stub()
    assert every(embed(paths, again, tmp_path / "cache")[0]) == [[[n, 255, 0.5]] for n in range(6)]
    assert again.seen == []
    Image.fromarray(picture(99)).save(paths[2])
    assert every(embed(paths, changed, tmp_path / "cache")[0])[2] == [[99, 255, 0.5]]
    assert changed.seen == [1]
    embed([*paths, *write(tmp_path / "more", [40, 41])], added, tmp_path / "cache")
    assert added.seen == [2]


def test_a_view_that_is_missing_costs_only_itself(tmp_path):
    paths = write(tmp_path / "photos", range(5))
    embed(paths, Stub(), tmp_path / "cache")
    stub = Stub()
    found, _ = embed(paths, stub, tmp_path / "cache", views=("plain", "mirrored"))
    assert stub.seen == [5]
    assert every(found)[3] == [[3, 255, 0.5], [255, 3, 0.5]]


def test_equal_images_are_embedded_once(tmp_path):
    paths = write(tmp_path / "photos", [1, 2])
    copies = [paths[0], paths[1], paths[0].read_bytes(), paths[0], paths[1]]
    stub = Stub()
    found, _ = embed(copies, stub, tmp_path / "cache")
    assert stub.seen == [2]
    assert [view[0][0] for view in every(found)] == [1, 2, 1, 1, 2]


@pytest.mark.parametrize(
    "other",
    [
        Stub(fingerprint="another"),
        Stub(size=8),
        Stub(crop=0.5),
        Stub(interpolation="nearest"),
        Stub(keep_aspect=False),
    ],
)
def test_another_embedder_has_features_of_its_own(tmp_path, other):
    paths = write(tmp_path / "photos", range(3))
    embed(paths, Stub(), tmp_path / "cache")
    embed(paths, other, tmp_path / "cache")
    assert other.seen == [3]


def test_another_format_has_features_of_its_own(tmp_path, monkeypatch):
    paths = write(tmp_path / "photos", range(3))
    embed(paths, Stub(), tmp_path / "cache")
    monkeypatch.setattr(module, "FORMAT", module.FORMAT + 1)
    stub = Stub()
    embed(paths, stub, tmp_path / "cache")
    assert stub.seen == [3]


def test_images_are_prepared_as_the_embedder_asks(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    for keep_aspect in (True, False):
        stub = Stub(size=8, crop=0.6, interpolation="bicubic", keep_aspect=keep_aspect)
        found, _ = embed([image], stub, tmp_path / "cache")
        expected = square_pixels(image, 8, 3, 0.6, "bicubic", keep_aspect)[0, :, 0]
        assert every(found)[0][0][:2] == [expected[0], expected[-1]]


class Item:
    """An image that opens itself, as those of a torch data set."""

    def __init__(self, image: Image.Image) -> None:
        self.image = image

    def open(self) -> Image.Image:
        return self.image.copy()


def test_every_kind_of_image_is_embedded(tmp_path):
    (path,) = write(tmp_path / "photos", [7])
    palette = Image.fromarray(picture(7)).convert("P", palette=Image.Palette.ADAPTIVE)
    grey = np.full((4, 4, 1), 9, dtype=np.uint8)
    items = [path, path.read_bytes(), picture(7), Item(Image.fromarray(picture(7))), Item(palette), grey]
    found, _ = embed(items, Stub(), tmp_path / "cache")
    assert [view[0][:2] for view in every(found)] == [[7, 255]] * 5 + [[9, 9]]


def test_keys_tell_shapes_and_palettes_apart(tmp_path):
    assert content_key(np.zeros((2, 8, 3), np.uint8)) != content_key(np.zeros((4, 4, 3), np.uint8))
    assert content_key(picture(1)[:, ::-1]) == content_key(np.ascontiguousarray(picture(1)[:, ::-1]))
    colours = [Image.new("P", (4, 4), 0), Image.new("P", (4, 4), 0)]
    for value, image in zip((10, 20), colours, strict=True):
        image.putpalette([value, 0, 0] * 256)
    found, _ = embed([Item(image) for image in colours], Stub(), tmp_path / "cache")
    assert [view[0][0] for view in every(found)] == [10, 20]


def test_unreadable_images_are_listed_and_the_others_keep_their_order(tmp_path):
    paths = write(tmp_path / "photos", range(5))
    paths[1].write_bytes(b"not an image")
    paths[3].write_bytes(paths[3].read_bytes()[:60])
    paths[4].unlink()
    for _ in range(2):
        found, unreadable = embed(paths, Stub(), tmp_path / "cache")
        assert [view[0][0] for view in every(found)] == [0, 2]
        assert sorted(unreadable) == [1, 3, 4]
        assert unreadable[1] == "not an image in a known format"
        assert unreadable[4] == "No such file or directory"


def test_what_a_file_needs_to_be_opened_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    image_file._register_heif.cache_clear()
    (tmp_path / "a.heic").write_bytes(b"")
    _, unreadable = embed([tmp_path / "a.heic"], Stub(), tmp_path / "cache")
    assert "pip install pillow-heif" in unreadable[0]


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    _, unreadable = embed([tmp_path / "a.jpg"], Stub(), tmp_path / "cache")
    assert unreadable[0].startswith("not a file")


def test_no_image_at_all(tmp_path):
    found, unreadable = embed([b"broken"], Stub(), tmp_path / "cache")
    assert found.shape == (0, 1, 3)
    assert sorted(unreadable) == [0]
    assert not (tmp_path / "cache").exists()


def test_progress_counts_images_known_or_not(tmp_path):
    paths = write(tmp_path / "photos", range(40))
    embed(paths[:7], Stub(), tmp_path / "cache")
    seen: list[tuple[int, int]] = []
    embed(paths, Stub(), tmp_path / "cache", progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == ((0, 40), (40, 40))


def test_features_that_are_not_numbers_are_refused(tmp_path):
    class Broken(Stub):
        def __call__(self, pixels: Tensor) -> Tensor:
            return super().__call__(pixels) / 0

    with pytest.raises(RunError, match="stub are not all finite"):
        embed([picture(0)], Broken(), tmp_path / "cache")
    assert not open_folder(tmp_path / "cache", Stub(), ("plain",)).files["plain"].rows


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    """Items are asked for a few chunks ahead of the network, whatever their number."""
    asked: list[int] = []

    class Items(list):
        def __getitem__(self, row):
            asked.append(row)
            return picture(row % 256, row // 256)

    class Slow(Stub):
        ahead = 0

        def __call__(self, pixels: Tensor) -> Tensor:
            time.sleep(0.005)
            self.ahead = max(self.ahead, max(asked) - 8 * len(self.seen))
            return super().__call__(pixels)

    slow = Slow()
    embed(Items(range(600)), slow, tmp_path / "cache", batch_size=8)
    assert max(slow.seen) == 8
    assert slow.ahead < 32 * (num_threads() + 5)


def listing(items, **others) -> Listing:
    names = [f"{i}.png" for i in range(len(items))]
    return Listing(name="photos", ids=names, paths=names, items=items, **others)


def test_a_listing_says_which_rows_are_left(tmp_path):
    items = write(tmp_path / "photos", [3, 4, 5])
    items[1].write_bytes(b"")
    found, rows, skipped = embed_listing(listing(items), Stub(), tmp_path / "cache")
    assert (found.shape[0], rows) == (2, [0, 2])
    assert skipped == [Skipped("1.png", "not an image in a known format")]


def test_a_listing_of_decoded_images(tmp_path):
    pixels = MemoryImages(torch.from_numpy(np.stack([picture(n) for n in range(3)])))
    part = Subset(pixels, torch.tensor([2, 0]))
    names = ["a", "b"]
    of_part = Listing(name="arrays", ids=names, paths=["", ""], images=part)
    found, rows, skipped = embed_listing(of_part, Stub(), tmp_path / "cache")
    assert [view[0][0] for view in every(found)] == [2, 0]
    assert (rows, skipped) == ([0, 1], [])


def test_a_listing_without_a_readable_image_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"photos: none of the 2 images can be read; the first is 0\.png"):
        embed_listing(listing([b"", b""]), Stub(), tmp_path / "cache")


@dataclass
class Logged(Stub):
    """Notes in a file which images it was given, slowly."""

    log: str = ""

    def __call__(self, pixels: Tensor) -> Tensor:
        with open(self.log, "ab") as file:
            file.write(bytes(pixels[:, 0, 0, 0].tolist()))
        time.sleep(0.02)
        return super().__call__(pixels)


def embed_logged(paths, cache, log) -> None:
    embed(paths, Logged(log=str(log)), cache, views=("plain",), batch_size=8)


def logged(log) -> list[int]:
    return list(log.read_bytes()) if log.exists() else []


def wait_for(condition) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def kept(cache) -> list[int]:
    """Images whose features are on disk."""
    file = open_folder(cache, Stub(), ("plain",)).files["plain"]
    return file.mapped()[sorted(file.rows.values()), 0].astype(int).tolist()


def test_killed_three_times_and_started_again(tmp_path):
    paths = write(tmp_path / "photos", range(200))
    cache, log = tmp_path / "cache", tmp_path / "log"
    embed_logged(paths, tmp_path / "whole", tmp_path / "whole.log")
    for batches in (1, 7, 13):
        before = len(logged(log))
        child = FORK.Process(target=embed_logged, args=(paths, cache, log))
        child.start()
        wait_for(lambda before=before, batches=batches: len(logged(log)) >= before + 8 * batches)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        on_disk, started = kept(cache), len(logged(log))
        # All that was computed is on disk, but for the pass that the process was killed in.
        assert len(set(logged(log))) - len(on_disk) <= 8
        stub = Logged(log=str(log))
        embed(paths[: len(on_disk)], stub, cache)
        assert len(logged(log)) == started
    embed_logged(paths, cache, log)
    assert len(logged(log)) <= 200 + 3 * 8
    for suffix in ("f32", "keys"):
        (whole,), (resumed,) = ((tmp_path / c).glob(f"*/plain.{suffix}") for c in ("whole", "cache"))
        assert resumed.read_bytes() == whole.read_bytes()


def test_two_processes_share_the_work(tmp_path):
    paths = write(tmp_path / "photos", range(64))
    cache, log = tmp_path / "cache", tmp_path / "log"
    child = FORK.Process(target=embed_logged, args=(paths, cache, log))
    child.start()
    wait_for(lambda: logged(log))
    with pytest.warns(LabelmendWarning, match="another process is embedding"):
        found, _ = embed(paths, Logged(log=str(log)), cache, batch_size=8)
    child.join()
    assert every(found) == [[[n, 255, 0.5]] for n in range(64)]
    assert sorted(logged(log)) == list(range(64))
