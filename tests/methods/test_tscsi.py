from copy import deepcopy
from dataclasses import fields, replace
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.errors import SettingsError
from labelmend.methods import tscsi
from labelmend.methods.base import Scores
from labelmend.methods.dividemix import DivideMix, DivideMixSettings
from labelmend.methods.plan import Progress
from labelmend.methods.tscsi import (
    ConsistencyHeads,
    Tscsi,
    TscsiSettings,
    agreement,
    discrepancy,
    frequency_weighted_mean,
)
from labelmend.models.modes import evaluating
from labelmend.selection.centrality import centrality
from labelmend.selection.easiness import loss_mixture
from labelmend.training.trainer import Trainer

LATE = Progress(4, 0.9)
GIVEN, INDEX = [0, 1, 2, 0, 1, 1], [1, 2, 3]


def images(seed=3, count=3):
    return 2 * torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))


def step(views, role, seeds=(3, 4)):
    batch = views(INDEX, [images(seed) for seed in seeds])
    batch.role = role
    return batch


@pytest.fixture
def method(make_task, logits_network):
    def make(given=GIVEN, features=None, trusted=None, kind=Tscsi, **settings):
        def score(network):
            return Scores(features.softmax(1), features)

        networks = logits_network(1.0), logits_network(-1.0)
        task = make_task(given, *networks, score=score, trusted=trusted)
        return kind(kind.Settings(**settings), task)

    return make


def test_discrepancy_by_hand():
    first = torch.tensor([[0.5, 0.25, 0.25], [1.0, 1e-9, 1e-9]]).log()
    second = torch.tensor([[0.25, 0.25, 0.5], [1e-9, 1.0, 1e-9]]).log()
    assert discrepancy(first, second).tolist() == pytest.approx([0.5, 2.0], abs=1e-6)


def test_frequent_classes_weigh_more_by_hand():
    values, labels = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 1, 0])
    found = frequency_weighted_mean(values, labels, torch.tensor([3.0, 1.0]))
    assert float(found) == pytest.approx((3 * 1 + 2 + 3 * 4) / 7)


def test_agreement_is_a_mixture_in_each_class():
    low, high = torch.linspace(0.0, 0.1, 20), torch.linspace(0.9, 1.0, 20)
    # What is much in the first class is little in the second.
    values = torch.cat([low, high, low + 0.9, high + 0.9])
    labels = torch.cat([torch.zeros(40), torch.ones(40)]).long()
    among = torch.arange(80) % 5 > 0
    found = agreement(values, labels, among)
    little = torch.arange(80) % 40 < 20
    assert (found[among & little] > 0.99).all()
    assert (found[among & ~little] < 0.01).all()
    assert (found[~among] == 0).all()


def test_heads_have_weights_of_their_own_from_the_generator_alone():
    state = torch.get_rng_state()
    made = [ConsistencyHeads(8, 3, torch.Generator().manual_seed(0)) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), state)
    (one, two), weights = made[0].heads, [h.state_dict() for h in made]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(one[2].weight, two[2].weight)
    projected, first, second = made[0](torch.rand(5, 8))
    assert (projected.shape, first.shape, second.shape) == ((5, 128), (5, 3), (5, 3))


def test_a_sample_is_clean_that_is_central_by_hand(method, clusters):
    """The chain from features to probabilities, each link of which has a test of its own."""
    features, true = clusters(30)
    given = torch.where(torch.arange(90) % 5 == 0, (true + 1) % 3, true)
    trusted = torch.arange(90) == 5
    m = method(given, features[:, :3], trusted)
    heads = m.heads_of(1)
    with evaluating(heads), torch.no_grad():
        projected, first, second = heads(features[:, :3])
    near = centrality(projected, (first + second).argmax(1), given, 3)
    expected = loss_mixture(1 - near, max_iter=100, tol=0.1).easiness
    found = m.clean_by(m.task.averages[1])
    assert torch.allclose(found[~trusted], expected[~trusted], atol=1e-6)
    assert float(found[5]) == 1


def test_wrong_labels_are_far_from_their_centre(method, clusters, monkeypatch):
    """With heads that know the classes and a projection that keeps the features."""
    features, true = clusters(30)
    wrong = torch.arange(90) % 5 == 0
    m = method(torch.where(wrong, (true + 1) % 3, true), features[:, :3])
    logits = 9 * functional.one_hot(true, 3).float()
    monkeypatch.setattr(m, "passed", lambda number, features: (features, logits, logits))
    clean = m.clean_by(m.task.averages[0])
    assert (clean[~wrong] > 0.9).all()
    assert (clean[wrong] < 0.1).all()


