import pytest
import torch
from torch.nn import functional

from labelmend.errors import SettingsError
from labelmend.methods.base import Scores
from labelmend.methods.plan import Progress
from labelmend.methods.promix import MIXED, WARMUP, ProMix, ProMixSettings, agreed, confident
from labelmend.models.ensemble import Ensemble
from labelmend.semi.mixup import mixup_coefficients

GIVEN, INDEX = [0, 1, 2, 0, 1], [4, 0, 2, 1]
LABELS = torch.tensor(GIVEN)[INDEX]


def draws(seed):
    return 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))


def step(views, role, weak, strong=()):
    batch = views(INDEX, weak, strong)
    batch.role = role
    return batch


@pytest.fixture
def method(make_task, logits_network):
    """Networks that multiply images by 1 and -0.5, whose features are the images."""

    def make(score=None, trusted=None, **settings):
        task = make_task(GIVEN, logits_network(1.0), logits_network(-0.5), score=score, trusted=trusted)
        m = ProMix(ProMixSettings(**settings), task)
        # What the making of the heads has drawn must not matter to the draws that tests repeat.
        task.generator.manual_seed(0)
        return m

    return make


def test_confident_are_given_labels_above_the_threshold():
    p = torch.tensor([[0.96, 0.04], [0.04, 0.96], [0.95, 0.05]])
    assert confident(p, torch.tensor([0, 0, 0]), 0.95).tolist() == [True, False, False]


def test_agreement_by_hand():
    """The first is chosen; 1 to 4 agree and are sure; then unsure, of two minds, and one of them unsure."""
    sure = [0.99, 0.99, 0.95, 0.93, 0.98, 0.85, 0.99, 0.99, 0.5, 0.5]
    sure_too = [0.99, 0.95, 0.92, 0.96, 0.97, 0.99, 0.01, 0.85, 0.5, 0.5]
    first, second = (torch.stack([p, 1 - p], 1) for p in (torch.tensor(sure), torch.tensor(sure_too)))
    chosen = torch.arange(10) == 0
    assert agreed(first, second, chosen, 0.9).nonzero()[:, 0].tolist() == [1, 2, 3, 4]
    # Nine of ten at most: room for two beside seven, those of the largest mean confidence.
    crowded = torch.tensor([1, 0, 0, 0, 1, 1, 1, 1, 1, 1], dtype=torch.bool)
    assert agreed(first, second, crowded, 0.9).nonzero()[:, 0].tolist() == [1, 3]
    assert not agreed(first, second, torch.ones(10, dtype=torch.bool), 0.9).any()
    # As sure as tau is not surer, whichever network it is.
    even, surer = (torch.tensor([[p, 1 - p]]).repeat(4, 1) for p in (0.75, 0.8))
    nobody = torch.zeros(4, dtype=torch.bool)
    found = [agreed(*pair, nobody, 0.75).sum() for pair in ((surer, surer), (even, surer), (surer, even))]
    assert found == [3, 0, 0]


def test_the_base_is_of_smallest_loss_in_equal_class_shares(method):
    own = torch.tensor([0.6, 0.2, 0.5, 0.9, 0.7])
    p = torch.full((5, 3), 0.0).scatter(1, torch.tensor(GIVEN)[:, None], own[:, None])
    # ceil(5 x 60 % / 3) = 1 of each class; the first is trusted.
    found = method(base_percent=60.0, trusted=torch.arange(5) == 0).base_of(p)
    assert found.tolist() == [True, False, True, True, True]


@pytest.mark.parametrize("penalty", [0.0, 0.7])
def test_warm_up_is_cross_entropy_of_both_with_the_penalty_by_hand(method, views, penalty):
    m = method(confidence_penalty=penalty)
    loss = m.loss(step(views, WARMUP, [draws(1)]), Progress(1, 0.0))
    expected = 0.0
    for logits in (draws(1), -0.5 * draws(1)):
        p = logits.softmax(1)
        expected += float(functional.cross_entropy(logits, LABELS) + penalty * (p * p.log()).sum(1).mean())
    assert float(loss.detach()) == pytest.approx(expected, abs=1e-5)
    loss.backward()
    assert all(head.weight.grad is None for head in m.heads)


def test_each_network_chooses_a_base_once_the_warm_up_is_over(method):
    p = torch.tensor([[0.9, 0.05, 0.05]] * 5)
    asked = []
    m = method(lambda network: asked.append(network) or Scores(p, torch.zeros(5, 1)), warmup=0.4)
    (warm,) = m.start_epoch(Progress(1, 0.39))
    assert (warm.role, asked) == (WARMUP, [])
    (mixed,) = m.start_epoch(Progress(2, 0.4))
    assert (mixed.role, asked) == (MIXED, list(m.task.averages))
    assert sorted(mixed.index.tolist()) == [0, 1, 2, 3, 4]
    assert m.base.any(1).all()


