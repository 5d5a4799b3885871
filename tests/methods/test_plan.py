import dataclasses

import pytest
import torch
from torch import nn

from labelmend.methods.plan import OptimizerPlan, Schedule, Stage, Step


def step():
    return Step({"labelled": torch.tensor([4, 0, 2]), "unlabelled": torch.tensor([1, 3])}, "second")


def test_a_step_lists_its_parts_in_order():
    assert step().index.tolist() == [4, 0, 2, 1, 3]
    alone = Step.of(torch.tensor([2, 1]), "first")
    assert alone.index.tolist() == [2, 1]
    assert list(alone.parts) == [""]
    assert (alone.role, Step.of(torch.tensor([0])).role) == ("first", "")


def test_a_step_keeps_what_is_wanted_in_each_part():
    wanted = torch.tensor([True, True, False, False, True])
    kept = step().keep(wanted)
    assert {name: index.tolist() for name, index in kept.parts.items()} == {
        "labelled": [4, 0],
        "unlabelled": [1],
    }
    assert kept.role == "second"


@pytest.mark.parametrize(
    ("stage", "restarts"), [(Stage(), False), (Stage(fresh=True), True), (Stage(restart=True), True)]
)
def test_optimizers_begin_anew_with_fresh_networks_or_where_asked(stage, restarts):
    assert stage.restarts is restarts


def test_a_stage_is_the_whole_run_and_trains_all_unless_said():
    assert dataclasses.asdict(Stage()) == {
        "share": 1.0,
        "fresh": False,
        "redrawn": (),
        "frozen": (),
        "restart": False,
    }


def test_a_schedule_falls_from_its_peak_to_zero_unless_said():
    assert (Schedule().kind, Schedule().warmup, Schedule().hold, Schedule().floor) == ("linear", 0, 0, 0)


def test_a_plan_over_networks_holds_all_their_parameters_in_one_group():
    first, second = nn.Linear(2, 3), nn.Linear(3, 1, bias=False)
    plan = OptimizerPlan.over(first, second, lr=0.5, every_step=False)
    (group,) = plan.groups
    assert [id(p) for p in group.parameters] == [id(first.weight), id(first.bias), id(second.weight)]
    assert (group.lr, group.weight_decay) == (None, None)
    assert (plan.lr, plan.every_step, plan.kind, plan.renew_each_epoch) == (0.5, False, "sgd", False)
    assert OptimizerPlan.over(first).every_step
