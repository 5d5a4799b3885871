import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.errors import SettingsError
from labelmend.methods.base import Scores
from labelmend.methods.dac import Dac, DacSettings, abstention_loss
from labelmend.methods.plan import Progress
from labelmend.training.trainer import Trainer

GIVEN, INDEX = [0, 1, 2, 0, 1], [4, 0, 2, 1]


def logits_of(count=4, seed=3):
    return 2 * torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def method(make_task, logits_network):
    def make(score=None, trusted=None, **settings):
        average = logits_network(outputs=4)
        task = make_task(GIVEN, logits_network(outputs=4), averages=[average], score=score, trusted=trusted)
        return Dac(DacSettings(**settings), task)

    return make


def test_loss_by_hand():
    # Probabilities (1/2, 1/4, 1/4) of two classes and of abstaining; (2/3, 1/3) of the classes alone.
    logits = torch.tensor([[math.log(2), 0.0, 0.0], [math.log(2), 0.0, 0.0]])
    found = abstention_loss(logits, torch.tensor([0, 1]), 0.5)
    engaged = 0.75
    expected = [engaged * math.log(3 / 2), engaged * math.log(3)]
    assert found.tolist() == pytest.approx([value - 0.5 * math.log(engaged) for value in expected])


def test_with_no_part_abstained_it_is_cross_entropy():
    logits = torch.cat([logits_of()[:, :3], torch.full((4, 1), -1e4)], dim=1)
    labels = torch.tensor([0, 1, 2, 0])
    expected = functional.cross_entropy(logits[:, :3], labels, reduction="none")
    for cost in (0.0, 1.0, 1e6):
        assert torch.allclose(abstention_loss(logits, labels, cost), expected, atol=1e-6)


def test_an_infinite_cost_leaves_the_direction_of_cross_entropy_without_abstaining():
    """The gradient over alpha, as alpha grows, is that of ``-log(1 - p_a)`` alone: it takes p_a to 0."""
    logits = logits_of().double().requires_grad_()
    labels, cost = torch.tensor([0, 1, 2, 0]), 1e9
    (abstention_loss(logits, labels, cost).sum() / cost).backward()
    p = logits.detach().softmax(1)
    abstaining = p[:, -1:]
    expected = torch.cat([-p[:, :-1] * abstaining / (1 - abstaining), abstaining], 1)
    assert torch.allclose(logits.grad, expected, atol=1e-6)


@pytest.mark.parametrize(("cost", "abstains"), [(0.0, True), (1e4, False)])
def test_a_huge_cost_rules_abstaining_out_and_none_invites_it(cost, abstains):
    """Of a sample whose two labels contradict each other; without abstaining the best is one half."""
    logits = torch.zeros(1, 3, requires_grad=True)
    optimizer = torch.optim.SGD([logits], lr=5.0 if abstains else 1e-3)
    for _ in range(200):
        optimizer.zero_grad()
        loss = sum(abstention_loss(logits, torch.tensor([label]), cost).sum() for label in (0, 1))
        loss.backward()
        optimizer.step()
    abstaining = float(logits.detach().softmax(1)[0, -1])
    assert (abstaining > 0.99) == abstains
    assert (abstaining < 0.01) == (not abstains)


def test_a_sure_abstention_stays_finite():
    """Nothing is surer than 1 - 1e-7, as released."""
    logits = torch.tensor([[0.0, 0.0, 500.0]], requires_grad=True)
    loss = abstention_loss(logits, torch.tensor([0]), 1.0)
    assert float(loss.detach()) == pytest.approx(-math.log(1e-7), rel=0.02)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad.isfinite().all()


def test_the_last_output_is_no_class(method):
    assert Dac.num_outputs(3) == 4
    found = method().probabilities(logits_of())
    assert torch.allclose(found, logits_of()[:, :3].softmax(1))


