"""A small folder in the layout of Clothing1M: superclasses of CIFAR-100 with the human labels of CIFAR-100N.

14 of the 20 superclasses stand for the 14 classes. Training labels are what people said; images that are, or
are said to be, of another superclass are left out. Validation and test images are test images of CIFAR-100,
with their true labels.

    python benchmarks/clothing1m_miniature.py OUT --root DATA
    LABELMEND_DATA=OUT labelmend bench benchmarks/suites/clothing1m-miniature.yaml --out OUT/results
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from labelmend.data import load, load_test
from labelmend.noise.human import find_cifar_n, read_columns

CLASSES = 14
TRAIN, CLEAN_TRAIN, VAL, TEST = 40, 5, 5, 20
"""Images of each class."""


def write_labels(folder: Path, kind: str, labels: Mapping[str, int]) -> None:
    """``KIND_label_kv.txt``: a key and a label on each line."""
    (folder / f"{kind}_label_kv.txt").write_text("".join(f"{key} {label}\n" for key, label in labels.items()))


def write_keys(folder: Path, split: str, keys: Iterable[str]) -> None:
    """``SPLIT_key_list.txt``: a key on each line."""
    (folder / f"{split}_key_list.txt").write_text("".join(f"{key}\n" for key in keys))


def save_images(root: Path, name: str, pixels: np.ndarray) -> list[str]:
    """Images (N, H, W, 3) as JPEG files below ``images``; returns their keys."""
    keys = [f"images/{n % 10}/{n % 100:02d}/{name},{n}.jpg" for n in range(len(pixels))]
    for key, image in zip(keys, pixels, strict=True):
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / key, quality=95)
    return keys


def write_layout(
    root: Path,
    train: tuple[np.ndarray, np.ndarray, np.ndarray],
    val: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    clean_train: Iterable[int] = (),
) -> None:
    """Write a data set as Clothing1M is published.

    Args:
        root: folder of the data set; made where it is not there.
        train: pixels uint8 (N, H, W, 3), noisy and clean labels int64 (N,).
        val: pixels and clean labels.
        test: pixels and clean labels.
        clean_train: rows of training images whose clean labels are published too.
    """
    annotations = root / "annotations"
    annotations.mkdir(parents=True, exist_ok=True)
    noisy_keys = save_images(root, "train", train[0])
    clean: dict[str, int] = {noisy_keys[row]: int(train[2][row]) for row in clean_train}
    write_keys(annotations, "clean_train", list(clean))
    for split, (pixels, labels) in (("clean_val", val), ("clean_test", test)):
        keys = save_images(root, split, pixels)
        clean |= dict(zip(keys, labels.tolist(), strict=True))
        write_keys(annotations, split, keys)
    write_keys(annotations, "noisy_train", noisy_keys)
    write_labels(annotations, "noisy", dict(zip(noisy_keys, train[1].tolist(), strict=True)))
    write_labels(annotations, "clean", clean)


def first_of_each(labels: np.ndarray, count: int, after: int = 0) -> np.ndarray:
    """Rows of ``count`` images of each class below ``CLASSES``, the first ones but ``after``."""
    return np.concatenate(
        [np.flatnonzero(labels == label)[after : after + count] for label in range(CLASSES)]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder that the data set is written to")
    parser.add_argument("--root", help="folder of CIFAR-100 and CIFAR-100N (default: $LABELMEND_DATA)")
    arguments = parser.parse_args()
    people = read_columns(find_cifar_n("cifar100n", arguments.root))
    clean, said = (np.asarray(people[f"{kind}_coarse_label"]) for kind in ("clean", "noisy"))
    superclass = np.zeros(100, dtype=np.int64)
    superclass[np.asarray(people["clean_label"])] = clean
    train = load("cifar100", root=arguments.root)
    test = load_test("cifar100", root=arguments.root, like=train)
    known = np.where(clean < CLASSES, said, -1)
    rows, tested = first_of_each(known, TRAIN), superclass[test.given_labels]
    val, scored = first_of_each(tested, VAL), first_of_each(tested, TEST, after=VAL)

    def pixels(images: object, index: np.ndarray) -> np.ndarray:
        return images.gather(torch.from_numpy(index)).numpy()

    write_layout(
        arguments.out / "clothing1m",
        (pixels(train.images, rows), said[rows], clean[rows]),
        (pixels(test.images, val), tested[val]),
        (pixels(test.images, scored), tested[scored]),
        first_of_each(said[rows], CLEAN_TRAIN),
    )
    print(
        f"{len(rows)} training images in {arguments.out}, {(said != clean)[rows].mean():.1%} wrongly labelled"
    )


if __name__ == "__main__":
    main()
