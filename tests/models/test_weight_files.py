import contextlib
import pickle
import re

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from labelmend.errors import LabelmendWarning, SettingsError
from labelmend.models.weight_files import fit_weights, read_weights


def module():
    made = nn.Sequential()
    made.add_module("stem", nn.Conv2d(3, 2, 1))
    made.add_module("norm", nn.BatchNorm2d(2))
    return made


def filled(value=0.5):
    return {
        key: torch.full(tensor.shape, value, dtype=tensor.dtype)
        for key, tensor in module().state_dict().items()
    }


def fit(path):
    made = module()
    fit_weights(path, made, ("head.fc",), "timm:tiny")
    return made


def written(folder, state, name="weights.pt"):
    path = folder / name
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def is_filled(made):
    return all((value == 0.5).all() for key, value in made.state_dict().items() if "batches" not in key)


@pytest.mark.parametrize("name", ["weights.pt", "weights.pth", "weights.safetensors", "WEIGHTS.PT"])
def test_weights_are_read(tmp_path, name):
    assert is_filled(fit(written(tmp_path, filled(), name)))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "extractor.model.", "module.model."])
def test_names_that_wrappers_put_in_front_are_taken_away(tmp_path, prefix):
    assert is_filled(fit(written(tmp_path, {prefix + key: value for key, value in filled().items()})))


def test_weights_inside_a_training_script_s_checkpoint_are_found(tmp_path):
    for container in ({"state_dict": filled()}, {"model": {"state_dict": filled()}, "epoch": 3}):
        assert is_filled(fit(written(tmp_path, container)))
    both = {"state_dict": filled(0.25), "state_dict_ema": filled()}
    assert is_filled(fit(written(tmp_path, both)))


def test_counts_of_batches_may_be_missing(tmp_path):
    state = {key: value for key, value in filled().items() if "batches" not in key}
    assert is_filled(fit(written(tmp_path, state)))


def test_a_head_is_left_out_with_a_word(tmp_path):
    head = {"head.fc.weight": torch.zeros(21, 2), "head.fc.bias": torch.zeros(21)}
    with pytest.warns(LabelmendWarning, match=r"weights.pt: the head \(head.fc.weight, \(21, 2\)\) is left"):
        assert is_filled(fit(written(tmp_path, {**filled(), **head})))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm.bias": None}, "does not fit timm:tiny: norm.bias is missing, and 1 of 7 tensors in all"),
        ({"stem.weight": None, "norm.bias": None}, "stem.weight is missing, and 2 of 7"),
        ({"stem.bias": torch.zeros(3)}, "stem.bias is torch.float32 (3,), not torch.float32 (2,)"),
        (
            {"stem.bias": torch.zeros(2).to(torch.int8)},
            "stem.bias is torch.int8 (2,), not torch.float32",
        ),
        ({"norm.running_var": torch.tensor([1.0, torch.nan])}, "norm.running_var has numbers that are not"),
        ({"norm.weight": torch.tensor([1.0, torch.inf])}, "norm.weight has numbers that are not finite"),
        ({"layer9.weight": torch.zeros(1)}, "which has no layer9.weight (1 tensors too many)"),
        ({"header.fc.weight": torch.zeros(1)}, "which has no header.fc.weight"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, change, message):
    state = {key: value for key, value in {**filled(), **change}.items() if value is not None}
    with pytest.raises(SettingsError, match=re.escape(message)):
        fit(written(tmp_path, state))


class Evil:
    def __reduce__(self):
        return (exec, ("import pathlib; pathlib.Path('ran').touch()",))


@pytest.mark.parametrize("old", [False, True])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, monkeypatch, old):
    monkeypatch.chdir(tmp_path)
    torch.save({"stem.weight": Evil()}, "evil.pt", _use_new_zipfile_serialization=not old)
    with pytest.raises(SettingsError, match=r"evil\.pt holds pickled Python objects, which can run code"):
        read_weights(tmp_path / "evil.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(SettingsError, match=r"plain\.pt"):
        read_weights(tmp_path / "plain.pt")
    torch.save(module(), "whole.pt")
    with pytest.raises(SettingsError, match=r"whole\.pt holds pickled Python objects"):
        read_weights(tmp_path / "whole.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content", [[torch.zeros(1)], {}, torch.zeros(2), {"stem": [1.0]}, {"state_dict": {}}]
)
def test_other_content_is_not_weights(tmp_path, content):
    with pytest.raises(SettingsError, match="is not a dictionary of tensors by name"):
        read_weights(written(tmp_path, content))


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
@pytest.mark.parametrize("kept", [0, 5, 0.5, 0.95])
def test_damaged_files_are_named(tmp_path, name, kept):
    path = written(tmp_path, filled(), name)
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    with pytest.raises(SettingsError, match=rf"--weights .*{name} cannot be read .*is it damaged\?"):
        read_weights(path)


def test_files_that_cannot_hold_weights_are_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"--weights .*no\.pt does not exist"):
        read_weights(tmp_path / "no.pt")
    with pytest.raises(SettingsError, match="is a folder; give a file"):
        read_weights(tmp_path)
    (tmp_path / "weights.h5").write_bytes(b"")
    with pytest.raises(SettingsError, match=r"weights\.h5 must end in one of"):
        read_weights(tmp_path / "weights.h5")


def refuse(path, message):
    with pytest.raises(SettingsError, match=message):
        read_weights(path)


def test_whatever_is_no_plain_tensor_by_name_is_refused(tmp_path):
    tensor = torch.zeros(2, 2)
    odd = {"keys": {0: tensor}, "sparse": {"a": tensor.to_sparse()}, "meta": {"a": tensor.to("meta")}}
    odd["nested"] = {"a": torch.nested.nested_tensor([tensor])}
    for name, state in odd.items():
        refuse(written(tmp_path, state, f"{name}.pt"), "is not a dictionary of tensors by name")


def test_a_file_that_holds_itself_is_refused(tmp_path):
    loop = {}
    loop["model"] = loop
    refuse(written(tmp_path, loop), "is not a dictionary of tensors by name")


def test_a_container_in_a_container_is_opened(tmp_path):
    assert read_weights(written(tmp_path, {"model": {"state_dict": {"a": torch.ones(1)}}})) == {"a": 1}


def test_any_damage_is_named(tmp_path):
    content = written(tmp_path, filled()).read_bytes()
    generator = torch.Generator().manual_seed(0)
    damaged = tmp_path / "damaged.pt"
    for _ in range(150):
        changed = bytearray(content)
        for place in torch.randint(len(content), (8,), generator=generator).tolist():
            changed[place] ^= int(torch.randint(1, 256, (), generator=generator))
        damaged.write_bytes(changed)
        with contextlib.suppress(SettingsError):
            read_weights(damaged)


def test_numbers_of_a_type_that_has_no_comparison_are_read(tmp_path):
    state = {k: v.to(torch.float8_e4m3fn) if v.is_floating_point() else v for k, v in filled().items()}
    made = fit(written(tmp_path, state, "w.safetensors"))
    assert made.stem.weight.unique().tolist() == [0.5]
