import json
import shutil

import numpy as np
import pytest
import torch

import labelmend
from labelmend.errors import LabelmendError, RunError
from labelmend.runs import folder as run_folder
from labelmend.runs.run import load_run
from labelmend.tensors import load_tensors, save_tensors


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole.folder, tmp_path / "copy")


READ = (
    run_folder.MODEL,
    run_folder.MODEL_INFO,
    run_folder.VERDICTS_PARQUET,
    run_folder.SETTINGS,
    run_folder.SUMMARY,
)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", READ)
def test_one_flipped_bit_in_any_file_is_refused(copy, name, place):
    data = bytearray((copy / name).read_bytes())
    data[int(place * len(data))] ^= 1
    (copy / name).write_bytes(data)
    # A setting that can no longer be is named by its flag.
    with pytest.raises(LabelmendError, match=f"{name}|--"):
        labelmend.load_run(copy)


@pytest.mark.parametrize("name", READ)
def test_a_file_that_is_cut_off_or_empty_is_refused(copy, name):
    data = (copy / name).read_bytes()
    for kept in (data[: len(data) // 2], b"", data[:-1] + b"\0"):
        (copy / name).write_bytes(kept)
        with pytest.raises(LabelmendError, match=name):
            labelmend.load_run(copy)


@pytest.mark.parametrize("name", ["verdicts.parquet", "model.safetensors"])
def test_without_a_file_of_a_finished_run_it_says_what_to_do(copy, name):
    (copy / "SHA256SUMS").unlink()
    (copy / name).unlink()
    with pytest.raises(
        RunError, match=rf"{name} is missing; .*take .* from a copy of the run, or train anew"
    ):
        load_run(copy)


def test_weights_are_checked_by_themselves_too(copy):
    (copy / "SHA256SUMS").unlink()
    data = bytearray((copy / run_folder.MODEL).read_bytes())
    data[-10] ^= 1
    (copy / run_folder.MODEL).write_bytes(data)
    with pytest.raises(RunError, match=r"model\.safetensors is damaged \(its checksum"):
        labelmend.load_run(copy)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(copy, value):
    (copy / "SHA256SUMS").unlink()
    weights, info = load_tensors(copy / run_folder.MODEL)
    next(tensor for tensor in weights.values() if tensor.dtype == torch.float32).view(-1)[0] = value
    save_tensors(copy / run_folder.MODEL, weights, info)
    with pytest.raises(RunError, match=r"model\.safetensors has weights that are no finite numbers"):
        labelmend.load_run(copy)


def test_a_copy_is_as_good_as_the_run_and_edits_can_be_allowed(copy, whole):
    images = np.zeros((2, 8, 8), dtype=np.uint8)
    assert np.array_equal(labelmend.load_run(copy).predict_proba(images), whole.predict_proba(images))
    path = copy / run_folder.SUMMARY
    path.write_text(json.dumps({**json.loads(path.read_text()), "note": "mine"}))
    with pytest.raises(RunError, match=r"remove .*SHA256SUMS to use it as it is"):
        labelmend.load_run(copy)
    (copy / "SHA256SUMS").unlink()
    assert labelmend.load_run(copy).summary["note"] == "mine"
