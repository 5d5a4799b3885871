from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest
import torch

from labelmend.data import MemoryImages, Subset
from labelmend.data.decode import DecodedOnDemand
from labelmend.data.loader import fetch
from labelmend.data.resize import Resized
from labelmend.errors import DataError

PIXELS = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1).expand(6, 2, 2, 1)
STEPS = [torch.tensor([4, 1]), torch.tensor([0]), torch.tensor([], dtype=torch.int64), torch.tensor([5, 5])]


@dataclass
class Decoded:
    """Images that say which of them have been asked for, and in which thread."""

    in_memory: bool
    asked: list[list[int]] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    @property
    def shape(self):
        return tuple(PIXELS.shape)

    def gather(self, index):
        self.asked.append(index.tolist())
        self.threads.add(threading.get_ident())
        if 3 in index:
            raise DataError("3.png: could be read at first, but no longer")
        return PIXELS[index]


@pytest.mark.parametrize("in_memory", [True, False])
def test_every_step_has_its_pixels_in_order(in_memory):
    found = list(fetch(Decoded(in_memory), STEPS))
    assert [index.tolist() for index, _ in found] == [step.tolist() for step in STEPS]
    assert all(torch.equal(pixels, PIXELS[step]) for (_, pixels), step in zip(found, STEPS, strict=True))


@pytest.mark.parametrize("in_memory", [True, False])
def test_no_steps(in_memory):
    assert list(fetch(Decoded(in_memory), [])) == []


def test_what_must_be_decoded_is_decoded_one_step_ahead():
    images, drawn = Decoded(False), []

    def steps():
        for step in STEPS:
            drawn.append(step.tolist())
            yield step

    found = fetch(images, steps())
    assert images.asked == []
    next(found)
    assert drawn == [[4, 1], [0]]  # and no further
    next(found)
    assert drawn == [[4, 1], [0], []]
    found.close()
    assert images.asked == drawn
    assert threading.get_ident() not in images.threads


def test_images_in_memory_are_asked_for_when_they_are_needed():
    images = Decoded(True)
    found = fetch(images, iter(STEPS))
    next(found)
    assert images.asked == [[4, 1]]
    assert images.threads == {threading.get_ident()}


def test_a_file_that_has_gone_is_reported_at_its_step():
    found = fetch(Decoded(False), [torch.tensor([0]), torch.tensor([3])])
    next(found)
    with pytest.raises(DataError, match=r"3\.png"):
        next(found)


def test_what_is_in_memory():
    memory = MemoryImages(PIXELS)
    assert memory.in_memory
    assert Subset(Subset(memory, torch.arange(3)), torch.arange(2)).in_memory
    lazy = DecodedOnDemand([], 2, 1)
    assert not lazy.in_memory
    assert not Subset(lazy, torch.arange(0)).in_memory
    assert not Resized(memory, 4, 1).in_memory
