"""The stages of a run: what is fresh, frozen and optimised in each."""

from __future__ import annotations

import torch
from torch import nn

from labelmend.config import TrainingSettings
from labelmend.methods.base import Method
from labelmend.methods.plan import OptimizerPlan, Stage
from labelmend.training.course import Course, within
from labelmend.training.ema import WeightAverage
from labelmend.training.optimizers import build_optimizer, set_rates
from labelmend.training.setup import Setup


class Stages:
    """Takes networks, averages and optimisers from one stage of a method to the next.

    Args:
        method: whose stages and optimisers they are; ``task.optimizers`` is filled.
        setup: of the run.
        averages: of the networks.
        settings: of the run.
        generator: source of weights that are drawn anew.

    Attributes:
        number: of the stage under way, from 0.
        plans: its optimisers as planned, by name.
    """

    def __init__(
        self,
        method: Method,
        setup: Setup,
        averages: list[WeightAverage],
        settings: TrainingSettings,
        generator: torch.Generator,
    ) -> None:
        self.method, self.setup, self.averages = method, setup, averages
        self.settings, self.generator = settings, generator
        self.course = Course(method.stages())
        self.optimizers = method.task.optimizers
        self.plans: dict[str, OptimizerPlan] = {}
        self.number = 0
        self._trainable = {
            id(p) for network in setup.networks for p in network.parameters() if p.requires_grad
        }

    @property
    def stage(self) -> Stage:
        """The stage under way."""
        return self.course.stages[self.number]

    @property
    def span(self) -> tuple[float, float]:
        """Start and end of the stage under way, in shares of the budget."""
        return self.course.span(self.number)

    def enter(self, number: int, again: bool = False) -> None:
        """Begin a stage.

        Args:
            number: of the stage.
            again: whether the run was in this stage before, so that nothing is drawn.
        """
        self.number = number
        if not again:
            self._draw()
        self._require_grad(set())
        self._build_optimizers()
        self._require_grad({id(p) for part in self._frozen_parts() for p in part.parameters()})

    def _draw(self) -> None:
        stage = self.stage
        if stage.redrawn:
            # What stays is that of the model that predicts, which is the average.
            for average in self.averages:
                average.adopt()
            # Momentum was of the weights that are gone.
            for optimizer in self.optimizers.values():
                optimizer.state.clear()
        for network in self.setup.networks:
            for part in ("",) if stage.fresh else stage.redrawn:
                self.setup.redraw(network, self.generator, part)
        if stage.fresh or stage.redrawn:
            for average in self.averages:
                average.restart()

    def _require_grad(self, frozen: set[int]) -> None:
        """Of every parameter that the networks train, but those that are frozen."""
        for network in self.setup.networks:
            for parameter in network.parameters():
                parameter.requires_grad_(id(parameter) in self._trainable - frozen)

    def _build_optimizers(self) -> None:
        """Those of the stage, after those that earlier stages leave to it."""
        if self.stage.restarts:
            self.optimizers.clear()
        first = max(i for i in range(self.number + 1) if i == 0 or self.course.stages[i].restarts)
        for earlier in range(first, self.number + 1):
            self.plans = self.method.optimizers(earlier)
            for name, plan in self.plans.items():
                if name not in self.optimizers:
                    self.optimizers[name] = build_optimizer(
                        plan, self.settings, self.setup.lr, self.setup.weight_decay
                    )

    def _frozen_parts(self) -> list[nn.Module]:
        names = self.stage.frozen
        return [network.get_submodule(name) for network in self.setup.networks for name in names]

    def train_mode(self) -> None:
        """Networks in training mode, but for their frozen parts, whose batch norm keeps its statistics."""
        for network in self.setup.networks:
            network.train()
        for part in self._frozen_parts():
            part.eval()

    def forget_momentum(self) -> None:
        """At the start of an epoch: of the optimisers that want it."""
        for name, plan in self.plans.items():
            if plan.renew_each_epoch:
                self.optimizers[name].state.clear()

    def set_rates(self, share: float) -> None:
        """Learning rates, when ``share`` of the budget is spent."""
        span = self.course.schedule_span(self.number)
        set_rates(self.optimizers, self.plans, self.settings, within(share, span))

    def step(self, loss: torch.Tensor, names: tuple[str, ...] | None) -> None:
        """Go down the gradient of a loss.

        Args:
            loss: scalar.
            names: of the optimisers that take a step; None for those that take one in every step.
        """
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        self.setup.arithmetic.backward(loss)
        every_step = [name for name, plan in self.plans.items() if plan.every_step]
        for name in every_step if names is None else names:
            self.optimizers[name].step()

    @property
    def rate(self) -> float:
        """Learning rate of the first optimiser, as it is now."""
        return float(self.optimizers[next(iter(self.plans))].param_groups[0]["lr"])
