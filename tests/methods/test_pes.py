from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.errors import SettingsError
from labelmend.methods import pes
from labelmend.methods.base import Scores
from labelmend.methods.pes import Pes, PesSettings, class_weights
from labelmend.methods.plan import Progress
from labelmend.semi.sharpen import sharpen
from labelmend.training.trainer import Trainer

GIVEN, INDEX = [0, 1, 2, 0, 1, 1], [4, 0, 2, 1]
P = torch.tensor(
    [[0.6, 0.3, 0.1], [0.2, 0.6, 0.2], [0.7, 0.1, 0.2], [0.1, 0.8, 0.1], [0.3, 0.4, 0.3], [0.1, 0.1, 0.8]]
)
# Predicted as given: the first, second and fifth.
LAST = Progress(9, 0.9, stage=2, stage_share=0.8)


def images(seed=3):
    return 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def method(make_task, logits_network):
    def make(p=P, trusted=None, **settings):
        asked = []

        def score(network, views=0):
            asked.append(views)
            return Scores(p, p)

        task = make_task(GIVEN, logits_network(), score=score, trusted=trusted)
        made = Pes(PesSettings(**settings), task)
        made.asked = asked
        return made

    return make


def test_class_weights_by_hand():
    # Counts 6, 2, 1 and 0 of classes 0 to 3; their mean is 9 / 4.
    found = class_weights(torch.tensor([0] * 6 + [1] * 2 + [2]), 4)
    assert found.tolist() == pytest.approx([9 / 4 / 6, 9 / 4 / 2, 9 / 4, 3.0])
    assert class_weights(torch.tensor([0] * 19 + [1]), 2).tolist() == pytest.approx([10 / 19, 3.0])
    assert class_weights(torch.tensor([0, 1, 2, 2, 1, 0]), 3).tolist() == [1, 1, 1]


def test_stages_and_their_optimisers(make_task, network):
    m = Pes(PesSettings(warmup=0.3, head_share=0.2, head_lr=0.02), make_task([0, 1, 2], network))
    whole, head, rest = m.stages()
    assert [stage.share for stage in (whole, head, rest)] == pytest.approx([0.3, 0.2, 0.5])
    assert (head.redrawn, head.frozen) == (("classifier",), ("extractor",))
    assert not any(stage.restarts for stage in (whole, head, rest))
    assert m.optimizers(0).keys() == m.optimizers(2).keys() == {"networks"}
    (plan,) = m.optimizers(1).values()
    assert (plan.kind, plan.lr, plan.schedule.kind) == ("adam", 0.02, "constant")
    assert plan.groups[0].parameters == tuple(network.classifier.parameters())


def test_what_is_predicted_as_given_is_labelled(method):
    m = method()
    assert m.metrics() == {}
    m.task = replace(m.task, batch_size=2)
    steps = m.start_epoch(LAST)
    assert m.asked == [2]
    assert m.confident.tolist() == [True, True, False, False, True, False]
    assert m.metrics() == {"labelled": 3}
    parts = {name: torch.cat([step.parts[name] for step in steps]) for name in ("labelled", "unlabelled")}
    assert parts["labelled"].sort().values.tolist() == [0, 1, 4]
    assert parts["unlabelled"].sort().values.tolist() == [2, 3, 5]


def test_trusted_labels_are_labelled_and_where_none_is_all_are(method):
    m = method(trusted=torch.arange(6) == 3)
    m.start_epoch(LAST)
    assert m.confident.tolist() == [True, True, False, True, True, False]
    m = method(p=torch.eye(3)[[1, 0, 0, 1, 0, 0]])
    m.start_epoch(LAST)
    assert m.confident.tolist() == [True] * 6


def test_where_none_that_is_confirmed_can_be_learned_all_are_labelled(method):
    m = method()
    # Confirmed are the first, second and fifth.
    m.task = replace(m.task, learnable=torch.tensor([False, False, True, True, False, True]))
    m.start_epoch(LAST)
    assert m.confident.tolist() == [True] * 6
    m.task = replace(m.task, learnable=torch.tensor([False, False, True, True, True, True]))
    m.start_epoch(LAST)
    assert m.confident.tolist() == [True, True, False, False, True, False]


def test_a_step_without_labelled_samples_has_the_loss_of_the_others(method, views, monkeypatch):
    monkeypatch.setattr(pes, "ALPHAS", (0.0, 0.0))
    m = method(lambda_unlabelled=8.0, warmup=0.3, head_share=0.1, ramp=0.2)
    m.start_epoch(LAST)
    a, b = images()[:2], images(4)[:2]
    loss = m.loss(views([2, 3], [a, b]), LAST)
    guess = sharpen((a.softmax(1) + b.softmax(1)) / 2, 0.5)
    apart = torch.stack([(v.softmax(1) - guess).square().mean() for v in (a, b)]).mean()
    assert torch.allclose(loss, 8.0 * apart, atol=1e-5)


