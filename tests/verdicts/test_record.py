import dataclasses

import pytest
import torch

from labelmend.verdicts.record import SampleRecord

COLUMNS = {
    "probabilities": (torch.float32, (4, 3)),
    "easiness": (torch.float32, (4,)),
    "easy": (torch.bool, (4,)),
    "label_quality": (torch.float32, (4,)),
    "corrected": (torch.int64, (4,)),
    "votes": (torch.int32, (4,)),
    "vote_share": (torch.float32, (4,)),
    "sources": (torch.int64, (4, 3)),
    "neighbour_label": (torch.int64, (4,)),
    "neighbour_support": (torch.float32, (4,)),
}


def test_an_empty_record_knows_nothing_in_the_right_types():
    record = SampleRecord.empty(4, 3)
    found = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in record.tensors().items()}
    assert found == COLUMNS
    assert torch.allclose(record.probabilities.sum(1), torch.ones(4))
    assert not record.labelled.any()


def test_without_votes():
    given = {
        "probabilities": torch.tensor([[0.25, 0.75]]),
        "easiness": torch.tensor([0.5]),
        "easy": torch.tensor([True]),
        "label_quality": torch.tensor([0.75]),
    }
    record = SampleRecord.without_votes(**given)
    assert all(getattr(record, name) is tensor for name, tensor in given.items())
    assert record.corrected.tolist() == [-1]
    assert (record.votes.tolist(), record.vote_share.tolist()) == ([0], [0.0])
    assert record.sources.tolist() == [[-1, -1, -1]]
    assert record.neighbour_label.tolist() == [-1]
    assert record.neighbour_support.tolist() == [0.5]
    assert record.num_classes == 2


def test_labelled_are_easy_and_voted_samples():
    record = dataclasses.replace(
        SampleRecord.empty(4, 3),
        easy=torch.tensor([True, False, False, True]),
        corrected=torch.tensor([-1, 0, -1, 2]),
    )
    assert record.labelled.tolist() == [True, True, False, True]


def test_columns_are_named_and_none_is_left_out():
    with pytest.raises(TypeError):
        SampleRecord(*SampleRecord.empty(4, 3).tensors().values())
    with pytest.raises(TypeError, match="neighbour_label"):
        SampleRecord(
            **{n: t for n, t in SampleRecord.empty(4, 3).tensors().items() if n != "neighbour_label"}
        )
