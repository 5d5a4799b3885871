"""What annotations of Label Studio choose."""

import pytest

from labelmend.data.label_studio import Task, chosen_classes


def annotation(*choices, cancelled=False):
    return {"result": [{"type": "choices", "value": {"choices": list(choices)}}], "was_cancelled": cancelled}


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        ({}, set()),
        ({"annotations": [annotation("cat")]}, {"cat"}),
        ({"annotations": [annotation("cat"), annotation("dog")]}, {"cat", "dog"}),
        ({"annotations": [annotation("cat", cancelled=True), annotation("dog")]}, {"dog"}),
        ({"completions": [annotation("cat")]}, {"cat"}),
        ({"annotations": [annotation("dog")], "completions": [annotation("cat")]}, {"dog"}),
        ({"annotations": [{"result": [{"value": {"rectanglelabels": ["cat"]}}]}]}, set()),
        ({"annotations": [{"result": [{"value": {"choices": 5}}]}]}, set()),
    ],
)
def test_every_class_that_counts_is_found(said, chosen):
    assert chosen_classes(Task.model_validate({"data": {}, **said})) == chosen
