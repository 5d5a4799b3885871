from dataclasses import replace

import torch

from labelmend.methods.memory import Selections
from labelmend.verdicts.record import SampleRecord

REPORTED = ("easy", "seconds")


def selections():
    return Selections(3, 2, REPORTED)


def record(seed=0):
    draw = torch.Generator().manual_seed(seed)
    return replace(
        SampleRecord.empty(3, 2),
        probabilities=torch.rand(3, 2, generator=draw),
        easiness=torch.rand(3, generator=draw),
        easy=torch.tensor([True, False, True]),
        corrected=torch.tensor([-1, 1, -1]),
        votes=torch.tensor([0, 4, 0], dtype=torch.int32),
        vote_share=torch.rand(3, generator=draw),
        sources=torch.tensor([[-1, -1, -1], [0, 2, -1], [-1, -1, -1]]),
    )


def same(first, second):
    pairs = zip(first.tensors().values(), second.tensors().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_nothing_is_remembered_before_the_first_selection():
    memory = selections()
    assert memory.last is None
    assert memory.report == {}
    assert memory.due(1, 99)


def test_the_last_selection_is_remembered():
    memory = selections()
    memory.write(record(0), {"easy": 2.0, "seconds": 0.5, "more": 1.0}, 3)
    assert same(memory.last, record(0))
    assert memory.report == {"easy": 2.0, "seconds": 0.5}
    memory.write(record(1), {"easy": 1.0, "seconds": 0.25}, 7)
    assert same(memory.last, record(1))
    assert memory.report == {"easy": 1.0, "seconds": 0.25}
    assert int(memory.number) == 2


def test_a_number_that_a_selection_does_not_have_is_left_out():
    memory = selections()
    memory.write(record(), {"easy": 2.0}, 1)
    assert memory.report == {"easy": 2.0}


def test_selections_begin_where_the_warm_up_ends_or_earlier():
    memory = Selections(3, 2, REPORTED, 0.4)
    memory.begin(0.45)
    assert float(memory.began) == 0.4
    memory.begin(0.25)
    memory.begin(0.3)
    assert float(memory.began) == 0.25
    resumed = Selections(3, 2, REPORTED, 0.4)
    resumed.load_state_dict(memory.state_dict())
    assert float(resumed.began) == 0.25


def test_due_after_so_many_epochs():
    memory = selections()
    memory.write(record(), {"easy": 2.0, "seconds": 0.5}, 3)
    assert [memory.due(epoch, 4) for epoch in (4, 6, 7, 9)] == [False, False, True, True]
    assert memory.due(4, 1)


def test_what_is_written_is_a_copy():
    memory, written = selections(), record()
    memory.write(written, {"easy": 2.0, "seconds": 0.5}, 1)
    written.easiness.fill_(9.0)
    assert same(memory.last, record())


def test_all_of_it_is_saved_with_the_run():
    memory, other = selections(), selections()
    memory.write(record(0), {"easy": 1.0, "seconds": 0.1}, 1)
    memory.write(record(1), {"easy": 2.0, "seconds": 1 / 3}, 5)
    other.load_state_dict(memory.state_dict())
    assert same(other.last, record(1))
    assert other.report == memory.report
    assert int(other.number) == 2
    assert [other.due(epoch, 4) for epoch in (8, 9)] == [False, True]


def test_it_stays_where_the_indices_of_steps_are():
    memory = torch.nn.ModuleList([selections()]).to("meta")[0]
    assert all(buffer.device.type == "cpu" for buffer in memory.buffers())
