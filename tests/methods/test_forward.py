from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.errors import DataError, SettingsError
from labelmend.methods.base import Scores
from labelmend.methods.forward import Forward, ForwardSettings
from labelmend.methods.plan import Progress
from labelmend.training.trainer import train
from labelmend.transition.forward import forward_loss
from labelmend.transition.noise_rate import implied_noise_rate

GIVEN, INDEX = [0, 1, 2, 0, 1], [4, 0, 2, 1]
T = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.0, 0.4, 0.6]]
LAST = Progress(9, 0.8, stage=1, stage_share=0.5)


def images():
    return 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(3))


def labels():
    return torch.tensor(GIVEN)[INDEX]


@pytest.fixture
def write(tmp_path):
    def to(matrix):
        path = tmp_path / "T.npy"
        np.save(path, np.array(matrix))
        return str(path)

    return to


@pytest.fixture
def method(make_task, logits_network):
    def make(score=None, given=GIVEN, **settings):
        return Forward(ForwardSettings(**settings), make_task(given, logits_network(), score=score))

    return make


def test_loss_with_a_given_matrix_by_hand(method, views, write):
    m = method(transition_file=write(T))
    (only,) = m.stages()
    assert only.share == 1
    loss = m.loss(views(INDEX, [images()]), Progress(1, 0.0))
    mixed = images().softmax(1) @ torch.tensor(T)
    assert torch.allclose(loss, -mixed[torch.arange(4), labels()].log().mean(), atol=1e-6)


def test_with_the_identity_it_is_cross_entropy(method, views, write):
    m = method(transition_file=write(np.eye(3)))
    loss = m.loss(views(INDEX, [images()]), Progress(1, 0.0))
    loss.backward()
    assert torch.allclose(loss, functional.cross_entropy(images(), labels()), atol=1e-6)
    assert m.task.networks[0].factor.grad.isfinite()


def test_the_first_network_learns_the_labels_as_they_are(method, views):
    m = method(warmup=0.25)
    first, second = m.stages()
    assert (first.share, second.share, first.fresh, second.fresh) == (0.25, 0.75, False, True)
    m.transition.copy_(torch.tensor(T))
    loss = m.loss(views(INDEX, [images()]), Progress(1, 0.1))
    assert torch.allclose(loss, functional.cross_entropy(images(), labels()))
    assert m.metrics() == {}


@pytest.mark.parametrize("percentile", [80.0, 100.0])
def test_the_second_with_the_matrix_read_off_the_first(method, views, percentile):
    p = torch.tensor([[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.1, 0.7, 0.2], [0.2, 0.2, 0.6], [0.3, 0.4, 0.3]])
    m = method(lambda network: Scores(p, p), anchor_percentile=percentile)
    m.end_stage(Progress(4, 0.4))
    expected = p[[0, 2, 3]] if percentile == 100 else p[[1, 4, 4]]
    assert torch.allclose(m.transition, expected)
    loss = m.loss(views(INDEX, [images()]), LAST)
    assert torch.allclose(loss, forward_loss(images(), labels(), expected).mean())
    rate = implied_noise_rate(expected, torch.tensor(GIVEN))
    assert m.metrics() == {"estimated_noise_rate": pytest.approx(rate)}
    # The last stage estimates nothing.
    m.transition.copy_(torch.eye(3))
    m.end_stage(LAST)
    assert torch.equal(m.transition, torch.eye(3))


def test_held_out_labels_are_as_noisy_as_the_others(method, write):
    m, given = method(transition_file=write(T)), torch.tensor([0, 1, 2, 0])
    expected = forward_loss(images(), given, torch.tensor(T))
    assert torch.allclose(m.validation_loss(images(), given), expected)


def test_a_matrix_of_other_classes_is_refused(method, write):
    with pytest.raises(DataError, match=r"T\.npy: the matrix is for 2 classes, but the data has 3"):
        method(transition_file=write(np.eye(2)))


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ([[0.5, 0.6], [0, 1]], "row 0 sums to 1.1"),
        ([[1.0, 0.0]], "square"),
        ([[1.5, -0.5], [0, 1]], "must be a probability"),
    ],
)
def test_what_is_no_transition_matrix_is_refused(method, write, matrix, words):
    with pytest.raises(DataError, match=words):
        method(transition_file=write(matrix))


def test_a_missing_file_is_refused_by_its_full_name(method):
    with pytest.raises(DataError, match=r"/.*nowhere\.csv: no such file"):
        method(transition_file="nowhere.csv")


def test_a_matrix_that_rules_out_a_given_label_is_refused(method, write):
    never_two = [[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.5, 0.5, 0.0]]
    with pytest.raises(DataError, match="column 2 is all 0, but 1 images are given that label"):
        method(transition_file=write(never_two))
    assert method(given=[0, 1, 0, 0, 1], transition_file=write(never_two)).known


def test_the_path_stays_right_in_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = ForwardSettings(transition_file="T.csv").transition_file
    assert Path(found) == (tmp_path / "T.csv").resolve()


@pytest.mark.parametrize(("setting", "value"), [("warmup", 0.0), ("warmup", 1.0), ("anchor_percentile", 0.0)])
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(SettingsError, match="--" + setting.replace("_", "-")):
        ForwardSettings(**{setting: value})


def test_the_true_matrix_of_a_strong_noise_beats_none(noisy_digits, digits_test, write):
    """Half of each class is given as the next one: the true class keeps a bare majority."""
    true = noisy_digits.true_labels
    moved = np.random.default_rng(0).random(600) < 0.5
    given = np.where(moved, (true + 1) % 10, true)
    data = replace(noisy_digits.with_labels(given), true_labels=true)
    matrix = 0.5 * np.eye(10) + 0.5 * np.roll(np.eye(10), 1, axis=1)

    def accuracy(matrix):
        settings = Settings(
            ForwardSettings(transition_file=write(matrix)),
            network=NetworkSettings(widths=[16, 32]),
            budget=BudgetSettings(epochs=12),
            training=TrainingSettings(batch_size=50, lr=0.3, precision="float32"),
        )
        return train(settings, data, digits_test).summary["test_accuracy_last"]

    assert accuracy(matrix) > accuracy(np.eye(10)) + 0.1
