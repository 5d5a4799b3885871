from dataclasses import replace

import pytest
import torch

from labelmend.selection.clean import looks_clean
from labelmend.verdicts.judge import EASY, HARD_CLEAN, HARD_CORRECTED, UNCERTAIN, VERDICTS, judge
from labelmend.verdicts.record import SampleRecord

CASES = [
    # given, probabilities, easy, voted label, its share | verdict, suggested, confidence
    (0, [0.7, 0.2, 0.1], True, -1, 0.0, EASY, 0, 0.7),
    (0, [0.3, 0.6, 0.1], True, 1, 0.9, EASY, 0, 0.3),  # easy whatever the vote
    (1, [0.2, 0.5, 0.3], False, 1, 0.75, HARD_CLEAN, 1, 0.625),
    (1, [0.7, 0.01, 0.29], False, 1, 0.75, HARD_CLEAN, 1, 0.38),  # confirmed against the model
    (2, [0.6, 0.3, 0.1], False, 0, 0.8, HARD_CORRECTED, 0, 0.7),
    (2, [0.5, 0.3, 0.2], False, 1, 1.0, HARD_CORRECTED, 1, 0.65),  # neither given nor predicted
    (2, [0.1, 0.4, 0.5], False, 1, 1.0, UNCERTAIN, 2, 0.5),  # the model finds it less probable
    (0, [0.4, 0.4, 0.2], False, 1, 1.0, UNCERTAIN, 0, 0.4),  # or no more probable
    (0, [0.01, 0.9, 0.09], False, -1, 0.0, UNCERTAIN, 0, 0.01),
    (0, [0.01, 0.9, 0.09], False, -1, 0.6, UNCERTAIN, 0, 0.01),  # a vote that was not taken
]


def record_of(cases):
    given, probabilities, easy, corrected, share = (list(column) for column in zip(*cases, strict=True))
    record = replace(
        SampleRecord.empty(len(cases), 3),
        probabilities=torch.tensor(probabilities),
        easy=torch.tensor(easy),
        corrected=torch.tensor(corrected),
        vote_share=torch.tensor(share),
    )
    return record, torch.tensor(given)


def test_every_branch_by_hand():
    record, given = record_of([case[:5] for case in CASES])
    assert not looks_clean(record.probabilities, given)
    judged = judge(record, given)
    assert [VERDICTS[i] for i in judged.verdict] == [case[5] for case in CASES]
    assert judged.suggested.tolist() == [case[6] for case in CASES]
    assert judged.confidence.tolist() == pytest.approx([case[7] for case in CASES], abs=1e-6)
    assert judged.verdict.dtype == torch.int8


@pytest.mark.parametrize(
    ("probability", "share", "verdict"),
    [
        (0.9, 0.9, HARD_CORRECTED),
        (0.81, 1.0, HARD_CORRECTED),
        (0.9, 0.85, UNCERTAIN),
        (0.6, 1.0, UNCERTAIN),
    ],
)
def test_where_labels_look_clean_a_suggestion_must_be_sure(probability, share, verdict):
    """One deviant vote among a hundred labels that the model agrees with."""
    clean = [(i % 3, [0.98 if c == i % 3 else 0.01 for c in range(3)], True, -1, 0.0) for i in range(99)]
    rest = 1 - probability
    kept = (0, [0.5, 0.3, 0.2], False, 0, 0.4)
    record, given = record_of([*clean, (0, [rest, probability, 0.0], False, 1, share), kept])
    assert looks_clean(record.probabilities, given)
    judged = judge(record, given)
    assert VERDICTS[judged.verdict[-2]] == verdict
    assert judged.suggested[-2] == (1 if verdict == HARD_CORRECTED else 0)
    assert VERDICTS[judged.verdict[-1]] == HARD_CLEAN  # what confirms a label need not be sure
    wrong, labels = record_of(
        [*clean[:60], (0, [rest, probability, 0.0], False, 1, share)]
        + 40 * [(0, [0.01, 0.98, 0.01], False, -1, 0.0)]
    )
    assert not looks_clean(wrong.probabilities, labels)
    assert VERDICTS[judge(wrong, labels).verdict[60]] == HARD_CORRECTED


def test_nothing_is_changed():
    record, given = record_of([case[:5] for case in CASES])
    before = {name: tensor.clone() for name, tensor in record.tensors().items()}
    judge(record, given)
    assert all(torch.equal(before[name], tensor) for name, tensor in record.tensors().items())
