"""The whole state of a run in its folder: saved after each epoch, taken up again on resuming."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from labelmend.errors import DivergedError, LabelmendWarning, RunError
from labelmend.files import append_line, write_text
from labelmend.methods.base import Method, Task
from labelmend.tensors import all_finite, load_tensors, pack, save_tensors, unpack
from labelmend.training.budget import Spent
from labelmend.training.ema import WeightAverage
from labelmend.training.epoch import Epoch
from labelmend.training.mirroring import Mirroring
from labelmend.training.optimizers import load_optimizer_tensors, optimizer_tensors
from labelmend.training.setup import Setup
from labelmend.training.stages import Stages
from labelmend.training.validation import Validation

CHECKPOINT, PREVIOUS = "checkpoint.safetensors", "checkpoint.previous.safetensors"
METRICS = "metrics.jsonl"


class Resumable(Protocol):
    """What of a trainer is saved and restored."""

    folder: Path | None
    setup: Setup
    task: Task
    method: Method
    stages: Stages
    averages: list[WeightAverage]
    validation: Validation
    generator: torch.Generator
    spent: Spent
    epoch: int
    stage_epoch: int
    rows: list[dict[str, Any]]
    under_way: Epoch | None

    def enter(self, stage: int, again: bool = False) -> None:
        """Begin a stage, or take it up again."""
        ...


State = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors by name, and JSON-able values."""


def capture(trainer: Resumable) -> State:
    """Everything that a run needs to go on from between two steps."""
    tensors = {
        **pack(trainer.method.state_dict(), "method"),
        **pack(trainer.validation.tensors(), "validation"),
        "generator": trainer.generator.get_state(),
        "method_generator": trainer.task.generator.get_state(),
    }
    for name, optimizer in trainer.task.optimizers.items():
        tensors |= pack(optimizer_tensors(optimizer), f"optimizer.{name}")
    for i, average in enumerate(trainer.averages):
        tensors |= pack(average.network.state_dict(), f"network{i}")
        if average.average is not average.network:
            tensors |= pack(average.average.state_dict(), f"average{i}")
    info = {
        "epoch": trainer.epoch,
        "stage": trainer.stages.number,
        "stage_epoch": trainer.stage_epoch,
        "average_steps": [average.steps for average in trainer.averages],
        "spent": asdict(trainer.spent),
        "precision": trainer.setup.arithmetic.precision,
        "memory_format": trainer.setup.arithmetic.memory_format,
        "mirroring": asdict(trainer.setup.mirroring),
        "rows": trainer.rows,
        "under_way": None,
    }
    if trainer.under_way is not None:
        tensors |= pack(trainer.under_way.tensors(), "under_way")
        info["under_way"] = trainer.under_way.info()
    return tensors, info


def arithmetic_of(state: State, folder: Path | None) -> tuple[str, str]:
    """Precision and memory format of a saved run.

    Raises:
        RunError: If it was written by another version of labelmend.
    """
    try:
        return state[1]["precision"], state[1]["memory_format"]
    except KeyError as error:
        raise _of_another_version(error, folder) from error


def mirroring_of(state: State, folder: Path | None) -> Mirroring:
    """What a saved run decided on mirroring.

    Raises:
        RunError: If it was written by another version of labelmend.
    """
    try:
        return Mirroring(**state[1]["mirroring"])
    except (KeyError, TypeError) as error:
        raise _of_another_version(error, folder) from error


