import pytest
import torch

from labelmend.training.optimizers import load_optimizer_tensors, optimizer_tensors


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_an_optimiser_goes_on_as_if_never_stopped(kind):
    def make(value):
        weight = torch.nn.Parameter(value.clone())
        if kind == "sgd":
            return weight, torch.optim.SGD([weight], 0.1, momentum=0.9, nesterov=True)
        return weight, torch.optim.Adam([weight], 0.1)

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
