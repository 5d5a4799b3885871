"""Images a second: embedding the photographs of a folder, and a bare forward loop on random tensors.

Both use the same network, precision, layout, threads and batches. They take turns, a few seconds each, so
that whatever else the machine does meets both; what counts is the ratio of the medians. Embedding is the
whole of it: reading, hashing, decoding, resizing, the network, features on disk.

    python benchmarks/embedding.py PHOTOS --out benchmarks/results/embedding.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import torch

from labelmend.data.features import BATCH, embed
from labelmend.data.sources import read_listing
from labelmend.models.pretrained import load_backbone
from labelmend.training.embedder import FrozenBackbone, embedding_arithmetic
from labelmend.training.machine import machine


def bare_loop(frozen: FrozenBackbone, passes: int) -> float:
    """Images a second of forward passes alone, on normalised random numbers."""
    images = frozen.arithmetic.place_images(torch.randn(BATCH, 3, frozen.size, frozen.size))
    start = time.perf_counter()
    with torch.inference_mode(), frozen.arithmetic.autocast():
        for _ in range(passes):
            frozen.backbone(images)
    return passes * BATCH / (time.perf_counter() - start)


def embedding(frozen: FrozenBackbone, items: list) -> float:
    """Images a second of embedding, with nothing cached."""
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        embed(items, frozen, Path(cache))
        return len(items) / (time.perf_counter() - start)


def cached(frozen: FrozenBackbone, items: list) -> float:
    """Images a second once all features are on disk: reading and hashing."""
    with tempfile.TemporaryDirectory() as cache:
        embed(items, frozen, Path(cache))
        start = time.perf_counter()
        embed(items, frozen, Path(cache))
        return len(items) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos")
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--precision", default="auto", choices=["auto", "float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--images", type=int, default=512, help="of each turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    frozen = FrozenBackbone(
        load_backbone(args.network), embedding_arithmetic(torch.device("cpu"), args.precision)
    )
    items = list(read_listing(args.photos).items)
    # Spread over the classes, other images in each turn.
    turns = [items[turn :: len(items) // args.images][: args.images] for turn in range(args.turns)]
    bare_loop(frozen, 2)
    speeds: dict[str, list[float]] = {"bare forward loop": [], "embedding": []}
    for turn in turns:
        speeds["bare forward loop"].append(bare_loop(frozen, -(-len(turn) // BATCH)))
        speeds["embedding"].append(embedding(frozen, turn))
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    report = {
        "settings": {name: value for name, value in vars(args).items() if name not in ("out", "photos")},
        "batch": BATCH,
        "precision": frozen.arithmetic.precision,
        "image_size": frozen.size,
        "images_per_second": medians,
        "share_of_bare": medians["embedding"] / medians["bare forward loop"],
        "cached_images_per_second": cached(frozen, turns[0]),
        "turns": speeds,
        "load_average": os.getloadavg()[0],
        **machine(),
    }
    print(json.dumps(report, indent=2))
    if args.out is not None:
        args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
