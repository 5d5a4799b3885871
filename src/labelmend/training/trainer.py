"""THE training loop: every method, with any number of networks and stages, is trained here."""

from __future__ import annotations

import itertools
import math
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labelmend.config import Settings, moved
from labelmend.data.image_set import ImageSet
from labelmend.data.loader import fetch
from labelmend.errors import DivergedError, LabelmendWarning, RunError
from labelmend.methods import METHODS
from labelmend.methods.base import Scores, Task
from labelmend.methods.plan import Progress, Step
from labelmend.models.classifier import Classifier
from labelmend.models.ensemble import Ensemble
from labelmend.models.frozen import FOLDS, use_heads
from labelmend.models.unfrozen import WarmStart
from labelmend.tensors import all_finite
from labelmend.training import state
from labelmend.training.batch import TrainingBatch
from labelmend.training.budget import Spent, share_spent
from labelmend.training.course import SLACK, within
from labelmend.training.ema import WeightAverage
from labelmend.training.epoch import Epoch
from labelmend.training.estimate import seconds_left
from labelmend.training.flops import FlopMeter
from labelmend.training.listener import Listener, Silent
from labelmend.training.machine import machine
from labelmend.training.memory import kept_memory
from labelmend.training.metrics import caveats, evaluators, summarise, test_accuracies
from labelmend.training.scoring import Probabilities, score_images
from labelmend.training.seeds import Purpose, layer_seed, own_draws, stream
from labelmend.training.setup import describe, hold_out, set_up
from labelmend.training.stages import Stages
from labelmend.training.stopping import Stopping
from labelmend.training.validation import Validation
from labelmend.verdicts.evidence import confirm
from labelmend.verdicts.record import SampleRecord

# Steps between two looks at the losses: each look waits for the device.
LOOK_EVERY = 50

# Steps whose time tells that of others: the first is often slow, and one alone could end a budget in minutes.
ENOUGH_STEPS = 10

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


