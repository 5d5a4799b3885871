"""An epoch under way: what is left of it when a run stops in its middle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from labelmend.methods.plan import Step


@dataclass
class Epoch:
    """The steps of an epoch, and those that are taken.

    Attributes:
        steps: all of them, each with the head that it trains, if any.
        epochs_before: epochs of the run before this one.
        preparation: seconds that the method needed before the first step.
        losses: of the steps taken, scalars.
        rate: learning rate of the last of them.
        ended: whether no further step is to be taken.
    """

    steps: list[tuple[Step, int | None]]
    epochs_before: float
    preparation: float
    losses: list[Tensor] = field(default_factory=list)
    rate: float = 0.0
    ended: bool = False

    @property
    def left(self) -> list[tuple[Step, int | None]]:
        """Steps that are to be taken."""
        return [] if self.ended else self.steps[len(self.losses) :]

    def tensors(self) -> dict[str, Tensor]:
        """What must be saved, by name: the samples of all steps in a row, and the losses."""
        return {
            "samples": torch.cat([step.index for step, _ in self.steps]),
            "losses": torch.stack(self.losses) if self.losses else torch.empty(0),
        }

    def info(self) -> dict[str, Any]:
        """What must be saved, as JSON-able values."""
        return {
            "steps": [
                [step.role, head, [[name, len(index)] for name, index in step.parts.items()]]
                for step, head in self.steps
            ],
            "epochs_before": self.epochs_before,
            "preparation": self.preparation,
            "rate": self.rate,
            "ended": self.ended,
        }

    @classmethod
    def restored(cls, tensors: dict[str, Tensor], info: dict[str, Any], device: torch.device) -> Epoch:
        """From what ``tensors`` and ``info`` returned."""
        steps: list[tuple[Step, int | None]] = []
        place = 0
        for role, head, parts in info["steps"]:
            indices = {}
            for name, length in parts:
                indices[name] = tensors["samples"][place : place + length].clone()
                place += length
            steps.append((Step(indices, role), head))
        losses = list(tensors["losses"].to(device))
        before, preparation = info["epochs_before"], info["preparation"]
        return cls(steps, before, preparation, losses, info["rate"], info["ended"])