def second_formula(m, number, weak, strong, share, chosen, generator):
    """The loss of one network, written as the paper has it: each head, each term."""
    s, factor = m.settings, (1.0, -0.5)[number]
    head = m.heads[number]
    pi = m.bias[number].clone()
    gamma, beta = min(share / s.ramp, 1), 0.1 * min(share / (2 * s.ramp), 1)
    onehot = functional.one_hot(LABELS, 3).float()
    shift = s.debias_loss * torch.where(chosen[:, None], pi[0].log(), pi[1].log())
    debiased = (factor * weak - s.debias_guess * pi[1].log()).softmax(1) ** 2
    q = debiased / debiased.sum(1, keepdim=True)

    def entropy(logits, targets, members):
        return -(targets * (logits + shift).log_softmax(1)).sum(1)[members].mean()

    total = 0.0
    for weight, view in ((1.0, weak), (gamma, strong)):
        total = total + weight * entropy(factor * view, onehot, chosen)
        total = total + weight * entropy(head(view), onehot, chosen)
        total = total + beta * weight * entropy(head(view), q, ~chosen)
    coefficient = mixup_coefficients(4.0, generator)
    other = torch.randperm(int(chosen.sum()), generator=generator)

    def mix(values):
        return coefficient * values[chosen] + (1 - coefficient) * values[chosen][other]

    for logits in (factor * mix(weak), head(mix(weak))):
        total = total - gamma * (mix(onehot) * (logits + shift[chosen]).log_softmax(1)).sum(1).mean()
    return total


@pytest.mark.parametrize("share", [0.0, 0.15, 0.9])
def test_loss_against_a_second_formula(method, views, share):
    m = method(ramp=0.2, expand=1.0, debias_loss=0.7, debias_guess=0.4, confidence=1.0)
    m.bias.copy_(torch.rand(2, 2, 3, generator=torch.Generator().manual_seed(7)).softmax(2))
    m.base[0, [4, 0, 2]] = True
    m.base[1, [0, 1]] = True
    generator = torch.Generator().manual_seed(0)
    chosen = m.base[:, INDEX]
    expected = sum(
        second_formula(m, number, draws(1), draws(2), share, chosen[number], generator) for number in (0, 1)
    )
    loss = m.loss(step(views, MIXED, [draws(1)], [draws(2)]), Progress(5, share))
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), abs=1e-5)
    loss.backward()
    assert all(head.weight.grad.abs().sum() > 0 for head in m.heads)


def test_confident_samples_join_the_base(method, views):
    losses = []
    for confidence in (1.0, 0.5):
        m = method(confidence=confidence, expand=1.0, bias_memory=0.0)
        m.base[:, [4, 0]] = True
        m.task.networks[1].factor.data.fill_(1.0)
        images = 3.0 * functional.one_hot(LABELS, 3).float()
        losses.append(float(m.loss(step(views, MIXED, [images], [images]), Progress(5, 0.5)).detach()))
        sure = images.softmax(1)
        members = slice(0, 2) if confidence == 1.0 else slice(0, 4)
        assert torch.allclose(m.bias[0, 0], sure[members].mean(0), atol=1e-6)
        rest = sure[2:].mean(0) if confidence == 1.0 else torch.full((3,), 1 / 3)
        assert torch.allclose(m.bias[0, 1], rest, atol=1e-6)
    assert losses[0] != losses[1]


def test_mean_predictions_move_slowly(method):
    m = method(bias_memory=0.9)
    p = torch.tensor([[0.6, 0.4, 0.0], [0.2, 0.8, 0.0], [0.0, 0.0, 1.0]])
    m.remember(1, p, torch.tensor([True, True, False]))
    assert m.bias[1, 0].tolist() == pytest.approx([0.3 + 0.04, 0.3 + 0.06, 0.3])
    assert m.bias[1, 1].tolist() == pytest.approx([0.3, 0.3, 0.4])
    assert m.bias[0].flatten().tolist() == pytest.approx([1 / 3] * 6)


def test_mean_predictions_are_of_the_last_hundred_steps_by_default(method):
    """A small budget has some hundreds of steps, so that a longer memory is one of how it began."""
    m, p = method(), torch.tensor([[0.9, 0.1, 0.0]])
    for _ in range(100):
        m.remember(0, p, torch.tensor([True]))
    kept = float((m.bias[0, 0, 2]) / (1 / 3))
    assert 0.05 < kept < 0.25


def test_labels_on_which_both_agree_are_learned_late_in_the_budget(method, views):
    """Networks sure of another label than the given one: a pseudo-label first, later a label."""
    images = 8.0 * functional.one_hot((LABELS + 1) % 3, 3).float()

    def losses(share):
        m = method(expand=0.8, confidence=0.9, ramp=0.0)
        m.base[:, [4]] = True
        m.task.networks[1].factor.data.fill_(1.0)
        learned = []
        m.loss_of = lambda number, weak, views, targets, chosen, share: (
            learned.append((targets, chosen)) or weak.sum()
        )
        m.loss(step(views, MIXED, [images], [images]), Progress(5, share))
        return learned

    for _, chosen in losses(0.79):
        assert chosen.tolist() == [True, False, False, False]
    for targets, chosen in losses(0.8):
        # int(0.9 x 4) = 3 of the batch, the first of those that are alike.
        assert chosen.tolist() == [True, True, True, False]
        assert targets[:3].argmax(1).tolist() == [int(LABELS[0]), *((LABELS + 1) % 3)[1:3].tolist()]
        assert set(targets[:3].flatten().tolist()) == {0.0, 1.0}