def test_cross_entropy_over_all_outputs_comes_first_and_sets_the_first_cost(method, views):
    """A running mean of decay 0.95, which the first batch begins; a 64th of it is the first cost."""
    m = method(learn=0.5, retrain=0.0)
    labels = torch.tensor(GIVEN)[INDEX]
    seen = []
    for seed, share in ((3, 0.0), (5, 0.25)):
        logits = logits_of(seed=seed)
        loss = m.loss(views(INDEX, [logits]), Progress(1, share, stage_share=share))
        assert torch.allclose(loss, functional.cross_entropy(logits, labels))
        entropy = functional.cross_entropy(logits[:, :3], labels, reduction="none")
        seen.append(float(((1 - logits.softmax(1)[:, -1]) * entropy).mean()))
    mean = 0.95 * seen[0] + 0.05 * seen[1]
    assert float(m.average) == pytest.approx(mean, rel=1e-5)
    loss = m.loss(views(INDEX, [logits_of()]), Progress(2, 0.5, stage_share=0.5))
    assert torch.allclose(loss, abstention_loss(logits_of(), labels, mean / 64).mean())
    assert float(m.average) == pytest.approx(mean, rel=1e-5)


def test_the_cost_rises_linearly_to_its_end(method, views):
    m = method(learn=0.2, retrain=0.5)
    m.average.fill_(0.64)
    labels = torch.tensor(GIVEN)[INDEX]
    for share, cost in ((0.2, 0.01), (0.4, 0.01 + 0.99 / 4), (0.6, 0.01 + 0.99 / 2), (1.0, 1.0)):
        assert float(m.cost(share)) == pytest.approx(cost)
        loss = m.loss(views(INDEX, [logits_of()]), Progress(1, share / 2, stage_share=share))
        assert torch.allclose(loss, abstention_loss(logits_of(), labels, cost).mean())


def test_the_second_stage_is_cross_entropy_over_the_classes(method, views):
    m = method()
    m.start_epoch(Progress(9, 0.6, stage=1, stage_share=0.2))
    loss = m.loss(views(INDEX, [logits_of()]), Progress(9, 0.6, stage=1, stage_share=0.2))
    labels = torch.tensor(GIVEN)[INDEX]
    assert torch.allclose(loss, functional.cross_entropy(logits_of()[:, :3], labels))
    assert float(m.average) == 0


def test_the_first_stage_ends_with_its_last_epoch(method):
    at = [Progress(1, 0.5, stage=stage, stage_share=1.0) for stage in (0, 1)]
    assert [method().may_be_best(progress) for progress in at] == [False, True]


def test_the_only_stage_may_end_with_an_epoch_in_which_it_can_abstain(method):
    at = [Progress(1, share, stage=0, stage_share=share) for share in (0.1, 0.3, 0.4, 1.0)]
    m = method(learn=0.3, retrain=0.0)
    assert [m.may_be_best(progress) for progress in at] == [False, False, True, True]


def test_stages_share_the_budget(method):
    first, second = method(retrain=0.4).stages()
    assert (first.share, second.share) == (0.6, 0.4)
    assert (first.fresh, second.fresh) == (False, True)
    (only,) = method(retrain=0.0).stages()
    assert only.share == 1


def test_samples_abstained_on_are_left_out_of_the_second_stage_unless_trusted(method):
    p = torch.tensor([[0.1, 0.1, 0.1, 0.7]] * 5)
    p[2] = torch.tensor([0.1, 0.5, 0.0, 0.4])
    asked, networks = [], []

    def score(network, views=0, probabilities=None):
        networks.append(network)
        asked.append(probabilities(logits_of()))
        return Scores(p, torch.zeros(5, 1))

    m = method(score, trusted=torch.arange(5) == 4)
    m.end_stage(Progress(5, 0.5, stage=0))
    assert torch.allclose(asked[0], logits_of().softmax(1))
    assert networks == [m.task.averages[0]]
    assert m.abstained.tolist() == [True, True, False, True, False]
    assert m.engaged.tolist() == pytest.approx([0.3, 0.3, 0.6, 0.3, 0.3])
    assert m.metrics() == {"abstained": 3}
    first = m.start_epoch(Progress(1, 0.0, stage=0))
    assert torch.cat([step.index for step in first]).sort().values.tolist() == [0, 1, 2, 3, 4]
    second = m.start_epoch(Progress(6, 0.5, stage=1))
    assert torch.cat([step.index for step in second]).sort().values.tolist() == [2, 4]
    m.end_stage(Progress(9, 1.0, stage=1))
    assert len(asked) == 1


