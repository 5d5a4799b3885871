"""The images of one step, as a method sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from labelmend.methods.plan import Step
from labelmend.training.arithmetic import Arithmetic
from labelmend.training.views import Views


@dataclass(frozen=True)
class TrainingBatch:
    """The images of one step; see ``methods.base.Batch``."""

    step: Step
    pixels: Tensor
    augmentation: Views
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
        """A new random view of every image: normalised (B, channels, height, width), or features (B, d)."""
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
