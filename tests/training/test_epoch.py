import torch

from labelmend.methods.plan import Step
from labelmend.training.epoch import Epoch


def epoch():
    steps = [
        Step({"easy": torch.tensor([3, 1]), "hard": torch.tensor([2])}, "first"),
        Step.of(torch.tensor([0, 4])),
        Step({"easy": torch.tensor([5]), "hard": torch.empty(0, dtype=torch.int64)}),
    ]
    return Epoch(list(zip(steps, (None, 0, 3), strict=True)), 1.5, 0.25, [torch.tensor(0.5)], 0.125)


def same(one, other):
    (first, head), (second, other_head) = one, other
    return (first.role, head, list(first.parts)) == (second.role, other_head, list(second.parts)) and all(
        torch.equal(a, b) for a, b in zip(first.parts.values(), second.parts.values(), strict=True)
    )


def test_it_comes_back():
    before = epoch()
    after = Epoch.restored(before.tensors(), before.info(), torch.device("cpu"))
    assert all(same(a, b) for a, b in zip(before.steps, after.steps, strict=True))
    assert (after.epochs_before, after.preparation, after.rate, after.ended) == (1.5, 0.25, 0.125, False)
    assert after.losses == [torch.tensor(0.5)]
    assert after.losses[0].shape == ()


def test_steps_that_are_left():
    under_way = epoch()
    assert [same(a, b) for a, b in zip(under_way.left, under_way.steps[1:], strict=True)] == [True, True]
    under_way.ended = True
    assert under_way.left == []


def test_before_the_first_step():
    fresh = Epoch(epoch().steps, 0.0, 0.0)
    again = Epoch.restored(fresh.tensors(), fresh.info(), torch.device("cpu"))
    assert again.losses == []
    assert len(again.left) == 3


def test_an_epoch_that_ended_early_stays_ended():
    before = Epoch(
        [(Step.of(torch.tensor([0, 1])), None), (Step.of(torch.tensor([2, 3])), None)],
        1.0,
        0.0,
        [torch.tensor(0.5)],
    )
    before.ended = True
    after = Epoch.restored(before.tensors(), before.info(), torch.device("cpu"))
    assert after.ended and after.left == []
