"""Time and memory of the noise models.

    python benchmarks/noise_speed.py [--out benchmarks/results/noise_speed.json]

Label-only models on 1,000,000 labels of 10 classes; instance-dependent ones on 50,000 random images of
32 x 32 x 3, each in a fresh process, so that the peak resident size is its own (with Python, PyTorch and the
images themselves in it).
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from labelmend.files import write_json
from labelmend.noise.asymmetric import CIFAR10_MAP, asymmetric
from labelmend.noise.instance_per_class import instance_per_class
from labelmend.noise.instance_shared import instance_shared
from labelmend.noise.pairflip import pairflip
from labelmend.noise.part_dependent import part_dependent
from labelmend.noise.symmetric import symmetric, symmetric_inclusive
from labelmend.noise.transition import transition
from labelmend.training.machine import machine

CLASSES = 10
LABELS, IMAGES = 1_000_000, 50_000
Model = Callable[[np.ndarray, np.ndarray], Any]

LABEL_ONLY: dict[str, Model] = {
    "symmetric": lambda true, _: symmetric(true, CLASSES, 0.4, 0),
    "symmetric-inclusive": lambda true, _: symmetric_inclusive(true, CLASSES, 0.4, 0),
    "asymmetric": lambda true, _: asymmetric(true, CLASSES, 0.4, 0, CIFAR10_MAP),
    "pairflip": lambda true, _: pairflip(true, CLASSES, 0.4, 0),
    "transition": lambda true, _: transition(true, np.full((CLASSES, CLASSES), 0.1), 0),
}
WITH_IMAGES: dict[str, Model] = {
    "instance-shared": lambda true, x: instance_shared(true, x, CLASSES, 0.4, 0),
    "instance-per-class": lambda true, x: instance_per_class(true, x, CLASSES, 0.4, 0),
    "instance-per-class:scaling=standardised": lambda true, x: instance_per_class(
        true, x, CLASSES, 0.4, 0, scaling="standardised"
    ),
    "part-dependent (192 features)": lambda true, x: part_dependent(
        true, x[:, ::4, ::4].reshape(len(x), -1) / 255, CLASSES, 0.4, 0
    ),
}


def measure(name: str) -> dict[str, Any]:
    state = np.random.RandomState(0)
    labels_only = name in LABEL_ONLY
    true = state.randint(0, CLASSES, LABELS if labels_only else IMAGES)
    pixels = np.zeros(0) if labels_only else state.randint(0, 256, (IMAGES, 32, 32, 3), dtype=np.uint8)
    start, processor = time.perf_counter(), time.process_time()
    (LABEL_ONLY | WITH_IMAGES)[name](true, pixels)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {
        "model": name,
        "samples": len(true),
        "seconds": round(seconds, 2),
        "processor_seconds": round(processor, 2),
        "peak_gigabytes": round(peak / 1e9, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/noise_speed.json"))
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    rows = []
    for name in LABEL_ONLY | WITH_IMAGES:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            rows.append(pool.submit(measure, name).result())
        print(rows[-1], flush=True)
    write_json(args.out, {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
