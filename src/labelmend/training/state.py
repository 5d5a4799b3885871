"""The whole state of a run in its folder: saved after each epoch, taken up again on resuming."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from labelmend.errors import RunError
from labelmend.tensors import load_tensors, pack, save_tensors, unpack
from labelmend.training.budget import Spent
from labelmend.training.optimizers import load_optimizer_tensors, optimizer_tensors

if TYPE_CHECKING:
    from labelmend.training.trainer import Trainer

CHECKPOINT, METRICS = "checkpoint.safetensors", "metrics.jsonl"

State = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors by name, and JSON-able values."""


def capture(trainer: Trainer) -> State:
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
        "stage": trainer.stage,
        "stage_epoch": trainer.stage_epoch,
        "average_steps": [average.steps for average in trainer.averages],
        "spent": asdict(trainer.spent),
        "precision": trainer.setup.arithmetic.precision,
        "memory_format": trainer.setup.arithmetic.memory_format,
        "rows": trainer.rows,
    }
    return tensors, info


def restore(trainer: Trainer, state: State, folder: Path) -> None:
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
        raise RunError(
            f"{folder / CHECKPOINT} was written by another version of labelmend "
            f"({' '.join(str(error).split())[:100]}); start the run anew with labelmend fit"
        ) from error
    (folder / METRICS).write_text("".join(json.dumps(row) + "\n" for row in trainer.rows))


def keep(trainer: Trainer, row: dict[str, Any], folder: Path) -> None:
    """Save the state after an epoch, and add its row to the file of metrics."""
    # The checkpoint first: it holds all rows, and a resumed run writes the file of metrics anew.
    save_tensors(folder / CHECKPOINT, *capture(trainer))
    with (folder / METRICS).open("a") as file:
        file.write(json.dumps(row) + "\n")


def read(folder: Path) -> State:
    """The saved state of an unfinished run.

    Raises:
        RunError: If there is none, or it is damaged.
    """
    return load_tensors(folder / CHECKPOINT)
