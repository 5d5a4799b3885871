"""Images a second of DivideMix's semi-supervised step, beside a plain loop of its pseudocode, in one run.

PreAct-ResNet-18, 64 labelled and 64 unlabelled images of 32 px a step. The plain loop is what one writes
from the pseudocode of the paper: two views of each image by torchvision's transforms, one image at a time;
float32, contiguous; six passes for the guesses and one over all mixed images. The other is a step of the
training loop with the recipe ``dividemix-paper``, in the precision and layout that its probe chooses. They
take turns, on one thread; seconds are those of the processor, as the machine may have other work to do.

    python benchmarks/dividemix_speed.py --out benchmarks/results/dividemix_speed/PROCESSOR.json
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
from torch import Tensor
from torch.nn import functional
from torchvision import transforms

from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.methods.dividemix import FIRST, DivideMix
from labelmend.methods.plan import Progress, Step
from labelmend.models.registry import NetworkDescription, build_network
from labelmend.settings.loading import resolve
from labelmend.training.machine import machine
from labelmend.training.memory import kept_memory
from labelmend.training.trainer import Trainer

HALF, CLASSES, TEMPERATURE, ALPHA, LAMBDA_U = 64, 10, 0.5, 4.0, 25.0

Run = Callable[[], None]


def random_images() -> tuple[np.ndarray, np.ndarray]:
    """Pixels (128, 32, 32, 3) and labels, all random."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (2 * HALF, 32, 32, 3), dtype=np.uint8), rng.integers(0, CLASSES, 2 * HALF)


def plain_step(description: NetworkDescription, pixels: np.ndarray, labels: np.ndarray) -> Run:
    """A step of the first network as the pseudocode has it."""
    net, other = (build_network(description, torch.Generator().manual_seed(i)) for i in (0, 1))
    net.train()
    other.eval()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
    augment = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        ]
    )
    onehot = functional.one_hot(torch.from_numpy(labels[:HALF]), CLASSES).float()
    clean = torch.full((HALF, 1), 0.8)

    def view(images: np.ndarray) -> Tensor:
        return torch.stack([augment(Image.fromarray(image)) for image in images])

    def sharp(p: Tensor) -> Tensor:
        powers = p ** (1 / TEMPERATURE)
        return powers / powers.sum(1, keepdim=True)

    def run() -> None:
        x, x2 = view(pixels[:HALF]), view(pixels[:HALF])
        u, u2 = view(pixels[HALF:]), view(pixels[HALF:])
        with torch.no_grad():
            guess = (net(u).softmax(1) + net(u2).softmax(1) + other(u).softmax(1) + other(u2).softmax(1)) / 4
            own = (net(x).softmax(1) + net(x2).softmax(1)) / 2
            of_u, of_x = sharp(guess), sharp(clean * onehot + (1 - clean) * own)
        lam = np.random.default_rng(0).beta(ALPHA, ALPHA)
        lam = max(lam, 1 - lam)
        inputs, targets = torch.cat([x, x2, u, u2]), torch.cat([of_x, of_x, of_u, of_u])
        index = torch.randperm(len(inputs))
        logits = net(lam * inputs + (1 - lam) * inputs[index])
        mixed = lam * targets + (1 - lam) * targets[index]
        fit = -(mixed[: 2 * HALF] * logits[: 2 * HALF].log_softmax(1)).sum(1).mean()
        square = (logits[2 * HALF :].softmax(1) - mixed[2 * HALF :]).square().mean()
        mean = logits.softmax(1).mean(0)
        penalty = (torch.log(1 / CLASSES / mean) / CLASSES).sum()
        loss = fit + LAMBDA_U * square + penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return run


def own_trainer(pixels: np.ndarray, labels: np.ndarray) -> Trainer:
    """The training loop of the published recipe, with half of the images labelled for the first network."""
    names = [str(i) for i in range(CLASSES)]
    ids = [str(i) for i in range(len(labels))]
    images = MemoryImages(torch.from_numpy(pixels))
    trainer = Trainer(resolve("dividemix-paper"), ImageSet(images, labels, names, ids, [""] * len(ids)))
    assert isinstance(trainer.method, DivideMix)
    trainer.method.clean[1] = torch.where(torch.arange(len(labels)) < HALF, 0.8, 0.1)
    trainer.stages.train_mode()
    return trainer


def own_step(trainer: Trainer, pixels: np.ndarray) -> Run:
    """A step of the training loop, in which the first network learns."""
    labelled, rest = torch.arange(HALF), torch.arange(HALF, 2 * HALF)
    step = Step({"labelled": labelled, "unlabelled": rest}, FIRST)
    tensor = torch.from_numpy(pixels)

    def run() -> None:
        trainer.train_step(step, tensor, Progress(30, 0.5))

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()

    torch.set_num_threads(1)
    pixels, labels = random_images()
    trainer = own_trainer(pixels, labels)
    runs = {
        "plain": plain_step(trainer.setup.description, pixels, labels),
        "labelmend": own_step(trainer, pixels),
    }
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    with kept_memory():
        for turn in range(args.rounds + 1):
            for name, run in runs.items():
                started = time.process_time()
                run()
                speed = 2 * HALF / (time.process_time() - started)
                print(f"{name}: {speed:.1f} images a second", flush=True)
                # The first turn warms up.
                if turn:
                    speeds[name].append(speed)
    median = {name: float(np.median(values)) for name, values in speeds.items()}
    ratios = [own / plain for own, plain in zip(speeds["labelmend"], speeds["plain"], strict=True)]
    result = {
        "rounds": args.rounds,
        "threads": 1,
        "images_a_step": [HALF, HALF],
        "precision": trainer.setup.arithmetic.precision,
        "memory_format": trainer.setup.arithmetic.memory_format,
        "images_per_second": median,
        "all_rounds": speeds,
        "times_plain": float(np.median(ratios)),
        **machine(),
    }
    print(json.dumps(result, indent=2))
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
