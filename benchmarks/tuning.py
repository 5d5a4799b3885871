"""The same small search for every method: the eight settings of ``tuning.yaml``.

python benchmarks/tuning.py --data DIR --out tuning [--methods dac cal] [--flops 2.45e13]

Training images 10,000 to 20,000 of CIFAR-10 with the tuning labels of docs/LOG.md, scored on training images
40,000 to 50,000; official test images and reported labels take no part. Each method is a suite of ``labelmend
bench``, so that a stopped search goes on where it was. DIR is the folder of CIFAR-10 and CIFAR-10N.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from labelmend.bench.run import run_bench
from labelmend.data.image_set import ImageSet
from labelmend.data.numpy_files import read_npz
from labelmend.data.sources import load
from labelmend.errors import DataError, SettingsError
from labelmend.files import replacing, write_text
from labelmend.noise.spec import apply

SEARCH = Path(__file__).parent / "tuning.yaml"
IMAGES = "tuning.npz"
TRAINED_ON, SCORED_BY = slice(10_000, 20_000), slice(40_000, 50_000)


def tuning_labels(first: np.ndarray, second: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The wrong one of two human labels where one is wrong; the first where both are."""
    return np.where(first != true, first, second)


def keep_images(clean: ImageSet, labels: np.ndarray, file: Path) -> None:
    """Write both parts with their labels, or check that the file has them from an earlier search.

    The true labels of the first part are there to score selections by.

    Raises:
        DataError: If there is a file of other images or labels.
    """
    parts: dict[str, np.ndarray] = {"class_names": np.array(clean.class_names)}
    for split, taken, given in (("train", TRAINED_ON, labels), ("test", SCORED_BY, clean.given_labels)):
        pixels = clean.images.gather(torch.arange(len(clean))[taken])
        parts |= {f"{split}_images": pixels.numpy(), f"{split}_labels": given[taken]}
    parts["train_true_labels"] = clean.given_labels[TRAINED_ON]
    if not file.is_file():
        with replacing(file) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **parts)
        return
    found = read_npz(file)
    if found.keys() != parts.keys() or any(not np.array_equal(found[name], parts[name]) for name in parts):
        raise DataError(f"{file.resolve()}: the search that is there is of other data; give another --out")


def suite_of(method: str, search: list[dict[str, Any]], flops: float) -> Mapping[str, Any]:
    """The suite of a method's search; rows are called by what differs from the defaults."""
    rows = {
        ", ".join(f"{name} {value}" for name, value in changes.items()) or "defaults": {
            "method": method,
            **changes,
        }
        for changes in search
    }
    shared = {"flops": flops, "widths": [32, 64, 128], "test_every": 4}
    title = f"Search for settings of {method}, on the tuning labels"
    return {"title": title, "data": IMAGES, "recipe": "fast", "settings": shared, "seeds": [1], "rows": rows}


def keep_suite(suite: Mapping[str, Any], file: Path) -> None:
    """Write a suite, or check that the file has it from an earlier search.

    Raises:
        SettingsError: If there is a file of another suite.
    """
    text = yaml.safe_dump(suite, sort_keys=False)
    if file.is_file() and file.read_text(encoding="utf-8") != text:
        raise SettingsError(
            f"{file.resolve()}: the search that is there has other settings; give another --out"
        )
    write_text(file, text)


def main() -> None:
    """Run the searches that are asked for, one after another."""
    search = yaml.safe_load(SEARCH.read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("tuning"))
    parser.add_argument("--methods", nargs="+", choices=list(search), default=list(search))
    parser.add_argument("--flops", type=float, default=2.45e13)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    root = arguments.data.resolve()
    # A suite names its data by a path, which stands in every result: one that is the same on every machine.
    with contextlib.chdir(arguments.out):
        clean = load("cifar10", root=root)
        pair = [apply(f"cifar10n:{name}", clean, root)[0].given_labels for name in ("random1", "random2")]
        keep_images(clean, tuning_labels(pair[0], pair[1], clean.given_labels), Path(IMAGES))
        for method in arguments.methods:
            file = Path(f"tuning-{method}.yaml")
            keep_suite(suite_of(method, search[method], arguments.flops), file)
            run_bench(file, Path())


if __name__ == "__main__":
    main()
