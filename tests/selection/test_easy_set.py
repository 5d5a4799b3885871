from __future__ import annotations

import math
import os
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmend.errors import SettingsError
from labelmend.selection.easy_set import easy_set_sizes, select_by_threshold, select_easy

DATA = Path(os.environ.get("LABELMEND_DATA", Path(__file__).parents[3] / "shared" / "data"))


def test_sizes_by_hand() -> None:
    labels = torch.tensor([0] * 6 + [1] * 1 + [2] * 3)
    # ceil(10 * 0.6 / 3) = 2, and class 1 has a single sample; nobody gets its share.
    assert easy_set_sizes(labels, 3, 60).tolist() == [2, 1, 2]
    assert easy_set_sizes(labels, 4, 100).tolist() == [3, 1, 3, 0]


@pytest.mark.parametrize(
    ("n", "classes", "percent", "cap"),
    [(50_000, 10, 60, 3000), (50_000, 10, 60.0, 3000), (1000, 1, 0.7, 7), (100, 1, 7, 7), (100, 1, 55, 55)],
)
def test_ceiling_is_exact(n: int, classes: int, percent: float, cap: int) -> None:
    assert easy_set_sizes(torch.zeros(n, dtype=torch.int64), classes, percent)[0] == cap


@pytest.mark.parametrize("percent", [0, -1, 100.5])
def test_bad_percent_names_the_flag(percent: float) -> None:
    with pytest.raises(SettingsError, match="--easy-percent"):
        easy_set_sizes(torch.zeros(3, dtype=torch.int64), 2, percent)


@st.composite
def selections(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int, int]:
    classes = draw(st.integers(1, 4))
    n = draw(st.integers(1, 30))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n))
    grid = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=n, max_size=n)
    return (
        torch.tensor(labels),
        torch.tensor(draw(grid)),
        torch.tensor(draw(grid)),
        classes,
        draw(st.integers(1, 100)),
    )


@settings(deadline=None)
@given(selections())
def test_selection_equals_sorting_each_class(case: tuple) -> None:
    labels, easiness, losses, classes, percent = case
    cap = math.ceil(Fraction(percent, 100) * len(labels) / classes)
    expected = set()
    for j in range(classes):
        members = [i for i in range(len(labels)) if labels[i] == j]
        ranked = sorted(members, key=lambda i: (-easiness[i].item(), losses[i].item(), i))
        expected |= set(ranked[:cap])
    easy = select_easy(labels, easiness, losses, classes, percent)
    assert set(easy.nonzero()[:, 0].tolist()) == expected
    assert int(easy.sum()) == int(easy_set_sizes(labels, classes, percent).sum()) <= cap * classes


def test_saturated_easiness_is_ranked_by_loss_then_index() -> None:
    labels = torch.zeros(5, dtype=torch.int64)
    losses = torch.tensor([0.3, 0.1, 0.2, 0.1, 0.0])
    easiness = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.9])
    assert select_easy(labels, easiness, losses, 1, 40).tolist() == [False, True, False, True, False]


def test_trusted_samples_are_extra_members() -> None:
    labels = torch.zeros(4, dtype=torch.int64)
    losses = torch.tensor([0.0, 1.0, 2.0, 3.0])
    trusted = torch.tensor([False, False, False, True])
    assert select_easy(labels, -losses, losses, 1, 50, trusted=trusted).tolist() == [True, True, False, True]


def test_threshold_is_strict() -> None:
    assert select_by_threshold(torch.tensor([0.49, 0.5, 0.51])).tolist() == [False, False, True]
    assert select_by_threshold(torch.tensor([0.1, 0.3]), 0.2).tolist() == [False, True]


@pytest.mark.parametrize(
    ("column", "percent", "ceiling"),
    [
        ("aggre_label", 70, 100.0),
        ("random_label1", 60, 100.0),
        ("worse_label", 40, 100.0),
        ("worse_label", 50, 99.5),
        ("worse_label", 60, 94.9),
        ("worse_label", 70, 85.1),
    ],
)
def test_purity_ceiling_of_cifar10n(column: str, percent: float, ceiling: float) -> None:
    """With an oracle that ranks clean samples first, the easy set cannot be purer than this."""
    path = DATA / "cifar10n" / "CIFAR-10_human.pt"
    if not path.exists():
        pytest.skip(f"no CIFAR-10N labels at {path}; set LABELMEND_DATA to the folder that holds cifar10n/")
    human = torch.load(path, weights_only=False)
    labels, true = torch.as_tensor(human[column]).long(), torch.as_tensor(human["clean_label"]).long()
    clean = labels == true
    easy = select_easy(labels, clean.float(), 1 - clean.float(), 10, percent)
    assert int(easy.sum()) == percent * 500
    assert round(100 * clean[easy].float().mean().item(), 1) == ceiling


def test_fully_pure_easy_set_of_cifar10n_worse_needs_48_percent() -> None:
    path = DATA / "cifar10n" / "CIFAR-10_human.pt"
    if not path.exists():
        pytest.skip(f"no CIFAR-10N labels at {path}; set LABELMEND_DATA to the folder that holds cifar10n/")
    human = torch.load(path, weights_only=False)
    labels, true = torch.as_tensor(human["worse_label"]).long(), torch.as_tensor(human["clean_label"]).long()
    clean = labels == true
    for percent, pure in [(48, True), (49, False)]:
        easy = select_easy(labels, clean.float(), 1 - clean.float(), 10, percent)
        assert bool(clean[easy].all()) == pure
