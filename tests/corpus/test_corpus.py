from __future__ import annotations

import re
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from corpus.registry import CASES, Case, Command, Source
from labelmend.cli.main import main
from labelmend.errors import LabelmendError
from labelmend.runs import jobs
from labelmend.settings.loading import DEFAULT_METHOD, DEFAULT_RECIPE, resolve

for module in sorted(Path(__file__).parent.glob("cases_*.py")):
    import_module(f"corpus.{module.stem}")


def names_of(image_set):
    return [image_set.class_names[label] for label in image_set.given_labels]


def prepare(source: Source):
    return jobs.prepare(resolve(DEFAULT_RECIPE, DEFAULT_METHOD, source.settings), source.data)


def check_job(case: Case, job, said: list[str]) -> None:
    found = job.train_set
    if case.classes is not None:
        assert found.class_names == case.classes
    if case.labels is not None:
        assert names_of(found) == case.labels
    if case.ids is not None:
        assert found.ids == case.ids
    if case.values is not None:
        pixels = np.asarray(found.images.gather(torch.arange(len(found))))
        assert pixels[:, 0, 0, 0].tolist() == case.values
    if case.test is not None:
        assert ([] if job.test_set is None else names_of(job.test_set)) == list(case.test)
    if case.skipped is not None:
        left_out = [f"{entry.path}: {entry.reason}" for entry in found.skipped]
        assert len(left_out) == len(case.skipped), left_out
        for pattern in case.skipped:
            assert any(re.search(pattern, line) for line in left_out), (pattern, left_out)
    for pattern in case.notes:
        assert any(re.search(pattern, line) for line in said), (pattern, said)
    if case.check is not None:
        case.check(job)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_input_has_its_outcome(case, tmp_path, monkeypatch, capsys):
    """Each input is read with the right values, or refused in one line."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    made = case.make(folder)
    if isinstance(made, Command):
        code = main(made.argv)
        printed = "".join(capsys.readouterr())
        assert code == (2 if case.error else case.code or 0), printed
        assert "Traceback" not in printed
        for pattern in (case.error, case.output):
            assert pattern is None or re.search(pattern, printed), printed
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if case.error is not None:
            with pytest.raises(LabelmendError, match=case.error) as refused:
                prepare(made)
            assert "\n" not in str(refused.value)
            return
        job = prepare(made)
    check_job(case, job, [*job.train_set.notes, *(str(entry.message) for entry in caught)])


def test_names_are_distinct():
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