def restore(trainer: Resumable, state: State) -> None:
    """Take up what ``capture`` returned; the file of metrics is written anew.

    Raises:
        RunError: If it was written by another version of labelmend.
        DivergedError: If a weight is no finite number.
    """
    tensors, info = state
    try:
        trainer.enter(info["stage"], again=True)
        for i, average in enumerate(trainer.averages):
            average.network.load_state_dict(unpack(tensors, f"network{i}"))
            if average.average is not average.network:
                average.average.load_state_dict(unpack(tensors, f"average{i}"))
            average.steps = info["average_steps"][i]
        for name, optimizer in trainer.task.optimizers.items():
            load_optimizer_tensors(optimizer, unpack(tensors, f"optimizer.{name}"))
        trainer.method.load_state_dict(unpack(tensors, "method"))
        trainer.validation.load_tensors(unpack(tensors, "validation"))
        trainer.generator.set_state(tensors["generator"])
        trainer.task.generator.set_state(tensors["method_generator"])
        trainer.epoch, trainer.stage_epoch = info["epoch"], info["stage_epoch"]
        trainer.rows, trainer.spent = info["rows"], Spent(**info["spent"])
        if info["under_way"] is not None:
            device = trainer.setup.arithmetic.device
            trainer.under_way = Epoch.restored(unpack(tensors, "under_way"), info["under_way"], device)
    except (KeyError, IndexError, TypeError, RuntimeError) as error:
        raise _of_another_version(error, trainer.folder) from error
    weights = {name: tensor for name, tensor in tensors.items() if name.startswith(("network", "average"))}
    if not all_finite(weights):
        raise DivergedError(
            f"the weights in {trainer.folder} are no finite numbers: training diverged; start anew with "
            "labelmend fit and a lower --lr"
        )
    assert trainer.folder is not None
    write_metrics(trainer.rows, trainer.folder)


def _of_another_version(error: Exception, folder: Path | None) -> RunError:
    why = " ".join(str(error).split())[:100]
    return RunError(
        f"{(folder or Path()) / CHECKPOINT} was written by another version of labelmend ({why}); "
        "start the run anew with labelmend fit"
    )


def save(trainer: Resumable, folder: Path) -> None:
    """Save the state, beside the one before it.

    Raises:
        WriteError: If the system refuses; the state before stays.
    """
    save_tensors(folder / CHECKPOINT, *capture(trainer), previous=folder / PREVIOUS)


def keep(trainer: Resumable, row: dict[str, Any], folder: Path) -> None:
    """Save the state after an epoch, and add its row to the file of metrics.

    Raises:
        WriteError: If the system refuses; the state before stays.
    """
    # The state first: it holds all rows, and a resumed run writes the file of metrics anew.
    save(trainer, folder)
    append_line(folder / METRICS, json.dumps(row))


def write_metrics(rows: list[dict[str, Any]], folder: Path) -> None:
    """Write the file of metrics: one JSON object an epoch."""
    write_text(folder / METRICS, "".join(json.dumps(row) + "\n" for row in rows))


def exists(folder: Path) -> bool:
    """Whether a folder holds the state of an unfinished run."""
    return any((folder / name).is_file() for name in (CHECKPOINT, PREVIOUS))


def remove(folder: Path) -> None:
    """Remove the state of a run."""
    for name in (CHECKPOINT, PREVIOUS):
        (folder / name).unlink(missing_ok=True)


def read(folder: Path | None) -> State:
    """The saved state of an unfinished run, or the one before it where the last is damaged.

    A damaged last one is removed, so that it never takes the place of the one before.

    Raises:
        RunError: If there is no folder or no state, or all there is of it is damaged.

    Warns:
        LabelmendWarning: If the last state is damaged.
    """
    if folder is None:
        raise RunError("a run can only be resumed from its folder")
    last, previous = folder / CHECKPOINT, folder / PREVIOUS
    if not last.is_file() and previous.is_file():
        return load_tensors(previous)
    try:
        return load_tensors(last)
    except RunError as error:
        try:
            state = load_tensors(previous)
        except RunError:
            raise RunError(
                f"{error}, and there is no whole one before it; remove what is left of them, and labelmend "
                f"resume {folder} starts from the beginning"
            ) from error
        warnings.warn(f"{error}; going on from the one before it", LabelmendWarning, stacklevel=2)
        last.unlink()
        return state
