"""Where the time of a training step goes, and what each choice of the network costs on this processor.

First the fast recipe's own steps, in its warm-up and after a selection, by kind of operation; then images a
second of a bare forward-backward loop for every activation, pooling, precision and memory format.

    python benchmarks/step_profile.py --out benchmarks/results/step_profile/PROCESSOR.json

``throughput.py`` says how to imitate an older processor.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from throughput import bare_loop, here, images_per_second, make_trainer, own_loop, random_images
from torch import nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from labelmend.data.image_set import MemoryImages
from labelmend.models.classifier import Classifier
from labelmend.models.fastnet import FastNet, Stage
from labelmend.models.registry import build_network
from labelmend.training.arithmetic import Arithmetic
from labelmend.training.memory import kept_memory
from labelmend.training.trainer import Trainer

# The first kind whose part of a name occurs in the operation's name.
KINDS = {
    "convolution and matrix product": ("conv", "addmm", "aten::mm", "bmm", "linear"),
    "batch norm": ("batch_norm",),
    "pooling": ("pool", "aten::mean"),
    "activation": ("gelu", "relu", "threshold", "silu"),
    "optimiser and weight average": ("_foreach", "Optimizer", "lerp", "addcmul", "addcdiv"),
    "copies and casts": ("copy", "aten::cat", "clone", "contiguous", "aten::to"),
    "filling with zeros": ("zero", "fill"),
}
ACTIVATIONS = {
    "relu": torch.relu_,
    "gelu": functional.gelu,
    "gelu, tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
}
POOLINGS = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
ARITHMETIC = (("float32", "contiguous"), ("float32", "channels_last"), ("bfloat16", "channels_last"))
# bfloat16 convolution without hardware support is tens of times slower: not worth the wait.
HAS_BF16 = ("avx512_bf16", "amx_bf16")


def kind_of(name: str) -> str:
    """Kind of operation, by the profiler's name of it."""
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "the rest")


def shares(run: Callable[[int], None], steps: int) -> dict[str, float]:
    """Share of the time in each kind of operation, over some steps."""
    run(2)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run(steps)
    found = dict.fromkeys([*KINDS, "the rest"], 0.0)
    for event in profiler.key_averages():
        found[kind_of(event.key)] += event.self_cpu_time_total
    total = sum(found.values())
    return {kind: value / total for kind, value in found.items()}


def augmentation_share(trainer: Trainer, pixels: torch.Tensor, strong: bool, step_seconds: float) -> float:
    """Time to make one view of a batch, over that of a whole step."""
    setup, started, repeats = trainer.setup, time.perf_counter(), 5
    for _ in range(repeats):
        setup.arithmetic.place_images(setup.augmentation(pixels, trainer.generator, strong))
    return (time.perf_counter() - started) / repeats / step_seconds


def change(network: Classifier, activation: str, pooling: str) -> None:
    """Put another activation and pooling into a fastnet, in place."""
    extractor = network.extractor
    assert isinstance(extractor, FastNet)
    extractor.activation = ACTIVATIONS[activation]
    for stage in extractor.stages:
        assert isinstance(stage, Stage)
        stage.activations = [ACTIVATIONS[activation]] * len(stage.activations)
        if not isinstance(stage.pool, nn.Identity):
            stage.pool = POOLINGS[pooling](2)


def choices(trainer: Trainer, batch: int, steps: int, rounds: int) -> list[dict[str, Any]]:
    """Images a second of a bare loop for every choice; all of them in turn, so that drift hits all alike."""
    machine = here()
    has_bf16 = not machine["limited_to"] and any(flag in str(machine["processor"]) for flag in HAS_BF16)
    runs, found = [], []
    for activation, pooling, numbers in itertools.product(ACTIVATIONS, POOLINGS, ARITHMETIC):
        if numbers[0] == "bfloat16" and not has_bf16:
            continue
        network = build_network(trainer.setup.description, torch.Generator().manual_seed(0))
        change(network, activation, pooling)
        runs.append(bare_loop(trainer, network, Arithmetic(trainer.setup.arithmetic.device, *numbers), batch))
        names = ("activation", "pooling", "precision", "memory_format")
        found.append(dict(zip(names, (activation, pooling, *numbers), strict=True)))
    speeds = [[images_per_second(run, steps, batch) for run in runs] for _ in range(rounds + 1)][1:]
    medians = np.median(np.array(speeds), axis=0)
    return [{**row, "images_per_second": float(speed)} for row, speed in zip(found, medians, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 256, 256])
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()

    pixels, labels = random_images(args.batch * args.steps)
    trainer = make_trainer(pixels, labels, args.widths, args.batch)
    images = MemoryImages(torch.from_numpy(pixels))
    profiles = {}
    with kept_memory():
        for moment, selected in (("warm-up", False), ("after a selection", True)):
            run = own_loop(trainer, images, args.batch, selected)
            kinds = shares(run, args.steps)
            seconds = args.batch / images_per_second(run, args.steps, args.batch)
            views = augmentation_share(trainer, images.pixels[: args.batch], selected, seconds)
            profiles[moment] = {"kinds": kinds, "making the views": views, "seconds": seconds}
        table = choices(trainer, args.batch, args.steps, args.rounds)
    result = {
        "settings": {k: v for k, v in vars(args).items() if k != "out"},
        "precision": trainer.setup.arithmetic.precision,
        "memory_format": trainer.setup.arithmetic.memory_format,
        "profiles": profiles,
        "choices": table,
        **here(),
    }
    print(json.dumps(result, indent=2))
    if args.out is not None:
        args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
