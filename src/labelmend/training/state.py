"""The whole state of a run in its folder: saved after each epoch, taken up again on resuming."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from labelmend.errors import RunError
from labelmend.methods.base import Method, Task
from labelmend.tensors import load_tensors, pack, save_tensors, unpack
from labelmend.training.budget import Spent
from labelmend.training.ema import WeightAverage
from labelmend.training.mirroring import Mirroring
from labelmend.training.optimizers import load_optimizer_tensors, optimizer_tensors
from labelmend.training.setup import Setup
from labelmend.training.stages import Stages
from labelmend.training.validation import Validation

CHECKPOINT, METRICS = "checkpoint.safetensors", "metrics.jsonl"


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

    def enter(self, stage: int, again: bool = False) -> None:
        """Begin a stage, or take it up again."""
        ...


State = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors by name, and JSON-able values."""


def capture(trainer: Resumable) -> State:
    """Everything that a run needs to go on from the end of an epoch."""
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
    }
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
    except (KeyError, IndexError, TypeError, RuntimeError) as error:
        raise _of_another_version(error, trainer.folder) from error
    assert trainer.folder is not None
    (trainer.folder / METRICS).write_text("".join(json.dumps(row) + "\n" for row in trainer.rows))


def _of_another_version(error: Exception, folder: Path | None) -> RunError:
    why = " ".join(str(error).split())[:100]
    return RunError(
        f"{(folder or Path()) / CHECKPOINT} was written by another version of labelmend ({why}); "
        "start the run anew with labelmend fit"
    )


def keep(trainer: Resumable, row: dict[str, Any], folder: Path) -> None:
    """Save the state after an epoch, and add its row to the file of metrics."""
    # The checkpoint first: it holds all rows, and a resumed run writes the file of metrics anew.
    save_tensors(folder / CHECKPOINT, *capture(trainer))
    with (folder / METRICS).open("a") as file:
        file.write(json.dumps(row) + "\n")


def read(folder: Path | None) -> State:
    """The saved state of an unfinished run.

    Raises:
        RunError: If there is no folder or no state, or it is damaged.
    """
    if folder is None:
        raise RunError("a run can only be resumed from its folder")
    return load_tensors(folder / CHECKPOINT)
