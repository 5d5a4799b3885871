from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from labelmend.errors import SettingsError
from labelmend.methods.base import Scores
from labelmend.methods.dividemix import DivideMix, DivideMixSettings, clean_probability
from labelmend.methods.plan import Progress
from labelmend.models.ensemble import Ensemble
from labelmend.semi.losses import prior_penalty
from labelmend.semi.mixup import mixup_coefficients

GIVEN, INDEX = [0, 1, 2, 0, 1], [4, 0, 2, 1]
LABELS = torch.tensor(GIVEN)[INDEX]
CLEAN = torch.tensor([[0.9, 0.2, 0.7, 0.4, 0.1], [0.8, 0.3, 0.1, 0.6, 0.9]])


def draws(seed):
    return 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))


def sharpened(p, temperature):
    powers = p ** (1 / temperature)
    return powers / powers.sum(1, keepdim=True)


def step(views, role, seeds):
    batch = views(INDEX, [draws(seed) for seed in seeds])
    batch.role = role
    return batch


@pytest.fixture
def method(make_task, logits_network):
    """Networks that multiply images by 1 and -0.5; their averages, by 2 and 3."""

    def make(score=None, trusted=None, **settings):
        task = make_task(
            GIVEN,
            logits_network(1.0),
            logits_network(-0.5),
            averages=[logits_network(2.0), logits_network(3.0)],
            score=score,
            trusted=trusted,
        )
        m = DivideMix(DivideMixSettings(**settings), task)
        m.clean.copy_(CLEAN)
        return m

    return make


@pytest.mark.parametrize("penalty", [0.0, 0.7])
def test_warm_up_is_cross_entropy_of_both_with_the_penalty_by_hand(method, views, penalty):
    loss = method(confidence_penalty=penalty).loss(step(views, "", [1, 2]), Progress(1, 0.0))
    expected = 0.0
    for logits in (draws(1), -0.5 * draws(2)):
        p = logits.softmax(1)
        expected += float(functional.cross_entropy(logits, LABELS) + penalty * (p * p.log()).sum(1).mean())
    assert float(loss.detach()) == pytest.approx(expected, abs=1e-5)


def test_labels_are_smoothed_in_the_warm_up(method, views):
    m = method()
    m.task = replace(m.task, label_smoothing=0.3)
    loss = m.loss(step(views, "", [1, 2]), Progress(1, 0.0))
    expected = sum(
        functional.cross_entropy(logits, LABELS, label_smoothing=0.3)
        for logits in (draws(1), -0.5 * draws(2))
    )
    assert float(loss.detach()) == pytest.approx(float(expected), abs=1e-5)


def test_the_mixture_tells_two_groups_of_losses_apart():
    own = torch.tensor([0.95, 0.9, 0.92, 0.05, 0.08, 0.93, 0.06])
    p = torch.stack([own, (1 - own) / 2, (1 - own) / 2], 1)
    trusted = torch.arange(7) == 3
    clean = clean_probability(p, torch.zeros(7, dtype=torch.long), trusted)
    assert (clean > 0.5).tolist() == [True, True, True, True, False, True, False]
    assert clean[3] == 1


def test_each_network_learns_the_division_of_the_other(method):
    p = torch.tensor([[0.9, 0.05, 0.05]] * 5)
    scored = []

    def score(network):
        scored.append(network)
        return Scores(p, torch.zeros(5, 1))

    m = method(score)
    m.clean_by = lambda network: CLEAN[m.task.averages.index(network)]
    m.clean.zero_()
    steps = m.start_epoch(Progress(3, 0.5))
    assert torch.equal(m.clean, CLEAN)
    labelled = {
        role: set(torch.cat([s.parts["labelled"] for s in steps if s.role == role]).tolist())
        for role in ("0", "1")
    }
    assert labelled == {"0": {0, 3, 4}, "1": {0, 2}}
    unlabelled = {
        role: set(torch.cat([s.parts["unlabelled"] for s in steps if s.role == role]).tolist())
        for role in ("0", "1")
    }
    assert unlabelled["0"] <= {1, 2} and unlabelled["1"] <= {1, 3, 4}
    assert all(len(s.parts["labelled"]) == len(s.parts["unlabelled"]) for s in steps)
    assert [s.role for s in steps] == sorted(s.role for s in steps)
    assert m.metrics() == {"labelled": 2.5}


