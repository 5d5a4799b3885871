"""THE training loop: every method, with one network or two, is trained here."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from sklearn.metrics import average_precision_score
from torch import Tensor

from labelmend.config import AugmentationSettings, Settings, TrainingSettings
from labelmend.data.image_set import Images, ImageSet, Subset
from labelmend.errors import DataError, RunError
from labelmend.methods import METHODS
from labelmend.methods.base import Progress, Scores, Task
from labelmend.models.classifier import Classifier
from labelmend.models.registry import build_network, describe_network
from labelmend.run_folder import CHECKPOINT, METRICS
from labelmend.selection.clean import looks_clean
from labelmend.selection.noise_rate import estimate_noise_rate
from labelmend.training.arithmetic import Arithmetic, find_device
from labelmend.training.budget import Spent, share_spent
from labelmend.training.checkpoint import (
    load_optimizer_tensors,
    load_tensors,
    optimizer_tensors,
    pack,
    save_tensors,
    unpack,
)
from labelmend.training.ema import WeightAverage
from labelmend.training.flops import FlopMeter
from labelmend.training.listener import Listener, Silent
from labelmend.training.machine import machine
from labelmend.training.memory import kept_memory
from labelmend.training.probe import probe
from labelmend.training.quality import selection_quality
from labelmend.training.schedule import lr_factor
from labelmend.training.scoring import accuracy, area_factor, score_images
from labelmend.training.views import Augmentation, Normalisation
from labelmend.verdicts.table import VERDICTS, SampleVerdicts

# Enough images for channel statistics and whitening; more change nothing that is visible.
STATISTICS_IMAGES = 2000

AUTO_BATCH = (32, 250)
LR_OF_125 = 0.2


@dataclass(frozen=True)
class Trained:
    """The result of a run.

    Attributes:
        network: the final model, in evaluation mode.
        description: all that is needed to build and feed it again, as JSON-able values.
        verdicts: of every training sample, in the order of the data.
        rows: one dictionary of metrics per epoch.
        summary: the run in a few JSON-able numbers.
    """

    network: Classifier
    description: dict[str, Any]
    verdicts: SampleVerdicts
    rows: list[dict[str, Any]]
    summary: dict[str, Any]


@dataclass(frozen=True)
class TrainingBatch:
    """The images of one step; see ``methods.base.Batch``."""

    index: Tensor
    pixels: Tensor
    augmentation: Augmentation
    arithmetic: Arithmetic
    generator: torch.Generator

    def view(self, strong: bool = False) -> Tensor:
        """A new random view of every image, normalised, (B, channels, height, width)."""
        view = self.augmentation(self.pixels, self.generator, strong)
        return self.arithmetic.place_images(view)


def resolve_augmentation(
    settings: AugmentationSettings, normalisation: Normalisation, image_size: int, mirror_safe: bool
) -> Augmentation:
    """Fill in the settings that depend on the data."""
    return Augmentation(
        normalisation,
        crop=max(1, image_size // 8) if settings.crop is None else min(settings.crop, image_size - 1),
        flip=mirror_safe if settings.flip is None else settings.flip,
        cutout=round(settings.cutout * image_size),
        jitter=settings.jitter,
    )


def resolve_batch_size(settings: TrainingSettings, count: int, image_size: int) -> int:
    """Images a step: as set, or an 80th of all within ``AUTO_BATCH``; never more than there are.

    Above 64 px the upper bound falls with the area of the images, as memory does.
    """
    low, high = AUTO_BATCH
    high = max(low, int(high * area_factor(image_size)))
    size = min(max(count // 80, low), high) if settings.batch_size is None else settings.batch_size
    return min(size, count)


def resolve_lr(settings: TrainingSettings, batch_size: int) -> float:
    """Peak learning rate: as set, or growing with the root of the batch size."""
    return LR_OF_125 * math.sqrt(batch_size / 125) if settings.lr is None else settings.lr


def make_optimizer(networks: list[Classifier], settings: TrainingSettings, lr: float) -> torch.optim.SGD:
    """Nesterov SGD over all networks; biases and norm parameters are not decayed."""
    parameters = [p for network in networks for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=lr, momentum=settings.momentum, nesterov=settings.momentum > 0)


def _in_memory(images: Images) -> bool:
    while isinstance(images, Subset):
        images = images.images
    return hasattr(images, "pixels")


def _fetch(images: Images, steps: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """The pixels of each step; those that must be decoded are fetched one step ahead."""
    if _in_memory(images):
        for index in steps:
            yield index, images.gather(index)
        return
    with ThreadPoolExecutor(1) as pool:
        ahead = [pool.submit(images.gather, index) for index in steps[:1]]
        for i, index in enumerate(steps):
            pixels = ahead.pop().result()
            if i + 1 < len(steps):
                ahead.append(pool.submit(images.gather, steps[i + 1]))
            yield index, pixels


class Loop:
    """One run: networks, optimiser, method and everything a checkpoint holds.

    Args:
        settings: of the run.
        train_set: images with given labels.
        test_set: images whose labels are true, or None; scored, never learned or chosen from.
        folder: where checkpoints and metrics go, or None to keep nothing.
        listener: told of the progress.
        resume: go on from the checkpoint in ``folder``.
    """

    def __init__(
        self,
        settings: Settings,
        train_set: ImageSet,
        test_set: ImageSet | None,
        folder: Path | None,
        listener: Listener,
        resume: bool,
    ) -> None:
        self.settings, self.train_set, self.test_set = settings, train_set, test_set
        self.folder, self.listener = folder, listener
        saved, info = load_tensors(self._checkpoint_path()) if resume else ({}, {})

        self.generator = torch.Generator().manual_seed(settings.seed)
        count, image_size, _, channels = train_set.images.shape
        if train_set.num_classes < 2:
            raise DataError(f"{train_set.name}: only one class; a classifier needs at least two")
        enough = max(100, int(STATISTICS_IMAGES * area_factor(image_size)))
        some = torch.randperm(count, generator=self.generator)[:enough]
        pixels = train_set.images.gather(some)
        self.normalisation = Normalisation.of(pixels)
        self.network_description = describe_network(
            settings.network, image_size, channels, train_set.num_classes
        )
        method_class = METHODS[settings.method.name]
        self.networks = [
            build_network(self.network_description, self.generator) for _ in range(method_class.num_networks)
        ]
        for network in self.networks:
            network.prepare(self.normalisation(pixels))

        shape = (channels, image_size, image_size)
        device = find_device(settings.training.device)
        precision, memory_format = settings.training.precision, settings.training.memory_format
        if resume:
            precision, memory_format = info["precision"], info["memory_format"]
        self.arithmetic, self.speeds = probe(self.networks[0], shape, device, precision, memory_format)
        self.meter = FlopMeter()
        for network in self.networks:
            self.arithmetic.place_module(network)
        self.averages = [WeightAverage(network, settings.training.ema_decay) for network in self.networks]
        for network in {id(n): n for a in self.averages for n in (a.network, a.average)}.values():
            self.meter.watch(network, shape)
        self.batch_size = resolve_batch_size(settings.training, count, image_size)
        self.lr = resolve_lr(settings.training, self.batch_size)
        self.optimizer = make_optimizer(self.networks, settings.training, self.lr)
        self.augmentation = resolve_augmentation(
            settings.augmentation, self.normalisation, image_size, train_set.mirror_safe
        )
        self.flip_average = settings.training.flip_average and self.augmentation.flip
        self.method_generator = torch.Generator().manual_seed(settings.seed + 1)
        trusted = train_set.trusted
        self.task = Task(
            given_labels=torch.from_numpy(train_set.given_labels),
            trusted=torch.zeros(count, dtype=torch.bool) if trusted is None else torch.from_numpy(trusted),
            num_classes=train_set.num_classes,
            networks=self.networks,
            averages=[a.average for a in self.averages],
            score=self.score,
            batch_size=self.batch_size,
            label_smoothing=settings.training.label_smoothing,
            generator=self.method_generator,
            device=device,
        )
        self.method = method_class(settings.method, self.task)
        self.spent = Spent()
        self.epoch = self.step = 0
        self.rows: list[dict[str, Any]] = []
        if resume:
            self._restore(saved, info)

    def score(self, network: Classifier) -> Scores:
        """Scores of a network on the training images; see ``methods.base.Task``.

        Without mirror images: they would double the cost, and a run that selects often would feel it.
        """
        return score_images(
            network, self.train_set.images, self.normalisation, self.arithmetic, flip_average=False
        )

    @property
    def share(self) -> float:
        """Share of the budget that is spent."""
        return share_spent(self.settings.budget, self.spent)

    def run(self) -> Trained:
        """Train until the budget is spent, then judge every sample."""
        self.listener.on_start(self.describe())
        while self.share < 1:
            row = self.run_epoch()
            self.rows.append(row)
            self._keep(row)
            self.listener.on_epoch(row)
        return self.finish()

    def run_epoch(self) -> dict[str, Any]:
        """Train one epoch, or as much of it as the budget allows; returns its metrics."""
        started, self.epoch = time.perf_counter(), self.epoch + 1
        seconds_before, losses = self.spent.seconds, []
        with self.meter.counting():
            steps = self.method.start_epoch(Progress(self.epoch, self.share))
        flops_before = self.spent.flops
        self.spent.flops = flops_before + self._counted()
        preparation = time.perf_counter() - started
        for network in self.networks:
            network.train()
        for index, pixels in _fetch(self.train_set.images, steps):
            losses.append(self.train_step(index, pixels))
            self.spent.flops += self._counted()
            self.spent.epochs += 1 / len(steps)
            self.spent.seconds = seconds_before + time.perf_counter() - started
            self.listener.on_step(self.share)
            if self.share >= 1:
                break
        self.spent.epochs = self.epoch if len(losses) == len(steps) else self.spent.epochs
        row: dict[str, Any] = {
            "epoch": self.epoch,
            "share": self.share,
            "loss": math.fsum(losses) / max(len(losses), 1),
            "lr": self.optimizer.param_groups[0]["lr"],
            **self.method.metrics(),
            **self._scored(),
        }
        self.spent.seconds = seconds_before + time.perf_counter() - started
        return {
            **row,
            "flops": self.spent.flops,
            "preparation_seconds": preparation,
            "seconds": self.spent.seconds,
        }

    def train_step(self, index: Tensor, pixels: Tensor) -> float:
        """One optimiser step; returns its loss."""
        rate = self.lr * lr_factor(
            self.share, self.settings.training.lr_warmup, self.settings.training.lr_schedule
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        pixels = pixels.to(self.arithmetic.device)
        batch = TrainingBatch(index, pixels, self.augmentation, self.arithmetic, self.generator)
        with self.arithmetic.autocast():
            loss = self.method.loss(batch, Progress(self.epoch, self.share))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise RunError(f"the loss is {value} in epoch {self.epoch}: training diverged; lower --lr")
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        for average in self.averages:
            average.update(self.step)
        self.step += 1
        return value

    def _counted(self) -> float:
        counted, self.meter.total = self.meter.total, 0.0
        return counted

    def _scored(self) -> dict[str, float]:
        """Metrics that need true labels; empty where there are none."""
        found: dict[str, float] = {}
        selection = self.method.selection()
        if selection is not None and self.train_set.true_labels is not None:
            found |= selection_quality(selection, self.train_set.given_labels, self.train_set.true_labels)
        due = self.epoch % self.settings.training.test_every == 0 or self.share >= 1
        if self.test_set is not None and due:
            found["test_accuracy"] = self.test_accuracy(self.test_set)
        return found

    def test_accuracy(self, test_set: ImageSet) -> float:
        """Accuracy of the network that would be the final model now, on a labelled set."""
        with self.meter.paused():
            scores = score_images(
                self.averages[0].average,
                test_set.images,
                self.normalisation,
                self.arithmetic,
                self.flip_average,
            )
        return accuracy(scores.probabilities, torch.from_numpy(test_set.given_labels))

    def describe(self) -> dict[str, Any]:
        """The run as it is set up, as JSON-able values."""
        return {
            **self.network_description.to_dict(),
            "classes": self.train_set.class_names,
            "mean": list(self.normalisation.mean),
            "std": list(self.normalisation.std),
            "flip_average": self.flip_average,
            "precision": self.arithmetic.precision,
            "memory_format": self.arithmetic.memory_format,
            "device": str(self.arithmetic.device),
            "probed_images_per_second": self.speeds,
            "parameters": sum(p.numel() for p in self.networks[0].parameters()),
            "networks": len(self.networks),
            "images": len(self.train_set),
            "batch_size": self.batch_size,
            "lr": self.lr,
            **machine(),
        }

    def finish(self) -> Trained:
        """The final model and its verdicts."""
        with self.meter.counting():
            verdicts = self.method.verdicts()
        self.spent.flops += self._counted()
        self.meter.close()
        network = self.averages[0].average
        network.eval()
        summary = {**summarise(verdicts, self.train_set, self.rows), **asdict(self.spent), **machine()}
        summary |= {"precision": self.arithmetic.precision, "memory_format": self.arithmetic.memory_format}
        summary["device"] = str(self.arithmetic.device)
        if self.train_set.true_labels is not None:
            wrong = self.train_set.given_labels != self.train_set.true_labels
            if wrong.any():
                doubt = 1 - verdicts.label_quality
                summary["detection_ap"] = float(average_precision_score(wrong, doubt))
        return Trained(network, self.describe(), verdicts, self.rows, summary)

    def _checkpoint_path(self) -> Path:
        if self.folder is None:
            raise RunError("a run can only be resumed from its folder")
        return self.folder / CHECKPOINT

    def _keep(self, row: dict[str, Any]) -> None:
        if self.folder is None:
            return
        tensors = {
            **pack(optimizer_tensors(self.optimizer), "optimizer"),
            **pack(self.method.state_dict(), "method"),
            "generator": self.generator.get_state(),
            "method_generator": self.method_generator.get_state(),
        }
        for i, average in enumerate(self.averages):
            tensors |= pack(average.network.state_dict(), f"network{i}")
            if average.average is not average.network:
                tensors |= pack(average.average.state_dict(), f"average{i}")
        info = {
            "epoch": self.epoch,
            "step": self.step,
            "spent": asdict(self.spent),
            "precision": self.arithmetic.precision,
            "memory_format": self.arithmetic.memory_format,
            "rows": self.rows,
        }
        # The checkpoint first: it holds all rows, and a resumed run writes the file of metrics anew.
        save_tensors(self._checkpoint_path(), tensors, info)
        with (self.folder / METRICS).open("a") as file:
            file.write(json.dumps(row) + "\n")

    def _restore(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        for i, average in enumerate(self.averages):
            average.network.load_state_dict(unpack(tensors, f"network{i}"))
            if average.average is not average.network:
                average.average.load_state_dict(unpack(tensors, f"average{i}"))
        load_optimizer_tensors(self.optimizer, unpack(tensors, "optimizer"))
        self.method.load_state_dict(unpack(tensors, "method"))
        self.generator.set_state(tensors["generator"])
        self.method_generator.set_state(tensors["method_generator"])
        self.epoch, self.step, self.rows = info["epoch"], info["step"], info["rows"]
        self.spent = Spent(**info["spent"])
        path = self._checkpoint_path().with_name(METRICS)
        path.write_text("".join(json.dumps(row) + "\n" for row in self.rows))


def summarise(verdicts: SampleVerdicts, train_set: ImageSet, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The numbers a run is judged by.

    Test accuracy is given as of the last epoch, as the mean of the last 10 scored epochs, and as the
    best (named so, because the literature prints it; nothing is chosen by it).
    """
    given = torch.from_numpy(train_set.given_labels)
    noise_rate = estimate_noise_rate(torch.from_numpy(verdicts.probabilities), given)
    counts = {name: int((verdicts.verdict == i).sum()) for i, name in enumerate(VERDICTS)}
    summary: dict[str, Any] = {
        "samples": len(train_set),
        "verdicts": counts,
        "estimated_noise_rate": noise_rate,
        "looks_clean": looks_clean(torch.from_numpy(verdicts.probabilities), given),
    }
    tests = [row["test_accuracy"] for row in rows if "test_accuracy" in row]
    if tests:
        last_ten = tests[-10:]
        summary |= {
            "test_accuracy_last": tests[-1],
            "test_accuracy_mean_of_last_10": math.fsum(last_ten) / len(last_ten),
            "test_accuracy_best": max(tests),
        }
    return summary


def train(
    settings: Settings,
    train_set: ImageSet,
    test_set: ImageSet | None = None,
    *,
    folder: Path | None = None,
    listener: Listener | None = None,
    resume: bool = False,
) -> Trained:
    """Train a classifier on noisy labels and judge every label.

    Args:
        settings: of the run.
        train_set: N images with given labels.
        test_set: images whose labels are true, to be scored after each epoch; nothing is chosen by it.
        folder: where the checkpoint and ``metrics.jsonl`` are written each epoch; None keeps nothing.
        listener: told of the progress.
        resume: go on from the checkpoint in ``folder``, with the result of an uninterrupted run.

    Raises:
        SettingsError: If a setting cannot be used on this machine or data.
        RunError: If there is no checkpoint to resume from, or it is damaged.
    """
    with kept_memory():
        return Loop(settings, train_set, test_set, folder, listener or Silent(), resume).run()
