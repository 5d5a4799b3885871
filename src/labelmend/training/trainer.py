"""THE training loop: every method, with any number of networks and stages, is trained here."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from labelmend.config import Settings
from labelmend.data.image_set import ImageSet
from labelmend.data.loader import fetch
from labelmend.errors import RunError
from labelmend.methods import METHODS
from labelmend.methods.base import Scores, Task
from labelmend.methods.plan import Progress, Step
from labelmend.models.classifier import Classifier
from labelmend.models.ensemble import Ensemble
from labelmend.training import state
from labelmend.training.arithmetic import Arithmetic
from labelmend.training.budget import Spent, share_spent
from labelmend.training.course import SLACK, Course, within
from labelmend.training.ema import WeightAverage
from labelmend.training.flops import FlopMeter
from labelmend.training.listener import Listener, Silent
from labelmend.training.machine import machine
from labelmend.training.memory import kept_memory
from labelmend.training.metrics import Evaluator, SelectionQuality, TestAccuracy, summarise
from labelmend.training.optimizers import build_optimizer, set_rates
from labelmend.training.scoring import Probabilities, score_images
from labelmend.training.seeds import Purpose, stream
from labelmend.training.setup import hold_out, set_up
from labelmend.training.validation import Validation
from labelmend.training.views import Augmentation
from labelmend.verdicts.record import SampleRecord

# Steps between two looks at the losses: each look waits for the device.
LOOK_EVERY = 50

# Share of the forward pass in the time of a step.
FORWARD_SHARE = 1 / 3


@dataclass(frozen=True)
class Trained:
    """The result of a run.

    Attributes:
        network: the final model, in evaluation mode.
        description: all that is needed to build and feed it again, as JSON-able values.
        record: of every training sample, in the order of the data.
        rows: one dictionary of metrics per epoch.
        summary: the run in a few JSON-able numbers.
    """

    network: Classifier | Ensemble
    description: dict[str, Any]
    record: SampleRecord
    rows: list[dict[str, Any]]
    summary: dict[str, Any]


@dataclass(frozen=True)
class TrainingBatch:
    """The images of one step; see ``methods.base.Batch``."""

    step: Step
    pixels: Tensor
    augmentation: Augmentation
    arithmetic: Arithmetic
    generator: torch.Generator

    @property
    def index(self) -> Tensor:
        """int64 (B,), positions in the training set."""
        return self.step.index

    @property
    def role(self) -> str:
        """What the step is for."""
        return self.step.role

    def view(self, strong: bool = False) -> Tensor:
        """A new random view of every image, normalised, (B, channels, height, width)."""
        view = self.augmentation(self.pixels, self.generator, strong)
        return self.arithmetic.place_images(view)

    def part(self, name: str) -> TrainingBatch:
        """The images that come from the sampler of this name."""
        start = 0
        for each, index in self.step.parts.items():
            if each == name:
                part = Step({name: index}, self.role)
                return replace(self, step=part, pixels=self.pixels[start : start + len(index)])
            start += len(index)
        raise KeyError(f"the step has no part {name!r}; it has {list(self.step.parts)}")


class Trainer:
    """One run: networks, optimisers, method and everything a checkpoint holds.

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
        test_set: ImageSet | None = None,
        folder: Path | None = None,
        listener: Listener | None = None,
        resume: bool = False,
    ) -> None:
        self.settings, self.train_set, self.folder = settings, train_set, folder
        self.listener = listener or Silent()
        saved = self._saved() if resume else None
        chosen = None if saved is None else (saved[1]["precision"], saved[1]["memory_format"])

        self.generator = stream(settings.seed, Purpose.BATCHES)
        method_class = METHODS[settings.method.name]
        self.setup = set_up(settings, train_set, method_class, self.generator, chosen)
        decay = settings.training.ema_decay
        self.averages = [WeightAverage(network, decay) for network in self.setup.networks]
        self.task = self._task(stream(settings.seed, Purpose.METHOD))
        self.method = method_class(settings.method, self.task).to(self.setup.arithmetic.device)
        self.held_out = hold_out(
            len(train_set), settings.training.validation, stream(settings.seed, Purpose.HELD_OUT)
        )
        self.validation = self._validation()
        self.evaluators = list(self._evaluators(test_set))

        self.meter = FlopMeter()
        self.course = Course(self.method.stages())
        self._trainable = {
            id(p) for network in self.setup.networks for p in network.parameters() if p.requires_grad
        }
        self.spent = Spent()
        self.epoch = self.stage = self.stage_epoch = 0
        self.rows: list[dict[str, Any]] = []
        if saved is None or folder is None:
            self.enter(0)
        else:
            state.restore(self, saved, folder)

    def _saved(self) -> state.State:
        if self.folder is None:
            raise RunError("a run can only be resumed from its folder")
        return state.read(self.folder)

    def _task(self, generator: torch.Generator) -> Task:
        given, trusted = self.train_set.given_labels, self.train_set.trusted
        return Task(
            given_labels=torch.from_numpy(given),
            trusted=torch.zeros(len(given), dtype=torch.bool)
            if trusted is None
            else torch.from_numpy(trusted),
            num_classes=self.train_set.num_classes,
            networks=self.setup.networks,
            averages=[average.average for average in self.averages],
            score=self.score,
            batch_size=self.setup.batch_size,
            label_smoothing=self.settings.training.label_smoothing,
            generator=generator,
            device=self.setup.arithmetic.device,
        )

    def _validation(self) -> Validation:
        chosen = self.held_out.nonzero()[:, 0].numpy()
        held_out = self.train_set.subset(chosen) if len(chosen) else None
        return Validation(held_out, self.setup.normalisation, self.setup.arithmetic)

    def _evaluators(self, test_set: ImageSet | None) -> Iterator[Evaluator]:
        true_labels = self.train_set.true_labels
        if true_labels is not None:
            yield SelectionQuality(self.train_set.given_labels, true_labels)
        if test_set is not None:
            yield TestAccuracy(
                test_set,
                self.setup.normalisation,
                self.setup.arithmetic,
                self.setup.flip_average,
                self.settings.training.test_every,
            )

    def score(
        self,
        network: Classifier | Ensemble,
        views: int = 0,
        probabilities: Probabilities | None = None,
    ) -> Scores:
        """Scores of a network on the training images; see ``methods.base.Scorer``.

        Without mirror images: they would double the cost, and a run that selects often would feel it.
        """
        setup = self.setup

        def weak_view(images: Tensor) -> Tensor:
            return setup.augmentation(images, self.generator, strong=False)

        drawn = [
            score_images(
                network,
                self.train_set.images,
                weak_view if views else setup.normalisation,
                setup.arithmetic,
                probabilities or self.method.probabilities,
            )
            for _ in range(max(views, 1))
        ]
        if len(drawn) == 1:
            return drawn[0]
        return Scores(torch.stack([each.probabilities for each in drawn]).mean(0), drawn[-1].features)

    @property
    def share(self) -> float:
        """Share of the budget that is spent."""
        return share_spent(self.settings.budget, self.spent)

    def progress(self, step: int = 0, steps: int = 0) -> Progress:
        """How far the run is."""
        share, span = self.share, self.course.span(self.stage)
        return Progress(self.epoch, share, self.stage, self.stage_epoch, within(share, span), step, steps)

    def run(self) -> Trained:
        """Train until the budget is spent, then judge every sample."""
        self.listener.on_start(self.describe())
        while self.share < 1:
            row = self.run_epoch()
            self.rows.append(row)
            if self.folder is not None:
                state.keep(self, row, self.folder)
            self.listener.on_epoch(row)
        return self.finish()

    def enter(self, number: int, again: bool = False) -> None:
        """Begin a stage: draw anew what it wants fresh, freeze what it wants frozen, build its optimisers.

        Args:
            number: of the stage.
            again: whether the run was in this stage before, so that nothing is drawn.
        """
        stage = self.course.stages[number]
        if not again:
            for network in self.setup.networks:
                for part in ("",) if stage.fresh else stage.redrawn:
                    self.setup.redraw(network, self.generator, part)
            if stage.fresh or stage.redrawn:
                for average in self.averages:
                    average.restart()
            if stage.fresh:
                self.validation.forget()
        self.stage, self.stage_epoch = number, 0
        self._build_optimizers(number)
        frozen = {id(p) for part in self._frozen_parts() for p in part.parameters()}
        for network in self.setup.networks:
            for parameter in network.parameters():
                parameter.requires_grad_(id(parameter) in self._trainable - frozen)
        self._watch()

    def _build_optimizers(self, number: int) -> None:
        """Those of a stage, after those that earlier stages leave to it."""
        for network in self.setup.networks:
            for parameter in network.parameters():
                parameter.requires_grad_(id(parameter) in self._trainable)
        settings, optimizers = self.settings.training, self.task.optimizers
        if self.course.stages[number].restarts:
            optimizers.clear()
        first = max(i for i in range(number + 1) if i == 0 or self.course.stages[i].restarts)
        for earlier in range(first, number + 1):
            self.plans = self.method.optimizers(earlier)
            for name, plan in self.plans.items():
                if name not in optimizers:
                    optimizers[name] = build_optimizer(plan, settings, self.setup.lr)

    def _frozen_parts(self) -> list[nn.Module]:
        names = self.course.stages[self.stage].frozen
        return [network.get_submodule(name) for network in self.setup.networks for name in names]

    def _watch(self) -> None:
        """Count the operations of every network, as much of it as is trained now."""
        self.meter.close()
        _, side, _, channels = self.train_set.images.shape
        for network in {id(n): n for a in self.averages for n in (a.network, a.average)}.values():
            self.meter.watch(network, (channels, side, side))

    def run_epoch(self) -> dict[str, Any]:
        """Train one epoch, or as much of it as the budget allows; returns its metrics."""
        started = time.perf_counter()
        wanted = self.course.stage_at(self.share)
        if wanted != self.stage:
            self.enter(wanted)
        self.epoch, self.stage_epoch = self.epoch + 1, self.stage_epoch + 1
        seconds_before, epochs_before = self.spent.seconds, self.spent.epochs
        with self.meter.counting():
            steps = self._trainable_steps(self.method.start_epoch(self.progress()))
        self.spent.flops += self._counted()
        preparation = time.perf_counter() - started
        self.spent.seconds = seconds_before + preparation
        for name, plan in self.plans.items():
            if plan.renew_each_epoch:
                self.task.optimizers[name].state.clear()

        losses: list[Tensor] = []
        trained_on = 0
        self._train_mode()
        pixels_of = fetch(self.train_set.images, [step.index for step in steps])
        stage_end = self.course.span(self.stage)[1]
        for number, (step, (_, pixels)) in enumerate(zip(steps, pixels_of, strict=True)):
            losses.append(self.train_step(step, pixels, self.progress(number, len(steps))))
            if (number + 1) % LOOK_EVERY == 0:
                self._check(losses[-LOOK_EVERY:])
            self.spent.flops += self._counted()
            self.spent.epochs += 1 / len(steps)
            self.spent.seconds = seconds_before + time.perf_counter() - started
            trained_on += len(step.index)
            per_image = (time.perf_counter() - started - preparation) / trained_on
            self.spent.reserved = max(preparation, self._judging_seconds(per_image))
            self.listener.on_step(self.share)
            if self.share >= stage_end - SLACK:
                break
        self._check(losses)
        if len(losses) == len(steps):
            self.spent.epochs = epochs_before + 1
        row = self._end_epoch(losses)
        self.spent.seconds = seconds_before + time.perf_counter() - started
        row |= self._evaluate()
        return {
            **row,
            "flops": self.spent.flops,
            "preparation_seconds": preparation,
            "seconds": self.spent.seconds,
        }

    def _judging_seconds(self, per_image: float) -> float:
        """About how long a pass over all images takes, from the seconds that training takes for each."""
        return len(self.train_set) * per_image * FORWARD_SHARE

    def _trainable_steps(self, steps: Sequence[Step]) -> list[Step]:
        """Steps without held-out images, less those of a single image (batch norm needs two)."""
        if not self.held_out.any():
            return list(steps)
        kept = [step.keep(~self.held_out) for step in steps]
        return [step for step in kept if len(step.index) > 1]

    def _train_mode(self) -> None:
        for network in self.setup.networks:
            network.train()
        for part in self._frozen_parts():
            part.eval()

    def _check(self, losses: list[Tensor]) -> None:
        """Stop where training has diverged."""
        for value in torch.stack(losses).tolist() if losses else []:
            if not math.isfinite(value):
                raise RunError(f"the loss is {value} in epoch {self.epoch}: training diverged; lower --lr")

    def train_step(self, step: Step, pixels: Tensor, progress: Progress) -> Tensor:
        """The updates of one step; returns the sum of their losses."""
        arithmetic, optimizers = self.setup.arithmetic, self.task.optimizers
        span = self.course.schedule_span(self.stage)
        set_rates(optimizers, self.plans, self.settings.training, within(progress.share, span))
        self.method.before_step(progress)
        pixels = pixels.to(arithmetic.device)
        batch = TrainingBatch(step, pixels, self.setup.augmentation, arithmetic, self.generator)
        every_step = [name for name, plan in self.plans.items() if plan.every_step]
        updates, losses = self.method.updates(batch, progress), []
        while True:
            with arithmetic.autocast():
                update = next(updates, None)
            if update is None:
                break
            for optimizer in optimizers.values():
                optimizer.zero_grad()
            arithmetic.backward(update.loss)
            for name in every_step if update.optimizers is None else update.optimizers:
                optimizers[name].step()
            losses.append(update.loss.detach())
        for average in self.averages:
            average.update()
        return torch.stack(losses).sum()

    def _counted(self) -> float:
        counted, self.meter.total = self.meter.total, 0.0
        return counted

    def _end_epoch(self, losses: list[Tensor]) -> dict[str, Any]:
        """What the method does at the end of an epoch; returns its metrics."""
        progress = self.progress()
        with self.meter.counting():
            self.method.end_epoch(progress)
            if self.share >= self.course.span(self.stage)[1] - SLACK:
                self.method.end_stage(progress)
            validated = self.validation.look(self.method)
        self.spent.flops += self._counted()
        values = torch.stack(losses).tolist() if losses else []
        row: dict[str, Any] = {
            "epoch": self.epoch,
            "share": self.share,
            "loss": math.fsum(values) / max(len(values), 1),
            "lr": self.task.optimizers[next(iter(self.plans))].param_groups[0]["lr"],
            **self.method.metrics(),
            **validated,
        }
        if len(self.course.stages) > 1:
            row["stage"] = self.stage
        return row

    def _evaluate(self) -> dict[str, float]:
        """What the evaluators find; measurement, which the budget does not pay for."""
        found: dict[str, float] = {}
        with self.meter.paused():
            for evaluator in self.evaluators:
                found |= dict(evaluator(self.method, self.epoch, self.share >= 1))
        return found

    def describe(self) -> dict[str, Any]:
        """The run as it is set up, as JSON-able values."""
        setup = self.setup
        return {
            **setup.description.to_dict(),
            "classes": self.train_set.class_names,
            "mean": list(setup.normalisation.mean),
            "std": list(setup.normalisation.std),
            "flip_average": setup.flip_average,
            "precision": setup.arithmetic.precision,
            "memory_format": setup.arithmetic.memory_format,
            "device": str(setup.arithmetic.device),
            "probed_images_per_second": setup.speeds,
            "parameters": sum(p.numel() for p in setup.networks[0].parameters()),
            "networks": len(setup.networks),
            "members": len(self.method.final_networks()),
            "images": len(self.train_set),
            "batch_size": setup.batch_size,
            "lr": setup.lr,
            **machine(),
        }

    def finish(self) -> Trained:
        """The final model, and what it says of every sample."""
        started = time.perf_counter()
        self.validation.restore_best(self.method)
        with self.meter.counting():
            record = self.method.record()
        self.spent.flops += self._counted()
        self.spent.seconds += time.perf_counter() - started
        self.meter.close()
        model = self.method.final_model()
        model.eval()
        arithmetic = self.setup.arithmetic
        summary = {
            **summarise(record, self.train_set, self.rows),
            "epochs": self.spent.epochs,
            "flops": self.spent.flops,
            "seconds": self.spent.seconds,
            **machine(),
            "precision": arithmetic.precision,
            "memory_format": arithmetic.memory_format,
            "device": str(arithmetic.device),
        }
        return Trained(model, self.describe(), record, self.rows, summary)


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
        return Trainer(settings, train_set, test_set, folder, listener, resume).run()
