import importlib.util

import numpy as np
import pytest
import torch

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.errors import SettingsError
from labelmend.methods.base import Scores
from labelmend.methods.cleanlab import Cleanlab, CleanlabSettings, find_issues
from labelmend.methods.cross_entropy import CrossEntropy
from labelmend.methods.plan import Progress
from labelmend.training.trainer import Trainer

pytest.importorskip("cleanlab", reason="pip install 'labelmend[cleanlab]'")

GIVEN = torch.arange(60) % 3
WRONG = torch.arange(60) < 6


def opinions():
    """Sure probabilities of the true classes; the given labels of the first six are wrong."""
    true = torch.where(WRONG, (GIVEN + 1) % 3, GIVEN)
    p = torch.full((60, 3), 0.04)
    return p.scatter(1, true[:, None], 0.92)


@pytest.fixture
def method(make_task, logits_network):
    def make(score=None, trusted=None, **settings):
        task = make_task(GIVEN, logits_network(), score=score, trusted=trusted)
        return Cleanlab(CleanlabSettings(**settings), task)

    return make


def test_issues_and_quality_of_a_constructed_case():
    issue, quality = find_issues(opinions(), GIVEN)
    assert torch.equal(issue, WRONG)
    # Cleanlab's label quality is by default the probability of the given label.
    assert torch.allclose(quality, torch.where(WRONG, 0.04, 0.92))


def test_stages_share_the_budget_and_begin_anew(method):
    stages = method(folds=3, cross_validation=0.6).stages()
    assert [stage.share for stage in stages] == pytest.approx([0.2, 0.2, 0.2, 0.4])
    assert all(stage.fresh for stage in stages)


def test_a_group_is_judged_by_a_network_that_has_learned_none_of_it(make_task, logits_network):
    task = make_task(GIVEN, logits_network())
    task.__dict__["together"] = torch.arange(60) // 3
    fold = Cleanlab(CleanlabSettings(folds=3), task).fold.reshape(20, 3)
    assert (fold == fold[:, :1]).all()
    assert torch.bincount(fold[:, 0]).min() >= 6


def test_every_sample_is_judged_by_the_network_that_has_not_learned_it(method):
    m = method(folds=3)
    seen = []
    m.task.__dict__["score"] = lambda network: Scores(torch.full((60, 3), float(m.stage)), torch.zeros(60, 1))
    for m.stage in range(3):
        progress = Progress(1 + m.stage, 0.1, stage=m.stage)
        learned = torch.cat([step.index for step in m.start_epoch(progress)])
        assert len(learned) == 40
        m.end_stage(progress)
        judged = torch.arange(60)[m.fold == m.stage]
        assert set(learned.tolist()).isdisjoint(judged.tolist())
        assert (m.out_of_sample[judged] == m.stage).all()
        seen += judged.tolist()
    assert sorted(seen) == list(range(60))
    before = m.out_of_sample.clone()
    m.stage = 3
    m.end_stage(Progress(9, 1.0, stage=3))
    assert torch.equal(m.out_of_sample, before)


def test_the_last_network_learns_what_is_no_issue_unless_it_is_trusted(method):
    m = method(trusted=torch.arange(60) == 2, folds=3)
    m.out_of_sample.copy_(opinions())
    assert m.metrics() == {}
    steps = m.start_epoch(Progress(5, 0.5, stage=3))
    kept = torch.cat([step.index for step in steps])
    assert sorted(kept.tolist()) == [2, *range(6, 60)]
    assert m.metrics() == {"issues": 5}
    # Settled once: what comes later in the buffer does not count.
    m.out_of_sample.fill_(1 / 3)
    again = torch.cat([step.index for step in m.start_epoch(Progress(6, 0.6, stage=3))])
    assert sorted(again.tolist()) == sorted(kept.tolist())


def test_cleanlab_is_asked_of_trusted_labels_too_which_are_of_full_quality(method):
    # Of the untrusted samples all are given class 2: cleanlab could not judge these alone.
    m = method(trusted=GIVEN < 2, folds=3)
    m.out_of_sample.copy_(opinions())
    m.filter()
    issue, quality = find_issues(opinions(), GIVEN)
    assert torch.equal(m.issue, issue & (GIVEN == 2))
    assert torch.equal(m.quality, torch.where(GIVEN < 2, 1.0, quality))
    assert m.issue.any()


