"""How the network computes: device, precision and memory format, by way of Lightning Fabric."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision, Precision
from torch import Tensor, nn

from labelmend.errors import SettingsError
from labelmend.training.machine import has_bfloat16

ACCELERATORS = {"cuda": "gpu"}


class UncachedMixedPrecision(MixedPrecision):
    """Mixed precision in bfloat16 without a cache of cast weights.

    With the cache, a weight first cast without gradients would be reused, still without gradients, by a later
    pass of the same step that needs them.
    """

    def forward_context(self) -> AbstractContextManager[None]:
        """Context of forward passes and losses."""
        return torch.autocast(self.device, dtype=torch.bfloat16, cache_enabled=False)


@dataclass(frozen=True)
class Arithmetic:
    """A choice of device, precision and memory format.

    Attributes:
        device: where networks and batches live.
        precision: ``float32`` or ``bfloat16`` (weights stay in float32; operations are autocast).
        memory_format: ``channels_last`` or ``contiguous``.
        fabric: carries it out.
    """

    device: torch.device
    precision: str
    memory_format: str
    fabric: Fabric = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Set up Fabric for the one device."""
        kind = self.device.type
        plugin = UncachedMixedPrecision("bf16-mixed", kind) if self.precision == "bfloat16" else Precision()
        devices = 1 if self.device.index is None or kind == "cpu" else [self.device.index]
        fabric = Fabric(accelerator=ACCELERATORS.get(kind, kind), devices=devices, plugins=plugin)
        object.__setattr__(self, "fabric", fabric)

    @property
    def torch_format(self) -> torch.memory_format:
        """The memory format as torch names it."""
        return torch.channels_last if self.memory_format == "channels_last" else torch.contiguous_format

    def autocast(self) -> AbstractContextManager[None]:
        """Context in which forward passes and losses run."""
        context: AbstractContextManager[None] = self.fabric.autocast()
        return context

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss to its parameters."""
        self.fabric.backward(loss)

    def place_module(self, module: nn.Module) -> None:
        """Move a module to the device, in place, with its convolutions in the memory format."""
        module.to(device=self.device)
        for parameter in module.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=self.torch_format)

    def place_images(self, images: Tensor) -> Tensor:
        """Move images (B, channels, H, W) to the device and memory format; features (B, d) to the device."""
        placed = images.to(device=self.device)
        return placed.contiguous(memory_format=self.torch_format) if placed.dim() == 4 else placed


def find_device(name: str) -> torch.device:
    """The device of a ``--device`` value, found by Lightning Fabric.

    Raises:
        SettingsError: If the machine has no such device.
    """
    if name not in ("auto", "cpu", "cuda", "mps"):
        raise SettingsError(f"--device is {name!r}, but must be auto, cpu, cuda or mps")
    try:
        return Fabric(accelerator=ACCELERATORS.get(name, name), devices=1).device
    except (RuntimeError, ValueError) as error:
        raise SettingsError(f"--device {name}: this machine has no such device; use --device auto") from error


def choose_arithmetic(
    device: torch.device, precision: str = "auto", memory_format: str = "auto"
) -> Arithmetic:
    """How to compute on a device: in bfloat16 where it computes in bfloat16 itself, channels last.

    By what the device is and by nothing that is timed: a trial on a busy machine goes one way today and
    another way tomorrow, and with it the results of the same seed. docs/LOG.md has the speeds.

    Args:
        device: where networks are trained.
        precision: ``float32`` or ``bfloat16``; ``auto`` to choose.
        memory_format: ``channels_last`` or ``contiguous``; ``auto`` to choose.
    """
    if precision == "auto":
        precision = "bfloat16" if has_bfloat16(device) else "float32"
    return Arithmetic(device, precision, "channels_last" if memory_format == "auto" else memory_format)