def test_both_divisions_are_made_before_either_network_is_trained(method):
    order = []
    m = method(lambda network: order.append(network) or Scores(torch.full((5, 3), 1 / 3), torch.zeros(5, 1)))
    m.start_epoch(Progress(3, 0.5))
    assert order == list(m.task.averages)


def test_the_warm_up_divides_nothing(method):
    m = method(warmup=0.4)
    m.clean.zero_()
    (only,) = m.start_epoch(Progress(1, 0.39))
    assert (only.role, only.index.sort().values.tolist()) == ("", [0, 1, 2, 3, 4])
    assert m.metrics() == {}


def test_a_threshold_of_0_labels_all(method):
    m = method(p_threshold=0.0)
    m.clean.zero_()
    for role in ("0", "1"):
        assert m.labelled_for(int(role)).all()
        (only,) = m.divided_steps(role)
        assert (only.role, only.index.sort().values.tolist()) == (role, [0, 1, 2, 3, 4])


def test_where_no_sample_is_clean_both_networks_go_on_with_the_warm_up(method):
    m = method(p_threshold=0.95)
    (only,) = m.divided_steps("1")
    assert only.role == ""


@pytest.mark.parametrize("temperature", [0.5, 0.7])
@pytest.mark.parametrize("number", [0, 1])
def test_targets_by_hand(method, number, temperature):
    m = method(temperature=temperature)
    views = [draws(1), draws(2)]
    labelled = m.labelled_for(number)[INDEX]
    found = m.targets(number, torch.tensor(INDEX), views, labelled)
    p = {factor: sum((factor * view).softmax(1) for view in views) / 2 for factor in (1.0, -0.5)}
    own = p[1.0] if number == 0 else p[-0.5]
    w = CLEAN[1 - number, INDEX][:, None]
    refined = sharpened(w * functional.one_hot(LABELS, 3) + (1 - w) * own, temperature)
    guess = sharpened((p[1.0] + p[-0.5]) / 2, temperature)
    assert torch.allclose(found, torch.where(labelled[:, None], refined, guess), atol=1e-6)
    assert labelled.tolist() == ([True, True, False, False] if number == 0 else [False, True, True, False])
    assert not found.requires_grad


@pytest.mark.parametrize(("share", "weight"), [(0.3, 0.0), (0.35, 3.0), (0.9, 6.0)])
def test_loss_by_hand(method, views, share, weight):
    m = method(lambda_unlabelled=6.0, warmup=0.3, ramp=0.1, prior_penalty=0.5)
    found = m.loss(step(views, "0", [1, 2]), Progress(4, share))

    targets = method().targets(0, torch.tensor(INDEX), [draws(1), draws(2)], m.labelled_for(0)[INDEX])
    # Labelled are the first two of each view: they stand first, of both views.
    inputs = torch.cat([draws(1)[:2], draws(2)[:2], draws(1)[2:], draws(2)[2:]])
    targets = torch.cat([targets[:2], targets[:2], targets[2:], targets[2:]])
    generator = torch.Generator().manual_seed(0)
    coefficient = mixup_coefficients(4.0, generator)
    other = torch.randperm(8, generator=generator)
    logits = coefficient * inputs + (1 - coefficient) * inputs[other]
    q = coefficient * targets + (1 - coefficient) * targets[other]
    fit = -(q[:4] * logits[:4].log_softmax(1)).sum(1).mean()
    square = ((logits[4:].softmax(1) - q[4:]) ** 2).sum() / 12
    mean = logits.softmax(1).mean(0)
    prior = (torch.log(1 / 3 / mean) / 3).sum()
    expected = fit + weight * square + 0.5 * prior
    assert float(found.detach()) == pytest.approx(float(expected), abs=1e-5)


