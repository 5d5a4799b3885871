"""What is decided on mirroring, and what it costs: arrows, digits, letters, CIFAR-10, flowers.

python benchmarks/mirroring.py --data DIR

All given labels are as the source has them. The fast recipe is run with mirroring on and off; what it calls a
label issue is then false for arrows, digits and letters, and nearly always for CIFAR-10 and flowers.
"""

from __future__ import annotations

import argparse
import json
import string
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.data.sources import load
from labelmend.settings.loading import resolve
from labelmend.training.machine import machine
from labelmend.training.mirroring import decide_mirroring
from labelmend.training.seeds import Purpose, stream
from labelmend.training.trainer import train
from labelmend.verdicts.frame import to_frame

RESULT = Path(__file__).parent / "results" / "mirroring.json"
Pair = tuple[ImageSet, ImageSet]


def image_set(name: str, pixels: np.ndarray, labels: np.ndarray, names: list[str]) -> ImageSet:
    ids = [str(i) for i in range(len(labels))]
    return ImageSet(MemoryImages(torch.from_numpy(pixels)), labels, names, ids, [""] * len(ids), name=name)


def arrows(count: int, seed: int) -> ImageSet:
    """Half to the left, half to the right, of any length, place and colour."""
    rng, pictures = np.random.default_rng(seed), []
    for i in range(count):
        picture = Image.new("RGB", (32, 32), tuple(rng.integers(0, 100, 3)))
        draw, colour = ImageDraw.Draw(picture), tuple(rng.integers(150, 256, 3))
        length, sign = rng.integers(14, 26), 2 * (i % 2) - 1
        spare = (32 - length) / 2
        x, y = 16 + rng.uniform(-spare, spare), 16 + rng.uniform(-spare, spare)
        tip, head = x + sign * length / 2, length / 4
        draw.line([(x - sign * length / 2, y), (tip, y)], fill=colour, width=2)
        back = tip - sign * head
        draw.line([(back, y - head), (tip, y), (back, y + head)], fill=colour, width=2)
        noisy = np.asarray(picture) + rng.normal(0, 10, (32, 32, 3))
        pictures.append(noisy.clip(0, 255).astype(np.uint8))
    return image_set("arrows", np.stack(pictures), np.arange(count) % 2, ["left", "right"])


def letters(text: str, each: int, seed: int) -> ImageSet:
    """Letters of Pillow's font, of several sizes, moved and turned a little."""
    rng, pictures = np.random.default_rng(seed), []
    for letter in text:
        for _ in range(each):
            picture = Image.new("L", (28, 28), 0)
            draw, font = ImageDraw.Draw(picture), ImageFont.load_default(int(rng.integers(15, 22)))
            x, y = rng.integers(-2, 3, 2)
            draw.text((14 + x, 14 + y), letter, fill=255, font=font, anchor="mm")
            pictures.append(np.asarray(picture.rotate(rng.uniform(-8, 8)))[..., None])
    labels = np.repeat(np.arange(len(text)), each)
    return image_set("letters", np.stack(pictures), labels, list(text))


def digits() -> Pair:
    """600 of scikit-learn's digits as arrays, of which nothing is known."""
    pair = []
    for split, count in (("train", 600), ("test", 500)):
        found = load("digits", split=split, limit=count)
        pixels = found.images.gather(torch.arange(count)).numpy()
        pair.append(image_set("digits", pixels, found.given_labels, found.class_names))
    return pair[0], pair[1]


def photographs(source: str | Path, size: int | None, root: str, count: int) -> Pair:
    """Some of the training images, at random, and as many test images at most."""
    chosen = []
    for split in ("train", "test"):
        whole = load(source, split=split, root=root, image_size=size)
        chosen.append(whole.subset(np.random.default_rng(0).permutation(len(whole))[:count]))
    return chosen[0], chosen[1]


def measure(train_set: ImageSet, test_set: ImageSet, flops: float) -> dict[str, Any]:
    """The decision, and a run with mirroring and one without."""
    labels, started = torch.from_numpy(train_set.given_labels), time.perf_counter()
    names, generator = train_set.class_names, stream(0, Purpose.MIRRORING)
    decided = decide_mirroring(None, None, train_set.images, labels, names, generator)
    found: dict[str, Any] = {
        "images": len(train_set),
        "on": decided.on,
        "outcome": decided.outcome,
        "kept": decided.kept,
        "error": decided.error,
        "seconds": time.perf_counter() - started,
        "says": str(decided),
        "flops": flops,
    }
    for flip in (True, False):
        settings = resolve(
            "fast", None, {"flops": flops, "widths": [32, 64, 128], "flip": flip, "precision": "float32"}
        )
        trained = train(settings, train_set, test_set)
        issues = to_frame(trained.record, train_set)["is_label_issue"]
        found["with" if flip else "without"] = {
            "issues": int(issues.sum()),
            "accuracy": trained.summary["test_accuracy_last"],
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with CIFAR-10 and flowers")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    root, text = arguments.data, string.ascii_lowercase
    sets: dict[str, tuple[Callable[[], Pair], float]] = {
        "60 left and 60 right arrows": (lambda: (arrows(120, 0), arrows(400, 1)), 2e11),
        "digits as arrays": (digits, 2e11),
        "letters a to z": (lambda: (letters(text, 20, 0), letters(text, 20, 1)), 4e11),
        "symmetric letters (AHIMOTUVWXY)": (
            lambda: (letters("AHIMOTUVWXY", 20, 0), letters("AHIMOTUVWXY", 40, 1)),
            2e11,
        ),
        "CIFAR-10": (lambda: photographs("cifar10", None, root, 1500), 1.5e12),
        "flowers, 32 px": (lambda: photographs(Path(root) / "flowers", 32, root, 1500), 1.5e12),
    }
    record: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {"sets": {}}
    record |= machine()
    for name, (make, flops) in sets.items():
        if name not in record["sets"]:
            record["sets"][name] = measure(*make(), flops)
            RESULT.write_text(json.dumps(record, indent=1) + "\n")
            print(name, json.dumps(record["sets"][name]), flush=True)


if __name__ == "__main__":
    main()
