from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.errors import SettingsError
from labelmend.methods.base import Scores
from labelmend.methods.plan import Progress
from labelmend.methods.seal import Seal, SealSettings
from labelmend.training.trainer import Trainer

GIVEN, INDEX = [0, 1, 2, 0, 1], [4, 0, 2, 1]
P = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.6, 0.2], [0.7, 0.1, 0.2], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
Q = torch.tensor([[0.8, 0.1, 0.1], [0.0, 0.8, 0.2], [0.1, 0.3, 0.6], [0.3, 0.4, 0.3], [0.1, 0.7, 0.2]])


def images():
    return 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def method(make_task, logits_network):
    def make(*probabilities, trusted=None, label_smoothing=0.0, **settings):
        said = list(probabilities)
        asked = []

        def score(network, views=0):
            asked.append(views)
            p = said.pop(0)
            return Scores(p, p)

        task = make_task(GIVEN, logits_network(), score=score, trusted=trusted)
        made = Seal(SealSettings(**settings), replace(task, label_smoothing=label_smoothing))
        made.asked = asked
        return made

    return make


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_first_network_learns_the_given_labels(method, views, smoothing):
    loss = method(label_smoothing=smoothing).loss(views(INDEX, [images()]), Progress(1, 0.1))
    labels = torch.tensor(GIVEN)[INDEX]
    expected = functional.cross_entropy(images(), labels, label_smoothing=smoothing)
    assert torch.allclose(loss, expected, atol=1e-6)


def test_the_next_learns_the_mean_over_the_epochs_by_hand(method, views):
    m = method(P, Q, P, iterations=2)
    for epoch in (1, 2):
        m.end_epoch(Progress(epoch, epoch / 6))
    m.end_stage(Progress(2, 1 / 3, stage=0))
    mean = (P + Q) / 2
    loss = m.loss(views(INDEX, [images()]), Progress(3, 0.4, stage=1))
    expected = -(mean[INDEX] * images().log_softmax(1)).sum(1).mean()
    assert torch.allclose(loss, expected, atol=1e-6)
    # On a random view of every image, and from nothing for the network after.
    assert m.asked == [1, 1]
    m.end_epoch(Progress(3, 0.6, stage=1))
    m.end_stage(Progress(3, 2 / 3, stage=1))
    assert torch.allclose(m.targets, P)


def test_labels_of_a_person_are_learned_as_they_are(method):
    trusted = torch.arange(len(GIVEN)) == 1
    m = method(P, iterations=1, trusted=trusted)
    m.end_epoch(Progress(1, 0.5))
    m.end_stage(Progress(1, 0.5, stage=0))
    assert torch.equal(m.targets[1], functional.one_hot(torch.tensor(GIVEN[1]), m.targets.shape[1]).float())
    assert torch.equal(m.targets[~trusted], P[~trusted])


def test_stages_have_equal_shares_and_new_networks(method):
    stages = method(iterations=3).stages()
    assert [stage.share for stage in stages] == [0.25] * 4
    assert [stage.fresh for stage in stages] == [False, True, True, True]
    (only,) = method(iterations=0).stages()
    assert only.share == 1


@pytest.mark.parametrize("forget", [False, True])
def test_momentum_is_forgotten_as_asked(method, forget):
    plan = method(forget_momentum=forget).optimizers(0)["networks"]
    assert plan.renew_each_epoch is forget
    assert not SealSettings().forget_momentum


def test_the_record_is_the_mean_over_the_last_network_by_hand(method):
    final = torch.tensor([[0.9, 0.05, 0.05]] * 5)
    m = method(P, Q, final, trusted=torch.arange(5) == 3, iterations=1)
    for epoch in (3, 4):
        m.end_epoch(Progress(epoch, epoch / 4, stage=1))
    m.end_stage(Progress(4, 1.0, stage=1))
    record = m.record()
    mean = (P + Q) / 2
    # The third is 0.4, 0.2, 0.4; the fourth is trusted; the fifth is 0.2, 0.5, 0.3.
    assert record.easy.tolist() == [True, True, False, True, True]
    assert record.corrected.tolist() == [-1, -1, 0, -1, -1]
    assert float(record.vote_share[2]) == pytest.approx(0.4)
    assert record.label_quality.tolist() == pytest.approx([0.7, 0.7, float(mean[2, 2]), 1.0, 0.5])
    assert torch.equal(record.probabilities, final)


def test_before_the_first_epoch_the_record_is_of_the_model(method):
    record = method(P).record()
    assert record.easy.tolist() == [True, True, False, False, False]


def test_a_run_hands_over_means_of_whole_stages(noisy_digits):
    settings = Settings(
        SealSettings(iterations=1),
        network=NetworkSettings(widths=[8, 16]),
        budget=BudgetSettings(epochs=4),
        training=TrainingSettings(batch_size=50, lr=0.1, precision="float32"),
    )
    run = Trainer(settings, noisy_digits)
    said = []
    score = run.method.task.score

    def watched(network, views=0):
        found = score(network, views)
        said.append(found.probabilities)
        return found

    run.method.task = replace(run.method.task, score=watched)
    for _ in range(3):
        run.run_epoch()
    assert torch.allclose(run.method.targets, (said[0] + said[1]) / 2)
    assert torch.allclose(run.method.total, said[2])


def test_fewer_than_no_iterations_are_refused():
    with pytest.raises(SettingsError, match="--iterations"):
        SealSettings(iterations=-1)
