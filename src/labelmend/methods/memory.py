"""What a method remembers of each sample from one selection to the next."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

from labelmend.verdicts.record import SampleRecord


class Selections(nn.Module):
    """The last selection, and what was reported of it; buffers, so that it is saved with the run.

    Args:
        count: N.
        num_classes: C.
        reported: names of the numbers reported of each selection.
        warmup: share of the budget after which selections begin, unless ``begin`` says earlier.
    """

    number: Tensor
    epoch: Tensor
    began: Tensor
    numbers: Tensor

    def __init__(self, count: int, num_classes: int, reported: tuple[str, ...], warmup: float = 1.0) -> None:
        super().__init__()
        self.reported = reported
        for name, tensor in SampleRecord.empty(count, num_classes).tensors().items():
            self.register_buffer(name, tensor)
        self.register_buffer("number", torch.tensor(0))
        self.register_buffer("epoch", torch.tensor(0))
        self.register_buffer("began", torch.tensor(warmup, dtype=torch.float64))
        self.register_buffer("numbers", torch.zeros(len(reported), dtype=torch.float64))

    def begin(self, share: float) -> None:
        """Have selections begin at a share of the budget, if that is earlier than they would."""
        self.began.clamp_(max=share)

    def write(self, record: SampleRecord, report: dict[str, float], epoch: int) -> None:
        """Remember a selection made in ``epoch``, in place of the last."""
        for name, tensor in record.tensors().items():
            self.get_buffer(name).copy_(tensor)
        self.numbers.copy_(
            torch.tensor([report.get(name, math.nan) for name in self.reported], dtype=torch.float64)
        )
        self.number += 1
        self.epoch.fill_(epoch)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # Stays on the CPU, where the indices of each step are: a look at it must not wait for the device.
        return self

    @property
    def last(self) -> SampleRecord | None:
        """The last selection; None before the first."""
        if not self.number:
            return None
        return SampleRecord(**{name: self.get_buffer(name) for name in SampleRecord.__dataclass_fields__})

    @property
    def report(self) -> dict[str, float]:
        """What was reported of the last selection; empty before the first."""
        values = zip(self.reported, self.numbers.tolist(), strict=True)
        return {name: value for name, value in values if not math.isnan(value)} if self.number else {}

    def due(self, epoch: int, every: int) -> bool:
        """Whether ``every`` epochs have passed since the last selection, or there was none."""
        return not self.number or epoch - int(self.epoch) >= every