def test_stage_two_leaves_out_what_the_heads_disagree_on(method, clusters, monkeypatch, with_optimizers):
    features, true = clusters(30)
    given = true.clone()
    given[:3] = (true[:3] + 1) % 3  # far from the centre of their class
    trusted = torch.arange(90) == 89
    m = with_optimizers(
        method(given, features[:, :3], trusted, d_threshold=0.5, discrepancy_steps=0, warmup=0.0)
    )
    logits, other = 9 * functional.one_hot(true, 3).float(), 9 * functional.one_hot(true, 3).float()
    apart = torch.arange(90) % 6 == 5
    other[apart] = other[apart].roll(1, dims=1)
    monkeypatch.setattr(m, "passed", lambda number, features: (features, logits, other))
    monkeypatch.setattr(m, "divided_steps", lambda role: [])
    m.start_epoch(LATE)
    expected = (torch.arange(90) >= 3) & (~apart | trusted)
    for number in (0, 1):
        assert m.labelled_for(number).tolist() == expected.tolist()
    # Final verdicts know of the second stage too: what no network was given is not easy.
    every = SimpleNamespace(easy=torch.ones(90, dtype=torch.bool))
    monkeypatch.setattr(DivideMix, "record", lambda self: every)
    monkeypatch.setattr("labelmend.methods.tscsi.replace", lambda found, easy: easy)
    assert m.record().tolist() == expected.tolist()
    m.consistent[0] = True
    assert m.record().all()
    m.settings.d_threshold = 0.0
    m.consistent.fill_(False)
    assert m.record().easy.all()
    m.start_epoch(LATE)
    assert m.labelled_for(0).tolist() == (torch.arange(90) >= 3).tolist()


def test_each_network_learns_the_division_of_the_other(method):
    m = method(p_threshold=0.4)
    m.clean.copy_(torch.tensor([[0.9] * 6, [0.1, 0.9, 0.9, 0.1, 0.9, 0.9]]))
    m.consistent.copy_(torch.tensor([[True] * 3 + [False] * 3, [True] * 6]))
    assert m.labelled_for(0).tolist() == [False, True, True, False, True, True]
    assert m.labelled_for(1).tolist() == [True] * 3 + [False] * 3


def test_heads_are_driven_apart_on_frozen_features(method, clusters, with_optimizers):
    features, true = clusters(30)
    m = with_optimizers(method(true, features[:, :3], discrepancy_weight=90.0, discrepancy_steps=30))
    before = {name: value.clone() for name, value in m.state_dict().items()}

    def apart(number):
        _, first, second = m.passed(number, features[:, :3])
        return float(discrepancy(first, second).mean())

    was = apart(0), apart(1)
    m.drive_apart(0, features[:, :3], torch.arange(90))
    assert apart(0) > was[0] + 0.1
    assert apart(1) == was[1]
    after = m.state_dict()
    moved = {name.split(".")[2] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"heads"}  # not the projection


def test_a_step_apart_is_up_the_mean_discrepancy_over_the_size_of_the_batch(method, clusters):
    features, true = clusters(4)
    m = method(true, features[:, :3], discrepancy_weight=6.0, discrepancy_steps=1)
    heads, labels = m.heads_of(0), torch.as_tensor(true)
    parameters = list(heads.heads.parameters())
    m.task.optimizers["discrepancy"] = torch.optim.SGD(parameters, lr=0.5)
    among = torch.tensor([0, 3, 6, 9, 1, 2])  # four of class 0, one each of 1 and 2
    _, first, second = heads(features[among, :3])
    frequencies = torch.bincount(labels[among], minlength=3).float()
    apart = frequency_weighted_mean(discrepancy(first, second), labels[among], frequencies)
    slopes = torch.autograd.grad(apart, parameters)
    expected = [p.detach() + 0.5 * 6.0 / len(among) * s for p, s in zip(parameters, slopes, strict=True)]
    m.drive_apart(0, features[:, :3], among)
    assert all(torch.allclose(p, e, atol=1e-6) for p, e in zip(parameters, expected, strict=True))
    assert any(float(slope.abs().max()) > 1e-3 for slope in slopes)


