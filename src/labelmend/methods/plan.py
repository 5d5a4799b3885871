"""What a method tells the training loop of its course: stages, steps, updates, optimisers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Progress:
    """How far the run is.

    Attributes:
        epoch: number of the epoch, from 1.
        share: share of the budget that is spent, in [0, 1].
        stage: number of the stage, from 0.
        stage_epoch: number of the epoch within its stage, from 1.
        stage_share: share of the stage's own budget that is spent, in [0, 1].
        step: number of the step within its epoch, from 0.
        steps: steps of the epoch; 0 where they are not known yet.
    """

    epoch: int
    share: float
    stage: int = 0
    stage_epoch: int = 1
    stage_share: float = 0.0
    step: int = 0
    steps: int = 0


@dataclass(frozen=True)
class Stage:
    """A part of a run with networks or optimisers of its own.

    Attributes:
        share: share of the budget, above 0; those of all stages add up to 1.
        fresh: whether it starts with newly drawn networks (fitted to the data as at the start), new weight
            averages and new optimisers.
        redrawn: parts of every network that are drawn anew at its start, e.g. ``("classifier",)``; the others
            start as those of its weight average.
        frozen: parts of every network that are not trained; their batch norm keeps its statistics.
        restart: whether optimisers and learning-rate schedule begin anew; they do where ``fresh`` is set.
    """

    share: float = 1.0
    fresh: bool = False
    redrawn: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    restart: bool = False

    @property
    def restarts(self) -> bool:
        """Whether optimisers and schedule begin anew."""
        return self.fresh or self.restart


@dataclass(frozen=True)
class Step:
    """The samples of one step.

    Attributes:
        parts: sample indices, int64 tensors, by the name of the sampler they come from.
        role: what the step is for, e.g. which network it trains; read by the method alone.
    """

    parts: Mapping[str, Tensor]
    role: str = ""

    @classmethod
    def of(cls, index: Tensor, role: str = "") -> Step:
        """A step with one sampler."""
        return cls({"": index}, role)

    @property
    def index(self) -> Tensor:
        """int64 (B,), samples of all parts in order."""
        return torch.cat(list(self.parts.values()))

    def keep(self, wanted: Tensor) -> Step:
        """The step with only those samples for which ``wanted``, bool (N,), holds."""
        return Step({name: index[wanted[index]] for name, index in self.parts.items()}, self.role)


@dataclass(frozen=True)
class Update:
    """One change of the parameters.

    Attributes:
        loss: scalar to minimise.
        optimizers: names of those that take a step; None for all that take one in every step.
    """

    loss: Tensor
    optimizers: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Schedule:
    """Learning rate over the budget, as a factor on its peak.

    Attributes:
        kind: ``linear`` or ``cosine`` fall to ``floor``, ``step`` (divided by ``drop`` at each milestone) or
            ``constant``.
        warmup: share of the budget over which the factor rises linearly from 0.
        hold: share of the budget up to which the factor stays 1 before it falls.
        milestones: shares of the budget, for ``step``.
        drop: divisor at each milestone.
        floor: factor at the end of ``linear`` and ``cosine``.
    """

    kind: Literal["linear", "cosine", "step", "constant"] = "linear"
    warmup: float = 0.0
    hold: float = 0.0
    milestones: tuple[float, ...] = (0.5,)
    drop: float = 10.0
    floor: float = 0.0


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are trained alike.

    Attributes:
        parameters: what is trained.
        lr: peak learning rate; None for that of the plan.
        weight_decay: of all its parameters; None for the run's, which spares biases and norm parameters
            unless ``decay_all`` is set.
    """

    parameters: tuple[nn.Parameter, ...]
    lr: float | None = None
    weight_decay: float | None = None


@dataclass(frozen=True)
class OptimizerPlan:
    """An optimiser a method asks for; what is None is as the run's settings say.

    Attributes:
        groups: its parameters.
        kind: ``sgd`` or ``adam``.
        lr: peak learning rate.
        momentum: of SGD, or the first beta of Adam (0.9 by default).
        schedule: of the learning rate.
        renew_each_epoch: whether momentum is forgotten at the start of each epoch.
        every_step: whether it takes a step in each update; otherwise the method steps it itself.
    """

    groups: tuple[ParameterGroup, ...]
    kind: Literal["sgd", "adam"] = "sgd"
    lr: float | None = None
    momentum: float | None = None
    schedule: Schedule | None = None
    renew_each_epoch: bool = False
    every_step: bool = True

    @classmethod
    def over(cls, *modules: nn.Module, **values: object) -> OptimizerPlan:
        """A plan for all parameters of some modules, in one group; ``values`` are attributes."""
        parameters = tuple(p for module in modules for p in module.parameters())
        return cls((ParameterGroup(parameters),), **values)  # type: ignore[arg-type]