def test_a_batch_of_which_nothing_or_all_is_chosen_is_learned(method, views):
    for members in ([], INDEX):
        m = method(confidence=1.0)
        m.base[:, members] = True
        loss = m.loss(step(views, MIXED, [draws(1)], [draws(2)]), Progress(5, 0.5))
        loss.backward()
        assert loss.isfinite()
        assert m.heads[0].weight.grad.isfinite().all()


def test_second_heads_are_drawn_from_the_generator_and_trained(make_task, logits_network):
    def made(seed):
        task = make_task(GIVEN, logits_network(), logits_network(), seed=seed)
        return ProMix(ProMixSettings(), task)

    m = made(0)
    assert torch.equal(m.heads[0].weight, made(0).heads[0].weight)
    assert not torch.equal(m.heads[0].weight, made(1).heads[0].weight)
    assert not torch.equal(m.heads[0].weight, m.heads[1].weight)
    assert all(p.abs().max() <= 3**-0.5 for head in m.heads for p in head.parameters())
    (group,) = m.optimizers(0)["networks"].groups
    trained = {id(p) for p in group.parameters}
    assert trained == {id(p) for part in (*m.task.networks, *m.heads) for p in part.parameters()}


def test_the_model_is_both_networks(method):
    m = method()
    assert m.num_networks(m.settings) == 2
    assert list(m.final_networks()) == list(m.task.averages)
    assert isinstance(m.final_model(), Ensemble)


def test_record_has_the_base_and_the_confident_as_easy(method):
    own = torch.tensor([0.6, 0.97, 0.5, 0.96, 0.98])
    rest = (1 - own[:, None]) / 2
    p = rest.repeat(1, 3).scatter(1, torch.tensor(GIVEN)[:, None], own[:, None])
    m = method(lambda network: Scores(p, torch.zeros(5, 1)), base_percent=20.0, confidence=0.95)
    record = m.record()
    # One of each class, and the one that is confident besides.
    assert record.easy.tolist() == [False, True, True, True, True]
    assert torch.allclose(record.label_quality, own)


def test_settings_name_the_flag_at_fault():
    with pytest.raises(SettingsError, match="--base-percent"):
        ProMixSettings(base_percent=0.0)
    with pytest.raises(SettingsError, match="--confidence is"):
        ProMixSettings(confidence=1.5)


def test_mean_predictions_are_kept_of_each_network_and_its_own(make_task, logits_network, views):
    task = make_task([0, 1, 2, 0, 1], logits_network(1.0), logits_network(-0.5))
    m = ProMix(ProMixSettings(confidence=1.0, expand=1.0, bias_memory=0.0), task)
    m.base[:, [4, 0]] = True
    drawn = 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    batch = views([4, 0, 2, 1], [drawn], [drawn])
    batch.role = MIXED
    m.loss(batch, Progress(5, 0.5))
    for number, factor in ((0, 1.0), (1, -0.5)):
        p = (factor * drawn).softmax(1)
        assert torch.allclose(m.bias[number, 0], p[:2].mean(0), atol=1e-6)
        assert torch.allclose(m.bias[number, 1], p[2:].mean(0), atol=1e-6)


def test_a_sample_is_added_where_both_networks_are_sure_of_it(make_task, logits_network, views):
    images = 8.0 * torch.nn.functional.one_hot(torch.tensor([2, 1, 0, 2]), 3).float()
    task = make_task([0, 1, 2, 0, 1], logits_network(1.0), logits_network(-1.0))
    m = ProMix(ProMixSettings(expand=0.0, confidence=0.9), task)
    found = []
    m.loss_of = lambda number, weak, views, targets, chosen, share: found.append(chosen) or weak.sum()
    batch = views([4, 0, 2, 1], [images], [images])
    batch.role = MIXED
    m.loss(batch, Progress(5, 0.9))
    # The second network is of the opposite mind, and sure of nothing.
    assert not torch.stack(found).any()


def test_labels_on_which_both_agree_are_debiased_as_reliable_ones(make_task, logits_network, views):
    images = 8.0 * torch.nn.functional.one_hot(torch.tensor([2, 1, 0, 2]), 3).float()
    task = make_task([0, 1, 2, 0, 1], logits_network(), logits_network())
    m = ProMix(ProMixSettings(expand=0.0, confidence=0.9, debias_guess=1.0), task)
    # Of the others, class 0 is all but never predicted: a guess debiased as theirs would be of it.
    m.bias[:, 1] = torch.tensor([1e-9, 0.5, 0.5])
    found = []
    m.loss_of = lambda number, weak, views, targets, chosen, share: (
        found.append((targets, chosen)) or weak.sum()
    )
    batch = views([4, 0, 2, 1], [images], [images])
    batch.role = MIXED
    m.loss(batch, Progress(5, 0.9))
    for targets, chosen in found:
        assert chosen.tolist() == [True, True, True, False]
        assert targets[:3].argmax(1).tolist() == [2, 1, 0]