@pytest.mark.parametrize("changes", [{"discrepancy_steps": 0}, {"discrepancy_weight": 0.0}])
def test_heads_are_left_alone_as_asked_and_where_nothing_is_central(
    method, clusters, with_optimizers, changes
):
    features, true = clusters(30)
    for settings, index in ((changes, torch.arange(90)), ({}, torch.arange(1))):
        m = with_optimizers(method(true, features[:, :3], **settings))
        before = {name: value.clone() for name, value in m.heads.state_dict().items()}
        m.drive_apart(0, features[:, :3], index)
        assert all(torch.equal(before[name], value) for name, value in m.heads.state_dict().items())


def test_heads_are_driven_apart_on_central_samples_that_may_be_learned(method, clusters, monkeypatch):
    features, true = clusters(4)
    m = method(true, features[:, :3], p_threshold=0.5, d_threshold=0.0)
    learnable = torch.arange(12) % 3 > 0
    m.task = replace(m.task, learnable=learnable)
    m.clean[0] = torch.linspace(0.0, 1.0, 12)
    among = []
    monkeypatch.setattr(m, "drive_apart", lambda number, features, index: among.append(index.tolist()))
    central = m.agreed(0, features[:, :3])
    assert among == [[7, 8, 10, 11]]
    assert central.tolist() == [False] * 6 + [True] * 6


def test_the_warm_up_is_cross_entropy_of_networks_and_heads_apart(method, views):
    m = method(confidence_penalty=0.0)
    (update,) = m.updates(step(views, ""), Progress(1, 0.0))
    labels = torch.tensor(GIVEN)[INDEX]
    expected = []
    for number, factor, seed in ((0, 1.0, 3), (1, -1.0, 4)):
        expected.append(functional.cross_entropy(factor * images(seed), labels))
        _, *logits = m.heads_of(number)(images(seed))
        expected += [functional.cross_entropy(each, labels) for each in logits]
    assert torch.allclose(update.loss, torch.stack(expected).sum(), atol=1e-5)
    assert update.optimizers is None
    update.loss.backward()
    labels_loss = functional.cross_entropy(m.task.networks[0].factor * images(3), labels)
    (slope,) = torch.autograd.grad(labels_loss, m.task.networks[0].factor)
    # The heads are on detached features: the network learns from its own loss alone.
    assert float(m.task.networks[0].factor.grad) == pytest.approx(float(slope), rel=1e-5)


def test_without_heads_a_step_is_that_of_dividemix(method, views):
    """The loss of the network is DivideMix's on the same division; its gradient knows no head."""
    clean = torch.tensor([[0.9, 0.1, 0.8, 0.9, 0.2, 0.7], [0.9, 0.8, 0.3, 0.9, 0.2, 0.7]])
    settings = {"mixup_alpha": 0.0, "p_threshold": 0.5, "warmup": 0.1}
    mine, theirs = method(**settings), method(kind=DivideMix, **settings)
    for m in (mine, theirs):
        m.clean.copy_(clean)
    down = next(mine.updates(step(views, "0"), LATE))
    down.loss.backward()
    theirs.loss(step(views, "0"), LATE).backward()
    slopes = [float(m.task.networks[0].factor.grad) for m in (mine, theirs)]
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-4)
    assert mine.task.networks[1].factor.grad is None
    assert all(p.grad is None for p in mine.heads_of(1).parameters())
    assert all(p.grad is not None for p in mine.heads_of(0).parameters())


def test_the_discrepancy_of_the_network_goes_down_in_an_update_of_its_own(method, views, monkeypatch):
    m = method(mixup_alpha=0.0, discrepancy_weight=0.25, warmup=0.1)
    m.clean.fill_(0.9)
    updates = list(m.updates(step(views, "1"), LATE))
    assert [update.optimizers for update in updates] == [None, ("networks",)]
    # Every sample is labelled: both views, one after the other.
    inputs = torch.cat([images(3), images(4)])
    _, first, second = m.heads_of(1)(inputs)
    # A tenth, however hard the heads are driven apart.
    assert torch.allclose(updates[1].loss, 0.1 * discrepancy(first, second).mean(), atol=1e-5)
    (only,) = method(discrepancy_weight=0.0).updates(step(views, "1"), LATE)
    assert only.optimizers is None


