"""Time and memory of anchor voting against the bare matrix product of the same size.

    python benchmarks/anchor_voting.py [--anchors 270000 --hard 20000 --features 512]

The bare product multiplies the same blocks in the same tiles and throws the result away. It is done on each
block just before the search gets it, so that other work on the machine slows both alike. Extra memory is
how far the search and the vote push the peak resident size of their process beyond their inputs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labelmend.correction.loose import Around, loose_votes
from labelmend.correction.nearest import match_anchors
from labelmend.correction.search import TILE_COLUMNS, TILE_ROWS
from labelmend.correction.voting import validity_threshold, vote
from labelmend.training.machine import processor_name

BLOCK = 8192


def anchor_blocks(size: argparse.Namespace, hard: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Anchors as they arise in training: hard features, moved about, made a block at a time."""
    generator = torch.Generator().manual_seed(size.seed)
    for start in range(0, size.anchors, BLOCK):
        index = torch.arange(start, min(start + BLOCK, size.anchors))
        noise = torch.rand(len(index), size.features, generator=generator)
        yield hard[index % size.hard] + noise, index % size.classes, index % 30_000


def hard_features(size: argparse.Namespace) -> Tensor:
    generator = torch.Generator().manual_seed(size.seed + 1)
    return torch.rand(size.hard, size.features, generator=generator)


class TimedBlocks:
    """Anchor blocks, each multiplied with all hard features before it is handed out.

    Attributes:
        product_seconds: spent on the bare products.
        making_seconds: spent on making the blocks.
    """

    def __init__(self, size: argparse.Namespace, hard: Tensor) -> None:
        self.size, self.hard = size, hard
        self.buffer = torch.zeros(TILE_ROWS * TILE_COLUMNS)
        self.product_seconds = self.making_seconds = 0.0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        start = time.perf_counter()
        for block in anchor_blocks(self.size, self.hard):
            made = time.perf_counter()
            self.multiply(block[0])
            multiplied = time.perf_counter()
            self.making_seconds += made - start
            self.product_seconds += multiplied - made
            yield block
            start = time.perf_counter()

    def multiply(self, anchors: Tensor) -> None:
        """The bare product, tile by tile."""
        for rows in torch.split(anchors, TILE_ROWS):
            for columns in torch.split(self.hard, TILE_COLUMNS):
                tile = self.buffer[: len(rows) * len(columns)].view(len(rows), len(columns))
                torch.matmul(rows, columns.T, out=tile)


def peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure(size: argparse.Namespace) -> dict[str, Any]:
    """Search and vote; called in a process of its own, whose peak memory is then theirs."""
    torch.set_num_threads(size.threads)
    hard = hard_features(size)
    blocks = TimedBlocks(size, hard)
    before = peak_bytes()
    match_anchors([next(iter(blocks))], hard, BLOCK)  # so that no one-time set-up is timed
    blocks = TimedBlocks(size, hard)
    start = time.perf_counter()
    matches = match_anchors(blocks, hard, size.anchors)
    searched = time.perf_counter()
    valid = matches.similarity > validity_threshold(matches.similarity, 0.5)
    votes = vote(matches.nearest, matches.similarity, matches.labels, valid, size.hard, size.classes, 5)
    voted = time.perf_counter()
    product = blocks.product_seconds
    search = searched - start - product - blocks.making_seconds
    report = {
        "anchor_making_seconds": blocks.making_seconds,
        "product_seconds": product,
        "product_gflops": 2e-9 * size.anchors * size.hard * size.features / product,
        "search_seconds": search,
        "voting_seconds": voted - searched,
        "ratio": (search + voted - searched) / product,
        "extra_gigabytes": (peak_bytes() - before) / 1e9,
        "valid_anchors": int(valid.sum()),
        "hard_samples_with_votes": int((votes.label >= 0).sum()),
    }
    return report | ({"loose": measure_loose(size, hard)} if size.loose else {})


def measure_loose(size: argparse.Namespace, hard: Tensor) -> dict[str, float]:
    """Search and vote in the loose reading, which are one."""
    blocks, start = TimedBlocks(size, hard), time.perf_counter()
    around = Around(hard, 5, size.anchors)
    matches = match_anchors(blocks, hard, size.anchors, around)
    threshold = validity_threshold(matches.similarity, 0.5)
    loose_votes(around, matches.labels, threshold, size.classes)
    seconds = time.perf_counter() - start - blocks.product_seconds - blocks.making_seconds
    return {"search_and_voting_seconds": seconds, "ratio": seconds / blocks.product_seconds}


def run(size: argparse.Namespace) -> dict[str, Any]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        measured = pool.submit(measure, size).result()
    return {
        "settings": {name: value for name, value in vars(size).items() if name != "out"},
        "processor": processor_name(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        **measured,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--anchors", type=int, default=270_000)
    parser.add_argument("--hard", type=int, default=20_000)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--loose", action="store_true", help="time the loose reading of the vote too")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "anchor_voting.json")
    size = parser.parse_args()
    report = run(size)
    text = json.dumps(report, indent=2)
    size.out.parent.mkdir(parents=True, exist_ok=True)
    partial = size.out.with_name(size.out.name + ".partial")
    partial.write_text(text + "\n")
    partial.replace(size.out)
    print(text)
    print(f"{report['ratio']:.2f}x the bare product, {report['extra_gigabytes']:.2f} GB of extra memory")


if __name__ == "__main__":
    main()