@pytest.mark.parametrize("stage", [0, 1])
def test_cross_entropy_comes_first(method, views, stage):
    m = method()
    assert len(torch.cat([step.index for step in m.start_epoch(Progress(1, 0.1, stage=stage))])) == 6
    loss = m.loss(views(INDEX, [images()]), Progress(1, 0.1, stage=stage))
    expected = functional.cross_entropy(images(), torch.tensor(GIVEN)[INDEX])
    assert torch.allclose(loss, expected, atol=1e-6)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_semi_supervised_loss_by_hand(method, views, monkeypatch, share):
    """Without mixup, of the labelled first, second and fifth and the unlabelled third sample."""
    monkeypatch.setattr(pes, "ALPHAS", (0.0, 0.0))
    m = method(warmup=0.3, head_share=0.1, ramp=0.2, lambda_unlabelled=8.0)
    progress = Progress(9, share, stage=2)
    m.start_epoch(progress)
    a, b = images(), images(4)
    loss = m.loss(views(INDEX, [a, b]), progress)

    labels = torch.tensor(GIVEN)[INDEX]
    # Counts of labelled 0, 1, 2 are 1, 2 and 0.
    weights = torch.tensor([1.0, 0.5, 3.0])
    labelled = [0, 1, 3]
    own = [weights[labels[i]] * functional.cross_entropy(v[i], labels[i]) for v in (a, b) for i in labelled]
    guess = sharpen(((a.softmax(1) + b.softmax(1)) / 2)[2:3], 0.5)
    apart = torch.stack([(v[2:3].softmax(1) - guess).square().mean() for v in (a, b)]).mean()
    ramp = 0.5 if share == 0.5 else 1.0
    assert torch.allclose(loss, torch.stack(own).mean() + 8.0 * ramp * apart, atol=1e-5)


@pytest.mark.parametrize(("predicted", "seen"), [(P, 4), (torch.eye(3)[[0, 0, 1, 1, 1, 0]], 2)])
def test_one_image_is_not_guessed_alone_as_batch_norm_needs_two(method, views, predicted, seen):
    """One of the four is unlabelled, then two."""
    m = method(p=predicted)
    m.start_epoch(LAST)
    sizes = []
    m.task.networks[0].register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    m.loss(views(INDEX, [images(), images(4)]), LAST)
    assert sizes == [seen, seen, 8]


def test_a_run_stopped_in_the_middle_of_the_last_stage_goes_on_with_its_weights(method, views, monkeypatch):
    """What an epoch under way needs is saved: it is taken up without ``start_epoch``."""
    monkeypatch.setattr(pes, "ALPHAS", (0.0, 0.0))
    stopped, resumed = method(), method()
    stopped.start_epoch(LAST)
    resumed.load_state_dict(stopped.state_dict())
    assert resumed.weights.tolist() == [1.0, 0.5, 3.0]
    losses = [each.loss(views(INDEX, [images(), images(4)]), LAST) for each in (stopped, resumed)]
    assert torch.equal(*losses)


def test_without_weight_for_the_unlabelled_and_with_all_labelled_it_is_cross_entropy(
    method, views, monkeypatch
):
    monkeypatch.setattr(pes, "ALPHAS", (0.0, 0.0))
    m = method(p=torch.eye(3)[GIVEN], lambda_unlabelled=0.0)
    m.start_epoch(LAST)
    m.weights = torch.ones(3)
    loss = m.loss(views(INDEX, [images(), images()]), LAST)
    assert torch.allclose(loss, functional.cross_entropy(images(), torch.tensor(GIVEN)[INDEX]), atol=1e-6)


@pytest.mark.parametrize(("share", "alpha"), [(0.45, 4.0), (0.55, 0.75)])
def test_images_are_mixed_less_in_the_second_half(method, views, monkeypatch, share, alpha):
    seen = []
    mix = pes.mixmatch_batch

    def watched(views, targets, labelled, alpha, generator):
        seen.append(alpha)
        return mix(views, targets, labelled, alpha, generator)

    monkeypatch.setattr(pes, "mixmatch_batch", watched)
    m, progress = method(), Progress(9, share, stage=2)
    m.start_epoch(progress)
    m.loss(views(INDEX, [images(), images()]), progress)
    assert seen == [alpha]


def test_the_record_is_what_the_final_model_confirms(method):
    record = method(trusted=torch.arange(6) == 3).record()
    assert record.easy.tolist() == [True, True, False, True, True, False]
    assert (record.corrected == -1).all()


def test_the_last_layer_is_redrawn_and_learns_alone(noisy_digits):
    settings = Settings(
        PesSettings(warmup=0.25, head_share=0.25),
        network=NetworkSettings(widths=[8, 16]),
        budget=BudgetSettings(epochs=4),
        training=TrainingSettings(batch_size=50, lr=0.1, precision="float32"),
    )
    run = Trainer(settings, noisy_digits)
    network = run.setup.networks[0]

    def weights(of=network):
        return {name: value.clone() for name, value in of.state_dict().items()}

    run.run_epoch()
    before = weights(run.averages[0].average)
    run.run_epoch()
    after = weights()
    # That of the whole network knows no momentum of weights that are gone.
    assert not run.task.optimizers["networks"].state
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"classifier.weight", "classifier.bias"}
    # Drawn anew, not gone on with.
    assert (before["classifier.weight"] - after["classifier.weight"]).abs().mean() > 0.1
    run.run_epoch()
    moved = {name for name, value in weights().items() if not torch.equal(after[name], value)}
    assert "classifier.weight" in moved
    assert any(name.startswith("extractor") for name in moved)


@pytest.mark.parametrize(
    ("settings", "flag"),
    [
        ({"warmup": 0.0}, "--warmup"),
        ({"head_share": 0.0}, "--head-share"),
        ({"warmup": 0.5, "head_share": 0.5}, "--head-share"),
        ({"head_lr": 0.0}, "--head-lr"),
        ({"lambda_unlabelled": -1.0}, "--lambda-unlabelled"),
    ],
)
def test_settings_out_of_range_are_refused(settings, flag):
    with pytest.raises(SettingsError, match=flag):
        PesSettings(**settings)
