"""Images a second: the training loop, a bare forward-backward loop, and a plain PyTorch loop, in one run.

The plain loop is what a tutorial writes: float32, contiguous (NCHW), a data loader that crops, mirrors
and normalises one image at a time. The bare loop does nothing but forward, backward and optimiser step on
one batch of random numbers, in the precision and layout that the probe chose. The training loop is that of
the fast recipe, in its warm-up and after its first selection. An older processor can be imitated with
``ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2`` in front.

    python benchmarks/throughput.py --out benchmarks/results/throughput/PROCESSOR.json
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.methods.mend import Mend
from labelmend.methods.plan import OptimizerPlan, Step
from labelmend.models.classifier import Classifier
from labelmend.models.registry import NetworkDescription, build_network
from labelmend.settings.loading import resolve
from labelmend.training.arithmetic import Arithmetic
from labelmend.training.machine import machine
from labelmend.training.memory import kept_memory
from labelmend.training.optimizers import build_optimizer
from labelmend.training.trainer import Trainer

ISA_LIMIT = "ONEDNN_MAX_CPU_ISA"


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


def bare_loop(
    trainer: Trainer, network: Classifier, arithmetic: Arithmetic, batch: int
) -> Callable[[int], None]:
    arithmetic.place_module(network.train())
    plan = OptimizerPlan.over(network)
    optimizer = build_optimizer(plan, trainer.settings.training, trainer.setup.lr)
    images = arithmetic.place_images(torch.randn(batch, 3, 32, 32))
    labels = torch.randint(10, (batch,))

    def run(steps: int) -> None:
        for _ in range(steps):
            with arithmetic.autocast():
                loss = functional.cross_entropy(network(images).float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def random_images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (count, 32, 32, 3) and labels of 10 classes, all random."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, count)


def make_trainer(pixels: np.ndarray, labels: np.ndarray, widths: list[int], batch: int) -> Trainer:
    """The training loop of the fast recipe, before its first step."""
    rows = [str(i) for i in range(len(labels))]
    images = MemoryImages(torch.from_numpy(pixels))
    names = [str(i) for i in range(10)]
    train_set = ImageSet(images, labels, names, rows, [""] * len(labels))
    trainer = Trainer(resolve("fast", "mend", {"widths": widths, "batch_size": batch}), train_set)
    for network in trainer.setup.networks:
        network.train()
    return trainer


def own_loop(trainer: Trainer, images: MemoryImages, batch: int, selected: bool) -> Callable[[int], None]:
    """Steps of the method: of its warm-up, or after a selection."""
    method, task = trainer.method, trainer.task
    assert isinstance(method, Mend)
    selections = copy.deepcopy(method.selections)
    if selected:
        selections.write(*method.divide(task.score(task.averages[0])), epoch=1)

    def run(steps: int) -> None:
        method.selections = selections
        for i in range(steps):
            index = torch.arange(i * batch, (i + 1) * batch) % images.shape[0]
            trainer.train_step(Step.of(index), images.gather(index), trainer.progress(i, steps))

    return run


def images_per_second(run: Callable[[int], None], steps: int, batch: int) -> float:
    start = time.perf_counter()
    run(steps)
    return steps * batch / (time.perf_counter() - start)


def here() -> dict[str, str | int | None]:
    """The machine, and what ``ONEDNN_MAX_CPU_ISA`` holds it to."""
    return {"limited_to": os.environ.get(ISA_LIMIT), **machine()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 256, 256])
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0, help="loader processes of the plain loop")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()

    count = args.batch * args.steps
    pixels, labels = random_images(count)
    trainer = make_trainer(pixels, labels, args.widths, args.batch)
    description, arithmetic = trainer.setup.description, trainer.setup.arithmetic
    runs = {
        "plain": plain_loop(PerImage(pixels, labels), description, args.batch, args.workers),
        "bare": bare_loop(
            trainer, build_network(description, torch.Generator().manual_seed(0)), arithmetic, args.batch
        ),
        "labelmend, warm-up": own_loop(trainer, MemoryImages(torch.from_numpy(pixels)), args.batch, False),
        "labelmend, after it": own_loop(trainer, MemoryImages(torch.from_numpy(pixels)), args.batch, True),
    }
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    with kept_memory():
        for turn in range(args.rounds + 1):
            for name, run in runs.items():
                speed = images_per_second(run, args.steps if turn else 1, args.batch)
                if turn:
                    speeds[name].append(speed)
    median = {name: float(np.median(values)) for name, values in speeds.items()}
    own = [name for name in runs if name.startswith("labelmend")]
    result = {
        "settings": {k: v for k, v in vars(args).items() if k != "out"},
        "precision": arithmetic.precision,
        "memory_format": arithmetic.memory_format,
        "images_per_second": median,
        "all_rounds": speeds,
        "times_plain": {name: median[name] / median["plain"] for name in own},
        "share_of_bare": {name: median[name] / median["bare"] for name in own},
        **here(),
    }
    print(json.dumps(result, indent=2))
    if args.out is not None:
        args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