class Trainer:
    """One run: networks, method, stages and everything else that a checkpoint holds.

    Args:
        settings: of the run.
        train_set: images with given labels.
        test_set: images whose labels are true, or None; scored, never learned or chosen from.
        folder: where checkpoints and metrics go, or None to keep nothing.
        listener: told of the progress.
        resume: go on from the checkpoint in ``folder``.
        start: the network to train further; None draws the networks.
    """

    def __init__(
        self,
        settings: Settings,
        train_set: ImageSet,
        test_set: ImageSet | None = None,
        folder: Path | None = None,
        listener: Listener | None = None,
        resume: bool = False,
        start: WarmStart | None = None,
    ) -> None:
        self.settings, self.train_set, self.test_set, self.folder = settings, train_set, test_set, folder
        self.listener = listener or Silent()
        saved = state.read(folder) if resume else None
        training, seed = settings.training, settings.seed

        self.meter = FlopMeter()
        self.generator = stream(seed, Purpose.BATCHES)
        method = METHODS[settings.method.name]
        chosen = None if saved is None else state.arithmetic_of(saved, folder)
        mirroring = None if saved is None else state.mirroring_of(saved, folder)
        self.setup = set_up(settings, train_set, method, self.generator, chosen, mirroring, start)
        self.averages = [WeightAverage(network, training.ema_decay) for network in self.setup.networks]
        self.held_out = hold_out(
            len(train_set), training.validation, stream(seed, Purpose.HELD_OUT), self.setup.together
        )
        self.task = self._task(stream(seed, Purpose.METHOD))
        self.method = method(settings.method, self.task).to(self.setup.arithmetic.device)
        self.stages = Stages(self.method, self.setup, self.averages, training, self.generator)
        kept_back = train_set.subset(self.held_out.nonzero()[:, 0].numpy()) if self.held_out.any() else None
        self.validation = Validation(kept_back, self.setup.normalisation, self.setup.arithmetic)
        self.evaluators = evaluators(train_set, test_set, self.setup, training.test_every)

        # Features that the finished model gives, which are kept only while it is judged.
        self.judging = False
        self.judged_by: Tensor | None = None
        self.spent = Spent()
        self.epoch = self.stage_epoch = 0
        self.rows: list[dict[str, Any]] = []
        self.under_way: Epoch | None = None
        if saved is None:
            self.enter(0)
        else:
            state.restore(self, saved)

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
            learnable=~self.held_out,
            meter=self.meter,
            fold_of=self.setup.fold_of,
            together=self.setup.together,
        )

    def enter(self, stage: int, again: bool = False) -> None:
        """Begin a stage, or take it up ``again``; count the operations of what is trained in it."""
        self.stages.enter(stage, again)
        self.stage_epoch = 0
        if not again:
            self.validation.forget()
        self.meter.close()
        for network in {id(n): n for a in self.averages for n in (a.network, a.average)}.values():
            self.meter.watch(network, self.setup.sample.shape[1:])

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
            return setup.augmentation(images, self.generator, False)

        drawn = [
            score_images(
                network,
                self.train_set.images,
                weak_view if views else setup.normalisation,
                setup.arithmetic,
                probabilities or self.method.probabilities,
                fold_of=setup.fold_of,
            )
            for _ in range(max(views, 1))
        ]
        if self.judging and self._is_final(network):
            self.judged_by = drawn[-1].features
        if len(drawn) == 1:
            return drawn[0]
        return Scores(torch.stack([each.probabilities for each in drawn]).mean(0), drawn[-1].features)

    def _is_final(self, network: Classifier | Ensemble) -> bool:
        """Whether a network is the model that would be final now; methods also score single members of it."""
        members = list(network.networks) if isinstance(network, Ensemble) else [network]
        final = self.method.final_networks()
        return len(members) == len(final) and all(a is b for a, b in zip(members, final, strict=True))

    @property
    def share(self) -> float:
        """Share of the budget that is spent."""
        return share_spent(self.settings.budget, self.spent)

    def progress(self, step: int = 0, steps: int = 0) -> Progress:
        """How far the run is."""
        share, stage = self.share, self.stages.number
        spent = within(share, self.stages.span)
        return Progress(self.epoch, share, stage, self.stage_epoch, spent, step, steps)

    def seconds_left(self) -> float:
        """About how long the rest of the run will take on this machine; see ``training.estimate``."""
        return seconds_left(
            self.settings.budget,
            self.share,
            images=len(self.train_set),
            networks=len(self.setup.networks),
            speed=self.setup.speed,
            flops_per_image=self.meter.training_pass,
        )

    def run(self) -> Trained:
        """Train until the budget is spent, then judge every sample."""
        self.train()
        return self.finish()

    def train(self) -> None:
        """Train until the budget is spent."""
        self.listener.on_start(
            self.description | {"estimated_seconds": self.seconds_left(), "share": self.share}
        )
        # A run that was stopped in its last step has yet to end that epoch.
        while self.share < 1 or self.under_way is not None:
            row = self.run_epoch()
            self.rows.append(row)
            if self.folder is not None:
                state.keep(self, row, self.folder)
            self.listener.on_epoch(row)

    def run_epoch(self) -> dict[str, Any]:
        """Train one epoch, or as much of it as the budget allows; returns its metrics.

        A run that was stopped in the middle of an epoch goes on there.
        """
        started, seconds_before = time.perf_counter(), self.spent.seconds
        if self.under_way is None:
            self.under_way = self._begin_epoch()
        epoch = self.under_way
        self.stages.train_mode()
        while epoch.left:
            # Where a signal is obeyed without an error, as by a handler that sets a flag, the epoch goes on.
            with Stopping() as stopping:
                self._take_steps(epoch, stopping, started, seconds_before)
        self._use_heads(None)
        self._check(epoch.losses)
        if len(epoch.losses) == len(epoch.steps):
            self.spent.epochs = epoch.epochs_before + 1
        self.method.end_epoch(self.progress())
        validated = self.validation.look(self.method, self.method.may_be_best(self.progress()))
        self._count(started, seconds_before)
        # Only now: what the end of an epoch costs may be the rest of its stage.
        if self.share >= self.stages.span[1] - SLACK:
            if self.validation.restore_best(self.method):
                for average in self.averages:
                    average.adopt()
            self.method.end_stage(self.progress())
            self._count(started, seconds_before)
        row = self._row(epoch) | validated | self._evaluate()
        self.under_way = None
        return {
            **row,
            "flops": self.spent.flops,
            "preparation_seconds": epoch.preparation,
            "seconds": self.spent.seconds,
        }

    def _count(self, started: float, seconds_before: float) -> None:
        """Add operations and time since the start of the epoch to what is spent."""
        self.spent.flops += self._counted()
        self.spent.seconds = seconds_before + time.perf_counter() - started

    def _begin_epoch(self) -> Epoch:
        """Let the method prepare an epoch, the first of a stage where one begins."""
        started, seconds_before = time.perf_counter(), self.spent.seconds
        # Never back: what is reserved of a budget in minutes is an estimate, and may fall.
        wanted = max(self.stages.course.stage_at(self.share), self.stages.number)
        if wanted != self.stages.number:
            self.enter(wanted)
        self.epoch, self.stage_epoch = self.epoch + 1, self.stage_epoch + 1
        # A method may step optimisers of its own before the first step of the epoch.
        self.stages.set_rates(self.share)
        steps = self._trainable_steps(self.method.start_epoch(self.progress()))
        if not steps:
            raise RunError(
                f"method {self.settings.method.name!r} has no step to take in epoch {self.epoch}: no image "
                "is left to train on"
            )
        self.spent.flops += self._counted()
        preparation = time.perf_counter() - started
        self.spent.seconds = seconds_before + preparation
        self.stages.forget_momentum()
        return Epoch(steps, self.spent.epochs, preparation)

    def _take_steps(self, epoch: Epoch, stopping: Stopping, started: float, seconds_before: float) -> None:
        """Take the steps that are left of an epoch; save the state between two where the run is to stop."""
        trained_on, taken, first = 0, len(epoch.losses), time.perf_counter()
        left, count, stage_end = epoch.left, len(epoch.steps), self.stages.span[1]
        pixels_of = fetch(self.train_set.images, [step.index for step, _ in left])
        for (step, head), (_, pixels) in zip(left, pixels_of, strict=True):
            self._use_heads(head)
            epoch.losses.append(self.train_step(step, pixels, self.progress(len(epoch.losses), count)))
            epoch.rate = self.stages.rate
            if len(epoch.losses) % LOOK_EVERY == 0:
                self._check(epoch.losses[-LOOK_EVERY:])
            self._count(started, seconds_before)
            self.spent.epochs += 1 / count
            trained_on += len(step.index)
            if len(epoch.losses) - taken >= ENOUGH_STEPS or len(epoch.losses) == count:
                per_image = (time.perf_counter() - first) / trained_on
                self.spent.reserved = max(epoch.preparation, self._judging_seconds(per_image))
            epoch.ended = self.share >= stage_end - SLACK
            self.listener.on_step(self.share)
            if stopping.asked:
                self._check(epoch.losses)
                if self.folder is not None:
                    state.save(self, self.folder)
                return
            if epoch.ended:
                return

    def _judging_seconds(self, per_image: float) -> float:
        """About how long a pass over all images takes, from the seconds that training takes for each."""
        return len(self.train_set) * per_image * FORWARD_SHARE

    def _use_heads(self, head: int | None) -> None:
        if self.setup.fold_of is None:
            return
        for average in self.averages:
            use_heads(average.network, head)
            use_heads(average.average, head)

    def _trainable_steps(self, steps: Sequence[Step]) -> list[tuple[Step, int | None]]:
        """Steps without the images that they must not learn from, and the head that each trains, if any.

        Heads take turns among the steps of a role. Steps of a single image are left out (batch norm needs
        two); where a head may not learn all but one, it is the turn of the next.
        """
        fold_of, learnable = self.setup.fold_of, ~self.held_out
        masks = [learnable] if fold_of is None else [learnable & (fold_of != head) for head in range(FOLDS)]
        of_role = Counter(step.role for step in steps)
        turns = {role: itertools.count(self.epoch * number) for role, number in of_role.items()}
        found: list[tuple[Step, int | None]] = []
        for step in steps:
            turn = next(turns[step.role])
            for head in ((turn + more) % len(masks) for more in range(len(masks))):
                kept = step.keep(masks[head])
                if len(kept.index) > 1:
                    found.append((kept, None if fold_of is None else head))
                    break
        return found

    def _check(self, losses: list[Tensor]) -> None:
        """Stop where training has diverged."""
        for value in torch.stack(losses).tolist() if losses else []:
            if not math.isfinite(value):
                raise self._diverged(f"the loss is {value} in epoch {self.epoch}")

    def _diverged(self, what: str) -> DivergedError:
        """Names the rate, and what else of the losses was set otherwise than by default."""
        settings = self.settings
        suspects = [
            flag for flag in moved(settings.method, settings.training) if not flag.startswith("--lr ")
        ]
        told = f", or take back what was set: {', '.join(suspects)}" if suspects else ""
        return DivergedError(f"{what}: training diverged; lower --lr (it is {self.setup.lr:g}){told}")

    def train_step(self, step: Step, pixels: Tensor, progress: Progress) -> Tensor:
        """The updates of one step; returns the sum of their losses."""
        setup = self.setup
        self.stages.set_rates(progress.share)
        self.method.before_step(progress)
        pixels = pixels.to(setup.arithmetic.device)
        batch = TrainingBatch(step, pixels, setup.augmentation, setup.arithmetic, self.generator)
        updates, losses = self.method.updates(batch, progress), list[Tensor]()
        trained: set[int] = set()
        draws = layer_seed(self.settings.seed, self.epoch, progress.step)
        while True:
            with setup.arithmetic.autocast(), own_draws(draws + len(losses), setup.arithmetic.device):
                update = next(updates, None)
            if update is None:
                break
            self.stages.step(update.loss, update.optimizers)
            losses.append(update.loss.detach())
            trained.update(i for i, average in enumerate(self.averages) if average.has_gradient)
        # Those of networks that rest, as one of DivideMix does, would otherwise run into the weights.
        for i in sorted(trained):
            self.averages[i].update()
        return torch.stack(losses).sum()

    def _counted(self) -> float:
        counted, self.meter.total = self.meter.total, 0.0
        return counted

    def _row(self, epoch: Epoch) -> dict[str, Any]:
        """The metrics of an epoch that has ended."""
        values = torch.stack(epoch.losses).tolist()
        row: dict[str, Any] = {
            "epoch": self.epoch,
            "share": self.share,
            "loss": math.fsum(values) / len(values),
            "lr": epoch.rate,
            **self.method.metrics(),
        }
        if len(self.stages.course.stages) > 1:
            row["stage"] = self.stages.number
        return row

    def _evaluate(self) -> dict[str, float]:
        """What the evaluators find; measurement, which the budget does not pay for."""
        found: dict[str, float] = {}
        with self.meter.paused():
            for evaluator in self.evaluators:
                found |= dict(evaluator(self.method, self.epoch, self.share >= 1))
        return found

    @property
    def description(self) -> dict[str, Any]:
        """The run as it is set up, as JSON-able values."""
        return describe(self.setup, self.train_set, len(self.method.final_networks()))

    def _judged(self) -> SampleRecord:
        """What the method says of every sample, called easy only where the evidence agrees."""
        self.judging = True
        record = self.method.record()
        if self.judged_by is None:
            self.score(self.method.final_model())
        assert self.judged_by is not None
        device = self.setup.arithmetic.device
        features, given = self.judged_by.to(device), self.task.given_labels.to(device)
        self.judging, self.judged_by = False, None
        with self.meter.counting():
            return confirm(record, features, given, self.task.trusted, self.task.together)

    def finish(self) -> Trained:
        """The final model, and what it says of every sample."""
        started = time.perf_counter()
        record = self._judged()
        self.spent.flops += self._counted()
        self.spent.seconds += time.perf_counter() - started
        scored = {} if self.test_set is None else {"test_images": len(self.test_set)}
        summary = {
            **summarise(record, self.train_set),
            **scored,
            **test_accuracies(self.rows),
            **self._reached,
            **self.effort,
        }
        for caveat in caveats(summary):
            warnings.warn(caveat, LabelmendWarning, stacklevel=2)
        return Trained(self.final_model(), self.description, record, self.rows, summary)

    @property
    def _reached(self) -> dict[str, Any]:
        """What was trained, and how much of the method the budget was enough for, as JSON-able values."""
        begun = {row.get("stage", 0) for row in self.rows}
        return {
            "learns_features": self.task.fold_of is None,
            "stages": len(self.stages.course.stages),
            "stages_begun": len(begun),
            "has_selected": self.method.has_selected,
        }

    def final_model(self) -> Classifier | Ensemble:
        """The finished model, in evaluation mode; nothing is counted any more.

        Raises:
            DivergedError: If a weight is no finite number.
        """
        self.meter.close()
        model = self.method.final_model()
        if not all_finite(model.state_dict()):
            raise self._diverged("the weights are no finite numbers")
        return model.eval()

    @property
    def effort(self) -> dict[str, Any]:
        """What the run took so far, and how it computed, as JSON-able values."""
        arithmetic = self.setup.arithmetic
        return {
            "epochs": self.spent.epochs,
            "flops": self.spent.flops,
            "seconds": self.spent.seconds,
            "mirroring": str(self.setup.mirroring),
            **machine(),
            "precision": arithmetic.precision,
            "memory_format": arithmetic.memory_format,
            "device": str(arithmetic.device),
        }


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
        RunError: If there is no checkpoint to resume from, or it is damaged; if the method has no step.
        DivergedError: If a loss or weight is no finite number.
        WriteError: If the folder cannot be written.

    Warns:
        LabelmendWarning: That the budget was too short for a part of the method.
    """
    with kept_memory():
        return Trainer(settings, train_set, test_set, folder, listener, resume).run()
