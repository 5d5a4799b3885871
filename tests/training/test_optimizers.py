import pytest
import torch
from torch import nn

from labelmend.config import TrainingSettings
from labelmend.methods.plan import OptimizerPlan, ParameterGroup, Schedule
from labelmend.training.optimizers import (
    build_optimizer,
    load_optimizer_tensors,
    optimizer_tensors,
    set_rates,
)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_an_optimiser_goes_on_as_if_never_stopped(kind):
    def make(value):
        weight = torch.nn.Parameter(value.clone())
        plan = OptimizerPlan((ParameterGroup((weight,)),), kind=kind, lr=0.1)
        return weight, build_optimizer(plan, TrainingSettings(), 1.0, 5e-4)

    def step(weight, optimizer, t):
        weight.grad = torch.tensor([1.0, -2.0]) * t
        optimizer.step()

    weight, optimizer = make(torch.zeros(2))
    for t in range(3):
        step(weight, optimizer, t)
    resumed, resumed_optimizer = make(weight.detach())
    load_optimizer_tensors(resumed_optimizer, optimizer_tensors(optimizer))
    for t in range(3, 6):
        step(weight, optimizer, t)
        step(resumed, resumed_optimizer, t)
    assert torch.equal(weight, resumed)


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.fixed = nn.Linear(2, 2).requires_grad_(False)
        self.linear = nn.Linear(2, 3)
        self.norm = nn.BatchNorm1d(3)


def decays(optimizer):
    """Weight decay of each parameter, by its place among them."""
    return {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}


def test_biases_and_norms_are_spared_and_fixed_parts_left_out():
    layers = Layers()
    found = decays(build_optimizer(OptimizerPlan.over(layers), TrainingSettings(), 0.1, 0.25))
    assert found == {
        id(layers.linear.weight): 0.25,
        id(layers.linear.bias): 0.0,
        id(layers.norm.weight): 0.0,
        id(layers.norm.bias): 0.0,
    }


def test_decay_all_spares_none():
    settings = TrainingSettings(decay_all=True)
    optimizer = build_optimizer(OptimizerPlan.over(Layers()), settings, 0.1, 0.25)
    assert len(optimizer.param_groups) == 1
    assert list(decays(optimizer).values()) == [0.25] * 4


def test_a_group_has_its_own_decay_and_rate():
    layers = Layers()
    own = ParameterGroup((layers.linear.bias,), lr=0.5, weight_decay=0.125)
    none = ParameterGroup((layers.norm.weight,), weight_decay=0.0)
    rest = ParameterGroup((layers.linear.weight,))
    optimizer = build_optimizer(OptimizerPlan((own, none, rest), lr=0.2), TrainingSettings(), 0.1, 5e-4)
    assert decays(optimizer) == {
        id(layers.linear.bias): 0.125,
        id(layers.norm.weight): 0.0,
        id(layers.linear.weight): 5e-4,
    }
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert rates == {id(layers.linear.bias): 0.5, id(layers.norm.weight): 0.2, id(layers.linear.weight): 0.2}


def test_what_a_plan_leaves_open_is_as_set():
    plan = OptimizerPlan.over(Layers())
    optimizer = build_optimizer(plan, TrainingSettings(momentum=0.7), 0.3, 5e-4)
    assert isinstance(optimizer, torch.optim.SGD)
    (first, *_) = optimizer.param_groups
    assert (first["lr"], first["momentum"], first["nesterov"]) == (0.3, 0.7, True)
    plain = build_optimizer(plan, TrainingSettings(nesterov=False), 0.3, 5e-4).param_groups[0]
    assert (plain["momentum"], plain["nesterov"]) == (0.9, False)
    without = build_optimizer(plan, TrainingSettings(momentum=0.0), 0.3, 5e-4).param_groups[0]
    assert (without["momentum"], without["nesterov"]) == (0.0, False)
    own = build_optimizer(OptimizerPlan.over(Layers(), momentum=0.5), TrainingSettings(), 0.3, 5e-4)
    assert own.param_groups[0]["momentum"] == 0.5


def test_adam_has_its_own_momentum():
    """Not that of the settings, which is of SGD."""
    plan = OptimizerPlan.over(Layers(), kind="adam", lr=1e-3)
    optimizer = build_optimizer(plan, TrainingSettings(momentum=0.7), 0.3, 5e-4)
    assert isinstance(optimizer, torch.optim.Adam)
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)
    assert optimizer.param_groups[0]["lr"] == 1e-3
    other = build_optimizer(
        OptimizerPlan.over(Layers(), kind="adam", momentum=0.1), TrainingSettings(), 0.3, 5e-4
    )
    assert other.param_groups[0]["betas"] == (0.1, 0.999)
    assert other.param_groups[0]["lr"] == 0.3


def test_rates_follow_each_schedule_from_each_peak():
    layers, settings = Layers(), TrainingSettings(lr_warmup=0.0)
    groups = (ParameterGroup((layers.linear.weight,), lr=0.8), ParameterGroup((layers.norm.weight,)))
    plans = {
        "as_set": OptimizerPlan(groups),
        "own": OptimizerPlan.over(layers, schedule=Schedule("constant")),
    }
    optimizers = {name: build_optimizer(plan, settings, 0.4, 5e-4) for name, plan in plans.items()}
    for share in (0.9, 0.25):
        set_rates(optimizers, plans, settings, share)
        rates = {id(p): g["lr"] for g in optimizers["as_set"].param_groups for p in g["params"]}
        assert rates[id(layers.linear.weight)] == pytest.approx(0.8 * (1 - share))
        assert rates[id(layers.norm.weight)] == pytest.approx(0.4 * (1 - share))
        assert optimizers["own"].param_groups[0]["lr"] == 0.4


def test_only_optimisers_in_use_are_set():
    plan = OptimizerPlan.over(Layers())
    optimizers = {name: build_optimizer(plan, TrainingSettings(), 0.4, 5e-4) for name in ("used", "idle")}
    set_rates(optimizers, {"used": plan}, TrainingSettings(lr_warmup=0.0), 0.5)
    assert [o.param_groups[0]["lr"] for o in optimizers.values()] == [0.2, 0.4]
