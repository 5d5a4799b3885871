"""How the network computes: device, precision and memory format."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from labelmend.errors import SettingsError


@dataclass(frozen=True)
class Arithmetic:
    """A choice of device, precision and memory format.

    Attributes:
        device: where networks and batches live.
        precision: ``float32`` or ``bfloat16`` (weights stay in float32; operations are autocast).
        memory_format: ``channels_last`` or ``contiguous``.
    """

    device: torch.device
    precision: str
    memory_format: str

    @property
    def torch_format(self) -> torch.memory_format:
        """The memory format as torch names it."""
        return torch.channels_last if self.memory_format == "channels_last" else torch.contiguous_format

    def autocast(self) -> AbstractContextManager[None]:
        """Context in which forward passes and losses run.

        The weight cache is off: a weight first cast without gradients would otherwise be reused,
        still without gradients, by a later pass that needs them.
        """
        return torch.autocast(
            self.device.type,
            dtype=torch.bfloat16,
            enabled=self.precision == "bfloat16",
            cache_enabled=False,
        )

    def place_module(self, module: nn.Module) -> None:
        """Move a module to the device, in place, with its convolutions in the memory format."""
        module.to(device=self.device)
        for parameter in module.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=self.torch_format)

    def place_images(self, images: Tensor) -> Tensor:
        """Move images (B, channels, H, W) to the device and memory format."""
        return images.to(device=self.device).contiguous(memory_format=self.torch_format)


def find_device(name: str) -> torch.device:
    """The device of a ``--device`` value, found by Lightning Fabric.

    Raises:
        SettingsError: If the machine has no such device.
    """
    accelerator = {"cuda": "gpu"}.get(name, name)
    if name not in ("auto", "cpu", "cuda", "mps"):
        raise SettingsError(f"--device is {name!r}, but must be auto, cpu, cuda or mps")
    try:
        return Fabric(accelerator=accelerator, devices=1).device
    except (RuntimeError, ValueError) as error:
        raise SettingsError(f"--device {name}: this machine has no such device; use --device auto") from error
