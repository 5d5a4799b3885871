from dataclasses import replace

import pytest
import torch

from labelmend.errors import SettingsError
from labelmend.methods.base import (
    LEARNS_AS_GIVEN,
    Method,
    Scores,
    record_by_belief,
    record_by_loss,
    smooth,
)
from labelmend.methods.cross_entropy import CrossEntropySettings
from labelmend.methods.plan import Progress
from labelmend.models.ensemble import Ensemble

GIVEN = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
OWN = torch.tensor([0.95, 0.9, 0.92, 0.05, 0.1, 0.94, 0.08, 0.91])
WRONG = OWN < 0.5
TRUSTED = torch.arange(8) == 3


class Plain(Method):
    Settings = CrossEntropySettings


class AsGiven(Plain):
    refuses_smoothing = LEARNS_AS_GIVEN


def probabilities():
    """Rows that give each given label its share of ``OWN``."""
    rest = ((1 - OWN) / 2)[:, None].repeat(1, 3)
    return rest.scatter(1, GIVEN[:, None], OWN[:, None])


@pytest.fixture
def task(make_task, logits_network):
    """Two networks, and averages that are others."""
    averages = [logits_network(2.0), logits_network(-4.0)]

    def score(network):
        return Scores(probabilities() if network is averages[0] else probabilities().flip(1), None)

    return make_task(GIVEN, logits_network(1.0), logits_network(-1.0), averages=averages, score=score)


def test_smoothed_labels_by_hand():
    found = smooth(torch.tensor([1, 0]), 4, 0.2)
    expected = torch.tensor([[0.05, 0.85, 0.05, 0.05], [0.85, 0.05, 0.05, 0.05]])
    assert torch.allclose(found, expected)
    assert smooth(torch.tensor([2, 0]), 3, 0.0).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_easy_is_what_has_a_small_loss_and_what_is_trusted():
    record = record_by_loss(probabilities(), GIVEN, TRUSTED)
    assert torch.equal(record.easy, ~WRONG | TRUSTED)
    assert (record.easiness[~WRONG] > 0.9).all() and (record.easiness[WRONG] < 0.1).all()
    assert torch.allclose(record.label_quality, torch.where(TRUSTED, 1.0, OWN))
    assert (record.corrected == -1).all()


def test_a_belief_and_the_probability_of_the_model_make_the_label_quality():
    belief = torch.tensor([1.0, 0.5, 0.6, 0.0, 0.7, 0.2, 0.0, 0.51])
    record = record_by_belief(probabilities(), GIVEN, TRUSTED, belief)
    assert record.easy.tolist() == [True, False, True, True, True, False, False, True]
    assert record.label_quality[:3].tolist() == pytest.approx([0.975, 0.7, 0.76])
    assert (float(record.label_quality[3]), float(record.easiness[3])) == (1, 1)
    assert torch.allclose(record.easiness[~TRUSTED], belief[~TRUSTED])
    stricter = record_by_belief(probabilities(), GIVEN, TRUSTED, belief, threshold=0.6)
    assert stricter.easy.tolist() == [True, False, False, True, True, False, False, False]


def test_every_sample_is_seen_once_an_epoch_less_a_last_batch_of_one(task):
    method = Plain(CrossEntropySettings(), task)  # batches of eight
    (step,) = method.shuffled_steps()
    assert sorted(step.index.tolist()) == list(range(8))
    assert step.index.tolist() != list(range(8))
    among = torch.tensor([5, 1, 7])
    (step,) = method.shuffled_steps(among, "second")
    assert (sorted(step.index.tolist()), step.role) == ([1, 5, 7], "second")
    ten = torch.arange(8).repeat(2)
    assert [len(step.index) for step in method.shuffled_steps(ten[:9])] == [8]
    assert [len(step.index) for step in method.shuffled_steps(ten[:10])] == [8, 2]


def test_where_fewer_than_two_of_the_samples_asked_for_can_be_learned_all_are(task):
    task = replace(task, learnable=torch.arange(8) >= 3)
    method = Plain(CrossEntropySettings(), task)
    for among in ([], [7], [0, 1, 2], [0, 1, 7]):
        (step,) = method.shuffled_steps(torch.tensor(among, dtype=torch.int64))
        assert sorted(step.index.tolist()) == [3, 4, 5, 6, 7]
    (step,) = method.shuffled_steps(torch.tensor([0, 6, 7]))
    assert sorted(step.index.tolist()) == [6, 7]


def test_by_default_the_average_of_the_first_network_is_final_and_the_networks_are_trained(task):
    method = Plain(CrossEntropySettings(), task)
    assert method.final_model() is task.averages[0]
    (group,) = method.optimizers(0)["networks"].groups
    assert [id(p) for p in group.parameters] == [id(network.factor) for network in task.networks]
    assert torch.allclose(method.record().probabilities, probabilities())
    assert method.selection() is None
    assert [stage.share for stage in method.stages()] == [1.0]


def test_the_logits_of_several_final_networks_are_averaged(task):
    method = Plain(CrossEntropySettings(), task)
    method.final_networks = lambda: task.averages
    model = method.final_model()
    assert isinstance(model, Ensemble)
    images = torch.tensor([[1.0, 2.0, 3.0]])
    assert torch.allclose(model(images), -images)  # the mean of 2 and -4 times


def test_held_out_loss_is_one_where_the_given_label_is_not_predicted(task):
    logits = 2 * torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
    found = Plain(CrossEntropySettings(), task).validation_loss(logits, GIVEN)
    assert found.tolist() == [float(row.argmax() != label) for row, label in zip(logits, GIVEN, strict=True)]


def test_no_epoch_is_the_best_before_samples_are_told_apart(task):
    class Selecting(Plain):
        has_selected = False

    assert not Selecting(CrossEntropySettings(), task).may_be_best(Progress(1, 0.5))
    assert Plain(CrossEntropySettings(), task).may_be_best(Progress(1, 0.0))


def test_smoothing_is_refused_by_what_learns_labels_as_given_only(task):
    smoothed = replace(task, label_smoothing=0.1)
    with pytest.raises(SettingsError, match=r"--label-smoothing is 0\.1, but --method ce"):
        AsGiven(CrossEntropySettings(), smoothed)
    AsGiven(CrossEntropySettings(), task)
    Plain(CrossEntropySettings(), smoothed)


def test_strong_views_are_learned_where_the_setting_says_so():
    assert not Method.learns_strong_views(CrossEntropySettings())

    class Settings(CrossEntropySettings):
        strong_views = True

    assert Method.learns_strong_views(Settings())