def test_samples_of_a_fold_that_never_had_its_turn_are_kept(method):
    m = method()
    m.out_of_sample.copy_(opinions())
    m.out_of_sample[:3] = 0
    m.filter()
    assert m.issue.nonzero()[:, 0].tolist() == [3, 4, 5]
    p = torch.full((60, 3), 0.1)
    p[:, 0] = 0.8
    m = method(lambda network: Scores(p, torch.zeros(60, 1)))
    m.out_of_sample.copy_(opinions())
    m.out_of_sample[:3] = 0
    m.filter()
    # Of what cleanlab never saw the final network judges.
    plain, record = CrossEntropy.record(m), m.record()
    assert torch.equal(record.label_quality[:3], plain.label_quality[:3])
    assert torch.equal(record.easy[:3], plain.easy[:3])
    assert torch.allclose(record.label_quality[6:], torch.full((54,), 0.92))
    untouched = method()
    untouched.filter()
    assert not untouched.issue.any()


def test_where_all_that_was_judged_is_of_one_class_nothing_is_an_issue(method):
    m = method()
    of_last_class = m.task.given_labels == m.task.given_labels.max()
    m.out_of_sample[of_last_class] = opinions()[of_last_class]
    m.filter()
    assert m.filtered and not m.issue.any()


def test_where_almost_all_are_issues_all_are_learned(method):
    m = method()
    m.filtered.fill_(True)
    m.issue[1:] = True
    steps = m.start_epoch(Progress(6, 0.6, stage=4))
    assert sum(len(step.index) for step in steps) == 60


def test_record_is_cleanlabs(method):
    p = torch.full((60, 3), 1 / 3)
    m = method(lambda network: Scores(p, torch.zeros(60, 1)))
    assert torch.allclose(m.record().label_quality, torch.full((60,), 1 / 3))
    m.out_of_sample.copy_(opinions())
    m.filter()
    record = m.record()
    assert torch.equal(record.easy, ~WRONG)
    assert torch.allclose(record.label_quality, torch.where(WRONG, 0.04, 0.92))
    assert torch.equal(record.easiness, record.label_quality)
    assert torch.equal(record.probabilities, p)


def settings(epochs):
    return Settings(
        CleanlabSettings(folds=3),
        network=NetworkSettings(widths=[16, 32]),
        budget=BudgetSettings(epochs=epochs),
        training=TrainingSettings(batch_size=50, lr=0.3, precision="float32"),
    )


def test_a_run_cross_validates_filters_and_retrains(noisy_digits):
    run = Trainer(settings(6), noisy_digits)
    seen = {number: set() for number in range(4)}
    loss = run.method.loss

    def watched(batch, progress):
        seen[progress.stage].update(batch.index.tolist())
        return loss(batch, progress)

    run.method.loss = watched
    trained = run.run()
    issues = int(trained.rows[-1]["issues"])
    assert 0 < issues < 600
    issue = run.method.issue.numpy()
    assert issues == issue.sum()
    assert not trained.record.easy[issue].any()
    # Of the last few samples of an odd batch one may be left out.
    kept = set(np.flatnonzero(~issue).tolist())
    assert seen[3] <= kept and len(kept - seen[3]) <= 1
    for number in range(3):
        fold = set(np.flatnonzero(run.method.fold.numpy() == number).tolist())
        assert seen[number].isdisjoint(fold)


def test_finds_wrong_labels_of_digits(noisy_digits, digits_test):
    run = Trainer(settings(40), noisy_digits, digits_test)
    trained = run.run()
    wrong = noisy_digits.given_labels != noisy_digits.true_labels
    issue = run.method.issue.numpy()
    assert wrong[issue].mean() > 0.7
    assert issue[wrong].mean() > 0.8
    assert trained.summary["detection_ap"] > 0.9
    assert trained.summary["test_accuracy_last"] > 0.8


def test_without_cleanlab_a_line_says_what_to_install(method, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'labelmend\[cleanlab\]'"):
        method()
    with pytest.raises(SettingsError, match="needs cleanlab, which is not installed"):
        find_issues(opinions(), GIVEN)


def test_settings_name_the_flag_at_fault():
    with pytest.raises(SettingsError, match="--folds"):
        CleanlabSettings(folds=1)
    with pytest.raises(SettingsError, match="--cross-validation"):
        CleanlabSettings(cross_validation=1.0)