def test_a_step_drives_the_network_alone_down_the_discrepancy(noisy_digits):
    settings = Settings(
        TscsiSettings(warmup=0.25, discrepancy_steps=5, discrepancy_weight=0.3),
        network=NetworkSettings(widths=[8, 16]),
        budget=BudgetSettings(epochs=4),
        training=TrainingSettings(batch_size=50, lr=0.1, precision="float32"),
    )
    run = Trainer(settings, noisy_digits)
    assert list(run.task.optimizers) == ["networks", "heads", "discrepancy"]
    run.run_epoch()
    row = run.run_epoch()
    assert row["labelled"] > 0
    step_, take = run.stages.step, []

    def watched(loss, names):
        before = {name: value.clone() for name, value in run.method.heads.named_parameters()}
        step_(loss, names)
        moved = any(not torch.equal(before[n], value) for n, value in run.method.heads.named_parameters())
        take.append((names, moved))

    run.stages.step = watched
    run.run_epoch()
    assert set(take) == {(None, True), (("networks",), False)}


def test_the_passes_of_the_heads_are_counted(method, views, with_optimizers):
    """Of one sample as PyTorch counts them; a step forward and backward is three times a pass."""
    m = with_optimizers(method(mixup_alpha=0.0, discrepancy_steps=4, warmup=0.1))
    with FlopCounterMode(display=False) as counter:
        m.heads_of(0)(images(count=2))
    one, counted = counter.get_total_flops() / 2, m.task.meter.operations
    list(m.updates(step(views, ""), Progress(1, 0.0)))
    assert counted == [9 * one, 9 * one]  # three samples, two networks
    counted.clear()
    m.clean.fill_(0.9)
    list(m.updates(step(views, "1"), LATE))
    assert counted == [18 * one, 18 * one]  # two views of three samples, two updates
    counted.clear()
    m.passed(0, images(count=5))
    m.drive_apart(0, images(count=6), torch.arange(6))
    assert counted == [5 * one, 3 * 6 * 4 * one]  # batches of six samples, four times


def test_both_networks_are_final(method):
    m = method()
    assert list(m.final_networks()) == list(m.task.averages)


def test_settings_are_those_of_dividemix_and_three_more():
    names = [entry.name for entry in fields(DivideMixSettings)]
    own = ["d_threshold", "discrepancy_steps", "discrepancy_weight"]
    assert [entry.name for entry in fields(TscsiSettings)] == names + own
    assert replace(TscsiSettings(), p_threshold=0.0).p_threshold == 0
    assert tscsi.PROJECTED == 128


@pytest.mark.parametrize(
    ("setting", "value"),
    [("d_threshold", 1.0), ("discrepancy_steps", -1), ("discrepancy_weight", -0.1), ("p_threshold", 1.0)],
)
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(SettingsError, match="--" + setting.replace("_", "-")):
        TscsiSettings(**{setting: value})


def test_each_network_is_asked_about_by_its_own_heads(make_task, logits_network, monkeypatch):
    averages = [logits_network(2.0), logits_network(3.0)]
    task = make_task(
        [0, 1, 2, 0, 1, 1],
        logits_network(),
        logits_network(),
        averages=averages,
        score=lambda network: Scores(torch.rand(6, 3), torch.full((6, 3), float(network.factor.detach()))),
    )
    m = Tscsi(TscsiSettings(warmup=0.0, d_threshold=0.5, discrepancy_steps=0), task)
    passed, asked = m.passed, []
    monkeypatch.setattr(
        m,
        "passed",
        lambda number, features: asked.append((number, float(features[0, 0]))) or passed(number, features),
    )
    m.start_epoch(Progress(4, 0.9))
    assert asked == [(0, 2.0), (0, 2.0), (1, 3.0), (1, 3.0)]


@pytest.mark.parametrize("role", ["", "0"])
def test_no_loss_of_the_heads_reaches_the_extractor(make_task, network, views, role):
    """With heads of another seed the first update has another loss and the same gradient of the network."""
    found = []
    for seed in (0, 1):
        mine, other = deepcopy(network).train(), deepcopy(network).train()
        m = Tscsi(
            TscsiSettings(mixup_alpha=0.0, warmup=0.1), make_task([0, 1, 2, 0, 1, 1], mine, other, seed=seed)
        )
        m.clean.copy_(torch.tensor([[0.9] * 6, [0.1, 0.9, 0.9, 0.1, 0.9, 0.9]]))
        images = [torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(i)) for i in (1, 2)]
        batch = views([1, 2, 3, 0], images)
        batch.role = role
        update = next(m.updates(batch, Progress(4, 0.9)))
        update.loss.backward()
        found.append(
            (
                float(update.loss.detach()),
                torch.cat([p.grad.flatten() for p in mine.parameters() if p.grad is not None]),
            )
        )
    (loss, slope), (other_loss, other_slope) = found
    assert loss != pytest.approx(other_loss, abs=1e-4)
    assert torch.allclose(slope, other_slope, atol=1e-6)
