"""The state of a run between epochs: names of its files, and the optimiser's state as named tensors."""

from __future__ import annotations

import torch
from torch import Tensor

CHECKPOINT = "checkpoint.safetensors"
METRICS = "metrics.jsonl"


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state, one tensor an entry, named by parameter number and key."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{key}": value
        for number, entry in state.items()
        for key, value in entry.items()
        if isinstance(value, Tensor)
    }


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Take up what ``optimizer_tensors`` returned; the settings of the optimiser stay its own."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, key = name.split(".", 1)
        state.setdefault(int(number), {})[key] = tensor.clone()
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
