"""Images a second: the training loop, a bare forward-backward loop, and a plain PyTorch loop, in one run.

The plain loop is what a tutorial writes: float32, contiguous (NCHW), a data loader that crops, mirrors
and normalises one image at a time. The bare loop does nothing but forward, backward and optimiser step on
one batch of random numbers, in the precision and layout that the probe chose.

    python benchmarks/throughput.py --out benchmarks/results/throughput.json
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.methods import METHODS
from labelmend.models.build import NetworkDescription, build_network
from labelmend.training.listener import Silent
from labelmend.training.loop import Loop, make_optimizer
from labelmend.training.machine import machine


class PerImage(Dataset):
    """Images as a tutorial serves them: decoded to PIL, cropped, mirrored and normalised one by one."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        self.pixels, self.labels, self.rng = pixels, labels, np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        image = Image.fromarray(self.pixels[row])
        padded = Image.new("RGB", (40, 40))
        padded.paste(image, (4, 4))
        left, top = (int(v) for v in self.rng.integers(0, 9, 2))
        image = padded.crop((left, top, left + 32, top + 32))
        if self.rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        tensor = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float().div(255)
        return (tensor - 0.47) / 0.25, int(self.labels[row])


def plain_loop(
    data: PerImage, description: NetworkDescription, batch: int, workers: int
) -> Callable[[int], None]:
    network = build_network(description, torch.Generator().manual_seed(0)).train()
    optimizer = torch.optim.SGD(
        [p for p in network.parameters() if p.requires_grad], lr=0.01, momentum=0.9, nesterov=True
    )

    def run(steps: int) -> None:
        loader = DataLoader(data, batch_size=batch, shuffle=True, num_workers=workers)
        for _, (images, labels) in zip(range(steps), loader, strict=False):
            loss = functional.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def bare_loop(loop: Loop, description: NetworkDescription, batch: int) -> Callable[[int], None]:
    network = build_network(description, torch.Generator().manual_seed(0)).train()
    loop.arithmetic.place_module(network)
    optimizer = make_optimizer([network], loop.settings.training, loop.lr)
    images = loop.arithmetic.place_images(torch.randn(batch, 3, 32, 32))
    labels = torch.randint(10, (batch,))

    def run(steps: int) -> None:
        for _ in range(steps):
            with loop.arithmetic.autocast():
                loss = functional.cross_entropy(network(images).float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def own_loop(loop: Loop, images: MemoryImages, batch: int) -> Callable[[int], None]:
    def run(steps: int) -> None:
        for i in range(steps):
            index = torch.arange(i * batch, (i + 1) * batch) % images.shape[0]
            loop.train_step(index, images.gather(index))

    return run


def images_per_second(run: Callable[[int], None], steps: int, batch: int) -> float:
    start = time.perf_counter()
    run(steps)
    return steps * batch / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 256, 256])
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0, help="loader processes of the plain loop")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    count = args.batch * args.steps
    pixels = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    labels = rng.integers(0, 10, count)
    names = [str(i) for i in range(10)]
    rows = [str(i) for i in range(count)]
    images = MemoryImages(torch.from_numpy(pixels))
    settings = Settings(
        METHODS["ce"].Settings(),
        network=NetworkSettings(network="fastnet", widths=args.widths),
        budget=BudgetSettings(epochs=1000),
        training=TrainingSettings(batch_size=args.batch),
    )
    train_set = ImageSet(images, labels, names, rows, [""] * count)
    loop = Loop(settings, train_set, None, None, Silent(), resume=False)
    description = NetworkDescription("fastnet", 32, 3, 10, tuple(args.widths), 2)
    for network in loop.networks:
        network.train()
    runs = {
        "plain": plain_loop(PerImage(pixels, labels), description, args.batch, args.workers),
        "bare": bare_loop(loop, description, args.batch),
        "labelmend": own_loop(loop, images, args.batch),
    }
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(args.rounds + 1):
        for name, run in runs.items():
            speed = images_per_second(run, args.steps if turn else 1, args.batch)
            if turn:
                speeds[name].append(speed)
    median = {name: float(np.median(values)) for name, values in speeds.items()}
    result = {
        "settings": {k: v for k, v in vars(args).items() if k != "out"},
        "precision": loop.arithmetic.precision,
        "memory_format": loop.arithmetic.memory_format,
        "images_per_second": median,
        "all_rounds": speeds,
        "times_plain": median["labelmend"] / median["plain"],
        "share_of_bare": median["labelmend"] / median["bare"],
        **machine(),
    }
    print(json.dumps(result, indent=2))
    if args.out is not None:
        args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
