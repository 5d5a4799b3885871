"""A small set of images, and runs on it that take half a second."""

from __future__ import annotations

import numpy as np
import pytest

import labelmend
from labelmend.training.listener import Silent

TINY = {
    "epochs": 4,
    "batch_size": 16,
    "widths": [8, 8],
    "depth": 1,
    "warmup": 0.5,
    "lr": 0.05,
}


class Stop(Exception):
    """Ends a run as a kill would."""


class StopAt(Silent):
    """Stops a run after an epoch; 0 is in its first step."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_step(self, share):
        if self.epoch == 0:
            raise Stop

    def on_epoch(self, row):
        if row["epoch"] == self.epoch:
            raise Stop


def bars(count: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Grey images of 8 px with a bright row, column or corner; a sixth of the labels is wrong."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (count, 8, 8), dtype=np.uint8)
    labels = np.arange(count) % 3
    places = [(slice(2, 4), slice(None)), (slice(None), slice(5, 7)), (slice(0, 4), slice(0, 4))]
    for image, label in zip(images, labels, strict=True):
        image[places[label]] = 220
    return images, np.where(np.arange(count) % 6 == 5, (labels + 1) % 3, labels)


@pytest.fixture
def tiny():
    """Settings of the runs."""
    return dict(TINY)


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """The images as a file, with a few trusted labels."""
    images, labels = bars()
    path = tmp_path_factory.mktemp("bars") / "bars.npz"
    np.savez(path, images=images, labels=labels, trusted=np.arange(48) < 6)
    return path


@pytest.fixture(scope="session")
def whole(source, tmp_path_factory):
    """An uninterrupted run."""
    return labelmend.fit(source, out=tmp_path_factory.mktemp("whole") / "run", **TINY)


@pytest.fixture
def stop(source, tmp_path):
    """Starts a run that is stopped after an epoch; returns its folder."""

    def stopped(epoch, data=source, **settings):
        with pytest.raises(Stop):
            labelmend.fit(data, out=tmp_path / "run", listener=StopAt(epoch), **{**TINY, **settings})
        return tmp_path / "run"

    return stopped


@pytest.fixture
def same_bytes(whole):
    """Whether a finished run ends with the bytes of the uninterrupted one."""

    def same(folder):
        names = ("verdicts.csv", "verdicts.parquet", "model.safetensors")
        return all((folder / name).read_bytes() == (whole.folder / name).read_bytes() for name in names)

    return same