def test_without_a_weight_unlabelled_targets_do_not_matter(method, views):
    losses = []
    for temperature_of_the_other in (1.0, 9.0):
        m = method(lambda_unlabelled=0.0, mixup_alpha=0.0, prior_penalty=0.0)
        with torch.no_grad():
            m.task.networks[1].factor.fill_(temperature_of_the_other)
        losses.append(float(m.loss(step(views, "0", [1, 2]), Progress(4, 0.9)).detach()))
    assert losses[0] == losses[1]


def test_one_network_is_trained_and_the_other_asked_in_evaluation_mode(make_task, network, views):
    other = deepcopy(network)
    m = DivideMix(DivideMixSettings(), make_task(GIVEN, network, other))
    m.clean.copy_(CLEAN)
    modes, own_modes = [], []
    other.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    network.register_forward_pre_hook(lambda module, _: own_modes.append(module.training))
    network.train()
    other.train()
    images = [torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(i)) for i in (1, 2)]
    batch = views(INDEX, images)
    batch.role = "0"
    m.loss(batch, Progress(4, 0.9)).backward()
    assert modes == [False, False]
    assert own_modes == [True] * 3
    assert other.training
    assert network.classifier.weight.grad.any()
    assert other.classifier.weight.grad is None


def test_the_model_is_both_networks(method):
    m = method()
    assert m.num_networks(m.settings) == 2
    assert list(m.final_networks()) == list(m.task.averages)
    assert isinstance(m.final_model(), Ensemble)


def test_record_is_of_the_mean_clean_probability(method):
    p = torch.tensor([[0.6, 0.3, 0.1]] * 5)
    m = method(lambda network: Scores(p, torch.zeros(5, 1)), p_threshold=0.4, trusted=torch.arange(5) == 1)
    m.clean_by = lambda network: CLEAN[m.task.averages.index(network)]
    record = m.record()
    mean = [0.85, 0.25, 0.4, 0.5, 0.5]
    assert record.easiness.tolist() == pytest.approx([0.85, 1.0, *mean[2:]])
    assert record.easy.tolist() == [True, True, False, True, True]
    assert record.label_quality.tolist() == pytest.approx([0.725, 1.0, 0.25, 0.55, 0.4])
    assert torch.equal(record.probabilities, p)


def test_the_prior_penalty_is_that_of_all_mixed_samples(method, views):
    losses = [
        float(
            method(prior_penalty=weight, mixup_alpha=0.0)
            .loss(step(views, "1", [1, 2]), Progress(4, 0.9))
            .detach()
        )
        for weight in (0.0, 2.0)
    ]
    inputs = -0.5 * torch.cat([draws(1), draws(2)])
    assert losses[1] - losses[0] == pytest.approx(
        2 * float(prior_penalty(inputs, torch.full((3,), 1 / 3))), abs=1e-5
    )


def test_the_prior_is_that_of_the_classes_that_are_given(method, views):
    losses = []
    for prior in (torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.0, 0.2, 0.8])):
        m = method(prior_penalty=2.0, mixup_alpha=0.0)
        m.prior.copy_(prior)
        losses.append(float(m.loss(step(views, "1", [1, 2]), Progress(4, 0.9)).detach()))
        inputs = -0.5 * torch.cat([draws(1), draws(2)])
        losses[-1] -= 2 * float(prior_penalty(inputs, prior))
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_settings_name_the_flag_at_fault():
    with pytest.raises(SettingsError, match="--p-threshold"):
        DivideMixSettings(p_threshold=1.0)
    with pytest.raises(SettingsError, match="--temperature"):
        DivideMixSettings(temperature=0.0)
