"""Optimisers as methods plan them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from labelmend.config import TrainingSettings
from labelmend.methods.plan import OptimizerPlan, ParameterGroup
from labelmend.training.schedule import lr_factor, schedule_of

PEAK = "peak_lr"
ADAM_BETA2 = 0.999


def build_optimizer(
    plan: OptimizerPlan, settings: TrainingSettings, lr: float, weight_decay: float
) -> torch.optim.Optimizer:
    """The optimiser of a plan; what the plan leaves open is as the settings say.

    Args:
        plan: what the method asks for; parameters that need no gradient are left out.
        settings: of the run.
        lr: its peak learning rate.
        weight_decay: of weights.
    """
    groups = [made for group in plan.groups for made in _groups(group, plan, settings, lr, weight_decay)]
    if plan.kind == "adam":
        beta1 = 0.9 if plan.momentum is None else plan.momentum
        return torch.optim.Adam(groups, lr=groups[0]["lr"], betas=(beta1, ADAM_BETA2))
    momentum = settings.momentum if plan.momentum is None else plan.momentum
    nesterov = settings.nesterov and momentum > 0
    return torch.optim.SGD(groups, lr=groups[0]["lr"], momentum=momentum, nesterov=nesterov)


def _groups(
    group: ParameterGroup, plan: OptimizerPlan, settings: TrainingSettings, lr: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Torch's groups: weights, and biases and norm parameters apart where they are decayed differently."""
    wanted = next(value for value in (group.lr, plan.lr, lr) if value is not None)
    parameters = [p for p in group.parameters if p.requires_grad]
    common = {"lr": wanted, PEAK: wanted}
    if group.weight_decay is not None or settings.decay_all:
        decay = weight_decay if group.weight_decay is None else group.weight_decay
        return [{"params": parameters, "weight_decay": decay, **common}]
    return [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": weight_decay, **common},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0, **common},
    ]


def set_rates(
    optimizers: Mapping[str, torch.optim.Optimizer],
    plans: Mapping[str, OptimizerPlan],
    settings: TrainingSettings,
    share: float,
) -> None:
    """Set the learning rates for where the schedules are.

    Args:
        optimizers: by name.
        plans: of those that are in use.
        settings: of the run.
        share: share of the schedules' span that is spent, in [0, 1].
    """
    for name, plan in plans.items():
        factor = lr_factor(share, plan.schedule or schedule_of(settings))
        for group in optimizers[name].param_groups:
            group["lr"] = group[PEAK] * factor


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
