from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from labelmend.data.image_set import ImageSet, MemoryImages

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def image_set(pixels: np.ndarray, labels: np.ndarray, names: list[str] = NAMES) -> ImageSet:
    count = len(labels)
    return ImageSet(
        MemoryImages(torch.from_numpy(pixels)), labels, names, [str(i) for i in range(count)], [""] * count
    )


@pytest.fixture(scope="session")
def fixture_set() -> ImageSet:
    """1,000 random images; RandomState, because NumPy guarantees its stream."""
    state = np.random.RandomState(20240501)
    pixels = state.randint(0, 256, (1000, 32, 32, 3), dtype=np.uint8)
    return image_set(pixels, state.randint(0, 10, 1000, dtype=np.int64))


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder with the real CIFAR files."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    root = Path(os.environ.get("LABELMEND_DATA", beside))
    if not (root / "benchmarks" / "cifar10" / "train.parquet").is_file():
        pytest.skip(f"no benchmarks/cifar10/train.parquet in {root}; set LABELMEND_DATA")
    return root


@pytest.fixture(scope="session")
def cifar10(data_root: Path) -> ImageSet:
    from labelmend.data import load

    return load("cifar10", root=data_root)


@pytest.fixture(scope="session")
def cifar10_labels(data_root: Path) -> np.ndarray:
    import pyarrow.parquet as pq

    table = pq.read_table(data_root / "benchmarks" / "cifar10" / "train.parquet", columns=["label"])
    return np.array(table["label"].to_pylist(), dtype=np.int64)
