"""Features of a frozen backbone in the training loop: heads in folds."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from labelmend.data.features import CachedFeatures
from labelmend.data.image_set import ImageSet
from labelmend.errors import DataError
from labelmend.methods import METHODS
from labelmend.methods.plan import Step
from labelmend.settings.loading import resolve
from labelmend.training.trainer import Trainer, train
from labelmend.verdicts.evidence import contradicts
from labelmend.verdicts.issues import is_label_issue
from labelmend.verdicts.judge import judge


def feature_set(count: int = 200, classes: int = 3, dim: int = 16, signal: float = 3.0, wrong: float = 0.2):
    generator = np.random.default_rng(0)
    true = generator.integers(0, classes, count)
    given = np.where(generator.random(count) < wrong, (true + 1) % classes, true)
    centres = generator.standard_normal((classes, dim)) * signal
    features = (centres[true] + generator.standard_normal((count, dim))).astype(np.float32)
    return ImageSet(
        images=CachedFeatures([features], np.arange(count)[:, None]),
        given_labels=given,
        class_names=[f"class {number}" for number in range(classes)],
        ids=[str(number) for number in range(count)],
        paths=[""] * count,
        true_labels=true,
    )


def settings(method: str = "ce", **values):
    return resolve("fast", method, {"epochs": 20, "lr": 1.0, **values})


def test_no_sample_is_judged_by_a_head_that_has_learned_its_label():
    # Labels drawn at random: a head that has seen them knows them, one that has not is right by chance alone.
    noise = feature_set(dim=200, signal=0.0, wrong=0.0)
    found = train(settings(epochs=101, weight_decay=0.0), noise)
    assert not found.summary["learns_features"]  # so that many epochs do no harm, and nothing is said of them
    given = torch.from_numpy(noise.given_labels)
    judged = (found.record.probabilities.argmax(1) == given).double().mean()
    model = found.network(torch.from_numpy(noise.images.views[0])).argmax(1)
    assert float((model == given).double().mean()) > 0.75
    assert 0.2 < float(judged) < 0.47


def test_every_head_is_trained_and_never_on_its_own_fold():
    trainer = Trainer(settings(batch_size=20), feature_set())
    steps = trainer._trainable_steps(trainer.method.start_epoch(trainer.progress()))
    assert {head for _, head in steps} == {0, 1, 2, 3, 4}
    for step, head in steps:
        assert not (trainer.setup.fold_of[step.index] == head).any()
    heads = trainer.setup.networks[0].classifier.heads
    before = [head.weight.clone() for head in heads]
    trainer.run_epoch()
    assert not any(torch.equal(old, head.weight) for old, head in zip(before, heads, strict=True))


def test_where_a_head_may_learn_nothing_it_is_the_turn_of_the_next():
    """Of one large group and one image of its own the head of the large group may learn one."""
    grouped = replace(feature_set(count=20), groups=["a"] * 19 + ["b"])
    trainer = Trainer(settings(), grouped)
    (own,) = set(trainer.setup.fold_of[:19].tolist())
    for epoch in range(5):
        trainer.epoch = epoch
        ((step, head),) = trainer._trainable_steps([Step.of(torch.arange(20))])
        assert head == ((own + 1) % 5 if epoch == own else epoch)
        assert len(step.index) >= 19
    train(settings(epochs=6), grouped)


def test_heads_take_turns_among_the_steps_of_each_network():
    trainer = Trainer(settings("dividemix"), feature_set())
    steps = [Step.of(torch.arange(200), role) for role in "00111"]
    trained = {"0": set(), "1": set()}
    for epoch in range(5):
        trainer.epoch = epoch
        for step, head in trainer._trainable_steps(steps):
            trained[step.role].add(head)
    assert trained == {"0": {0, 1, 2, 3, 4}, "1": {0, 1, 2, 3, 4}}


def test_an_epoch_begins_with_the_head_behind_the_last_of_the_one_before():
    trainer = Trainer(settings(), feature_set())
    for epoch, expected in enumerate([[0, 1, 2], [3, 4, 0], [1, 2, 3]]):
        trainer.epoch = epoch
        steps = [Step.of(torch.arange(200))] * 3
        assert [head for _, head in trainer._trainable_steps(steps)] == expected


def test_pes_goes_on_where_a_head_has_no_labelled_sample_to_learn():
    of_classes = feature_set(wrong=0.0)
    trusted = np.arange(200) == 0
    groups = [str(label) for label in of_classes.given_labels]
    found = train(settings("pes", epochs=12), replace(of_classes, groups=groups, trusted=trusted))
    assert found.record.probabilities.isfinite().all()


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_learns_from_features(method):
    found = train(settings(method, epochs=12), feature_set(), feature_set(wrong=0.0))
    assert found.summary["test_accuracy_last"] > 0.85
    assert found.record.probabilities.shape == (200, 3)


def test_same_seed_same_verdicts():
    first, second = (train(settings("mend"), feature_set()) for _ in range(2))
    assert torch.equal(first.record.label_quality, second.record.label_quality)
    assert torch.equal(first.record.probabilities, second.record.probabilities)


def test_wrong_labels_are_found():
    assert train(settings("mend"), feature_set(400)).summary["detection_ap"] > 0.95


def test_a_step_is_counted_with_the_one_head_that_it_trains():
    trainer = Trainer(settings(batch_size=20), feature_set())
    trainer.run_epoch()
    trained = trainer.spent.flops
    # Forward and backward to the weights of one head of three classes on 16 features, of four fifths of 200.
    assert trained == pytest.approx(2 * 2 * 16 * 3 * 160, rel=0.02)
    before = trainer.meter.total
    trainer.score(trainer.averages[0].average)
    # A scoring pass asks all five.
    assert trainer.meter.total - before == 2 * 16 * 3 * 5 * 200


def test_equal_images_of_two_groups_are_judged_together():
    images = feature_set(count=100)
    stored = np.arange(100)
    stored[60] = 0
    images = replace(
        images,
        images=CachedFeatures([images.images.views[0]], stored[:, None]),
        groups=[f"patient {number // 2}" for number in range(100)],
    )
    task = Trainer(settings(), images).task
    fold_of, together = task.fold_of, task.together
    # 0 and 60 are one picture, 1 is of the patient of 0, 61 of that of 60.
    assert len(fold_of[[0, 1, 60, 61]].unique()) == 1
    assert torch.equal(fold_of[::2], fold_of[1::2])
    assert len(fold_of.unique()) == 5
    assert len(together[[0, 1, 60, 61]].unique()) == 1
    assert len(together.unique()) == 49


def test_where_each_sample_may_speak_for_all_others_nothing_is_compared():
    assert Trainer(settings(), feature_set(count=100)).task.together is None


def test_a_group_that_is_wrong_as_a_whole_is_found():
    images = feature_set(count=400, wrong=0.0)
    given, groups = images.given_labels.copy(), [str(number) for number in range(400)]
    wrong = np.flatnonzero(given == 0)[:30]
    given[wrong] = 1
    images.images.views[0][wrong, 0] += 6  # alike, as the frames of a video are
    for number in wrong:
        groups[number] = "one patient"
    images = replace(images, given_labels=given, groups=groups)
    found = train(settings("mend"), images).record
    assert (contradicts(found, torch.from_numpy(given))[wrong]).all()
    alone = train(settings("mend"), replace(images, groups=None)).record
    assert not contradicts(alone, torch.from_numpy(given))[wrong].all()


def test_a_class_of_one_group_keeps_its_labels():
    images = feature_set(count=400, wrong=0.0)
    given = images.given_labels
    images = replace(images, groups=["x" if label == 2 else str(n) for n, label in enumerate(given)])
    found = train(settings("mend"), images, feature_set(count=400, wrong=0.0))
    assert found.summary["test_accuracy_last"] > 0.9
    assert not is_label_issue_of(found.record, given)[given == 2].any()


def is_label_issue_of(record, given):
    given = torch.from_numpy(given)
    verdict = judge(record, given).verdict.numpy()
    return is_label_issue(verdict, record.label_quality.numpy(), record, given)


def test_one_group_leaves_nobody_to_judge_by():
    with pytest.raises(DataError, match=r"all images are of one group.*--group-column"):
        Trainer(settings(), replace(feature_set(), groups=["a"] * 200))
