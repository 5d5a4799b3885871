"""Images a second: embedding the photographs of a folder, and a bare forward loop on random tensors.

All use the same network, precision, layout, threads and batches. They take turns, a few seconds each, so that
whatever else the machine does meets all; what counts is the ratio of the medians. Embedding is the whole of
it: reading, hashing, decoding, resizing, the network, features on disk. It keeps the memory of freed tensors,
which a loop on its own does not; a second bare loop does too. Processor time, of all threads, says what
embedding costs where nothing is left to hide it behind.

    python benchmarks/embedding.py PHOTOS --out benchmarks/results/embedding.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from labelmend.data.features import BATCH
from labelmend.data.listing import Listing
from labelmend.data.sources import read_listing
from labelmend.models.pretrained import load_backbone
from labelmend.training.embedder import FrozenBackbone, embed_frozen, embedding_arithmetic
from labelmend.training.machine import machine
from labelmend.training.memory import kept_memory

CLOCKS: dict[str, Callable[[], float]] = {"clock": time.perf_counter, "processor": time.process_time}


def speed(work: Callable[[], object], images: int) -> dict[str, float]:
    """Images a second of some work, by the clock and of processor time."""
    started = {name: clock() for name, clock in CLOCKS.items()}
    work()
    return {name: images / (clock() - started[name]) for name, clock in CLOCKS.items()}


def bare_loop(frozen: FrozenBackbone, passes: int) -> dict[str, float]:
    """Forward passes alone, on normalised random numbers."""
    images = frozen.arithmetic.place_images(torch.randn(BATCH, 3, frozen.size, frozen.size))

    def loop() -> None:
        with torch.inference_mode(), frozen.arithmetic.autocast():
            for _ in range(passes):
                frozen.backbone(images)

    return speed(loop, passes * BATCH)


def embedding(frozen: FrozenBackbone, listing: Listing) -> tuple[dict[str, float], dict[str, float]]:
    """Embedding with nothing cached; then once more with everything cached: reading and hashing."""
    with tempfile.TemporaryDirectory() as cache:
        first, again = (
            speed(lambda: embed_frozen(listing, frozen, Path(cache)), len(listing)) for _ in range(2)
        )
    return first, again


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
    listing = read_listing(args.photos)
    # Spread over the classes, other images in each turn.
    turns = [
        listing.take(range(turn, len(listing), len(listing) // args.images)[: args.images])
        for turn in range(args.turns)
    ]
    bare_loop(frozen, 2)
    speeds: dict[str, list[dict[str, float]]] = {
        "bare": [],
        "bare, memory kept": [],
        "embedding": [],
        "cached": [],
    }
    for turn in turns:
        passes = -(-len(turn) // BATCH)
        speeds["bare"].append(bare_loop(frozen, passes))
        with kept_memory():
            bare_loop(frozen, 1)
            speeds["bare, memory kept"].append(bare_loop(frozen, passes))
        first, again = embedding(frozen, turn)
        speeds["embedding"].append(first)
        speeds["cached"].append(again)
    medians = {
        name: {clock: statistics.median(turn[clock] for turn in values) for clock in CLOCKS}
        for name, values in speeds.items()
    }
    report = {
        "settings": {name: value for name, value in vars(args).items() if name not in ("out", "photos")},
        "batch": BATCH,
        "precision": frozen.arithmetic.precision,
        "image_size": frozen.size,
        "images_per_second": medians,
        "share": {
            f"of {bare}": {clock: medians["embedding"][clock] / medians[bare][clock] for clock in CLOCKS}
            for bare in ("bare", "bare, memory kept")
        },
        "turns": speeds,
        "load_average": os.getloadavg()[0],
        **machine(),
    }
    print(json.dumps(report, indent=2))
    if args.out is not None:
        args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