def test_the_record_believes_labels_as_far_as_the_first_network_engages(method):
    p = torch.tensor([[0.6, 0.3, 0.1]] * 5)
    m = method(lambda network: Scores(p, torch.zeros(5, 1)), trusted=torch.arange(5) == 3)
    m.engaged.copy_(torch.tensor([0.8, 0.1, 0.9, 0.2, 0.4]))
    m.abstained.copy_(torch.arange(5) == 1)
    record = m.record()
    assert record.easy.tolist() == [True, False, True, True, True]
    assert record.easiness.tolist() == pytest.approx([0.8, 0.1, 0.9, 1.0, 0.4])
    assert record.label_quality.tolist() == pytest.approx([0.7, 0.2, 0.5, 1.0, 0.35])


def test_where_almost_all_are_abstained_on_all_are_learned_again(method):
    m = method()
    m.abstained.fill_(True)
    steps = m.start_epoch(Progress(6, 0.5, stage=1))
    assert torch.cat([step.index for step in steps]).sort().values.tolist() == [0, 1, 2, 3, 4]


def settings(epochs=16, **changes):
    return Settings(
        DacSettings(**changes),
        network=NetworkSettings(widths=[16, 32]),
        budget=BudgetSettings(epochs=epochs),
        training=TrainingSettings(batch_size=50, lr=0.3, precision="float32"),
    )


def test_the_second_stage_trains_on_the_samples_kept_only(noisy_digits):
    run = Trainer(settings(8), noisy_digits)
    seen = {0: [], 1: []}
    loss = run.method.loss

    def watched(batch, progress):
        seen[progress.stage].append(batch.index)
        return loss(batch, progress)

    def abstain_on_the_first_hundred(progress):
        if progress.stage == 0:
            run.method.abstained.copy_(torch.arange(600) < 100)

    run.method.loss, run.method.end_stage = watched, abstain_on_the_first_hundred
    trained = run.run()
    assert set(torch.cat(seen[0]).tolist()) == set(range(600))
    # A step of a single image is left out, as batch norm needs two.
    assert set(torch.cat(seen[1]).tolist()) == set(range(100, 600))
    easy = trained.record.easy
    assert not easy[:100].any()
    # Of the others those that the evidence agrees with.
    predicted = trained.record.probabilities.argmax(1).numpy()
    assert 0 < int(easy.sum()) <= int((predicted == noisy_digits.given_labels)[100:].sum())
    assert trained.record.probabilities.shape == (600, 10)
    assert {row["stage"] for row in trained.rows} == {0, 1}


def test_learns_and_abstains_on_wrong_labels_more_often(noisy_digits, digits_test):
    run = Trainer(settings(24), noisy_digits, digits_test)
    trained = run.run()
    assert trained.summary["test_accuracy_last"] > 0.6
    abstained = run.method.abstained.numpy()
    assert not trained.record.easy[abstained].any()
    wrong = noisy_digits.given_labels != noisy_digits.true_labels
    assert trained.rows[-1]["abstained"] == abstained.sum()
    if abstained.any():
        assert wrong[abstained].mean() > np.mean(wrong)


@pytest.mark.parametrize("learn", [0.0, 1.0])
def test_no_learning_and_a_whole_budget_of_it_are_refused(learn):
    with pytest.raises(SettingsError, match="--learn"):
        DacSettings(learn=learn)
