import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from labelmend.errors import SettingsError
from labelmend.methods.base import Scores
from labelmend.methods.cal import (
    Cal,
    CalSettings,
    bounded_losses,
    covariances,
    given_losses,
    label_conditional,
    peer_term,
)
from labelmend.methods.plan import Progress

GIVEN, INDEX = [0, 1, 2, 0, 1, 0], [4, 0, 2, 1]
FIRST = Progress(3, 0.3, stage=0, stage_share=0.6)
SECOND = Progress(9, 0.8, stage=1, stage_share=0.6)


def logits_of(count=4, seed=3):
    return 2 * torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))


def labels():
    return torch.tensor(GIVEN)[INDEX]


@pytest.fixture
def method(make_task, logits_network):
    def make(score=None, trusted=None, **settings):
        averages = [logits_network()]
        task = make_task(GIVEN, logits_network(), averages=averages, score=score, trusted=trusted)
        return Cal(CalSettings(**settings), task)

    return make


def test_peer_term_by_hand():
    p, prior = torch.tensor([[0.5, 0.5, 0.0]]), torch.tensor([0.25, 0.5, 0.25])
    expected = -(0.75 * math.log(0.5 + 1e-5) + 0.25 * math.log(1e-5))
    assert float(peer_term((p + 1e-30).log(), prior)) == pytest.approx(expected, abs=1e-5)


def test_peer_term_is_of_full_precision_among_half():
    prior = torch.tensor([0.3, 0.3, 0.4])
    exact = peer_term(logits_of(), prior)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(peer_term(logits_of(), prior), exact)


def test_the_loss_of_a_given_label_by_hand():
    """Bounded where it is ruled out, so that it pulls no more."""
    logits = torch.tensor([[math.log(3), 0.0], [-60.0, 0.0]], requires_grad=True)
    losses = given_losses(logits, torch.tensor([0, 0]))
    assert losses.tolist() == pytest.approx([-math.log(0.75), -math.log(1e-8)], abs=1e-5)
    losses[1].backward()
    assert logits.grad.abs().max() < 1e-6


def test_conditional_by_hand():
    found = label_conditional(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 0, 0, 1]), 3)
    assert torch.allclose(found, torch.tensor([[1 / 3, 2 / 3, 0], [0, 1, 0], [0, 0, 0]]))


def test_the_mean_of_the_covariances_is_that_of_the_theorem():
    """Against numpy-style covariances within each guessed class, weighted by its share."""
    draw = torch.Generator().manual_seed(0)
    given, guessed = torch.randint(3, (2, 400), generator=draw)
    logits = logits_of(400)
    found = covariances(logits, given, guessed, label_conditional(given, guessed, 3)).mean()
    losses = bounded_losses(logits)
    expected = 0.0
    for i in range(3):
        mine = guessed == i
        for j in range(3):
            pair = torch.stack([(given[mine] == j).float(), losses[mine, j]])
            expected += float(mine.float().mean() * torch.cov(pair, correction=0)[0, 1])
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_with_all_labels_guessed_right_there_is_no_covariance():
    given = torch.tensor([0, 1, 2, 0])
    found = covariances(logits_of(), given, given, label_conditional(given, given, 3))
    assert torch.equal(found, torch.zeros(4))


def test_cross_entropy_less_the_covariance_learns_how_labels_are_given():
    """Its targets are the rows of the conditional (up to the bound of the losses)."""
    given, guessed = torch.tensor([0, 1, 2, 1]), torch.tensor([0, 0, 2, 1])
    conditional = label_conditional(given, guessed, 3)
    found = bounded_losses(logits_of()).gather(1, given[:, None])[:, 0] - covariances(
        logits_of(), given, guessed, conditional
    )
    expected = (conditional[guessed] * bounded_losses(logits_of())).sum(1)
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("stage", [0, 1])
def test_an_epoch_is_of_all_samples(method, stage):
    m = method()
    m.task = replace(m.task, batch_size=2)
    steps = m.start_epoch(Progress(1, 0.5, stage=stage, stage_share=0.2))
    assert len(steps) == 3
    assert torch.cat([step.index for step in steps]).sort().values.tolist() == list(range(6))


@pytest.mark.parametrize(("share", "weight"), [(0.1, 0.0), (0.2, 1 / 3), (0.4, 1.0)])
def test_the_second_network_has_a_growing_peer_term_of_its_own(method, share, weight):
    m = method(sieve_peer=2.0)
    m.start_epoch(Progress(9, 0.8, stage=1, stage_share=share))
    assert float(m.peer) == pytest.approx(weight)


@pytest.mark.parametrize(("share", "weight"), [(0.05, 0.0), (0.25, 1.0), (0.4, 2.0), (0.9, 2.0)])
def test_the_first_network_has_a_growing_peer_term(method, views, share, weight):
    m = method(sieve_peer=2.0)
    progress = Progress(1, 0.1, stage=0, stage_share=share)
    m.start_epoch(progress)
    loss = m.loss(views(INDEX, [logits_of()]), progress)
    # Given labels 0, 0, 0, 1, 1, 2, by their roots.
    prior = torch.tensor([3.0, 2.0, 1.0]).sqrt()
    peer = peer_term(logits_of(), prior / prior.sum()).mean()
    expected = functional.cross_entropy(logits_of(), labels()) - weight * peer
    assert torch.allclose(loss, expected, atol=1e-5)


def test_without_a_peer_term_the_first_network_is_cross_entropy(method, views):
    m = method(sieve_peer=0.0)
    m.start_epoch(FIRST)
    loss = m.loss(views(INDEX, [logits_of()]), FIRST)
    assert torch.allclose(loss, functional.cross_entropy(logits_of(), labels()), atol=1e-6)


P = torch.tensor(
    [[0.98, 0.01, 0.01], [0.7, 0.2, 0.1], [0.0, 0.0, 1.0], [0.4, 0.3, 0.3], [0.1, 0.9, 0.0], [0.1, 0.1, 0.8]]
)
# Of these only the third and the fifth are kept; the second and sixth are wrong, the fourth is doubtful.


@pytest.mark.parametrize("progress", [FIRST, SECOND])
def test_a_label_that_is_ruled_out_pulls_no_more(method, views, progress):
    m = method()
    m.guessed.copy_(m.task.given_labels)
    m.conditional.copy_(torch.eye(3))
    logits = torch.full((4, 3), -60.0).scatter(1, (labels()[:, None] + 1) % 3, 0.0).requires_grad_()
    m.loss(views(INDEX, [logits]), progress).backward()
    assert logits.grad.abs().max() < 1e-6


def test_guesses_and_the_loss_of_the_second_network_by_hand(method, views):
    asked = []
    m = method(
        lambda network: asked.append(network) or Scores(P, P),
        trusted=torch.arange(6) == 5,
        threshold=-8.0,
    )
    assert m.metrics() == {}
    m.end_stage(FIRST)
    assert asked == [m.task.averages[0]]
    # The second label is replaced; the sixth is trusted.
    assert m.guessed.tolist() == [0, 0, 2, 0, 1, 0]
    assert m.metrics() == {"estimated_noise_rate": pytest.approx(1 / 6)}
    conditional = torch.tensor([[0.75, 0.25, 0], [0, 1, 0], [0, 0, 1]])
    assert torch.allclose(m.conditional, conditional)
    m.start_epoch(SECOND)
    loss = m.loss(views(INDEX, [logits_of()]), SECOND)
    prior = torch.tensor([3.0, 2.0, 1.0]) / 6
    expected = (
        functional.cross_entropy(logits_of(), labels())
        - peer_term(logits_of(), prior).mean()
        - covariances(logits_of(), labels(), torch.tensor([1, 0, 2, 0]), conditional).mean()
    )
    assert torch.allclose(loss, expected, atol=1e-5)
    m.guessed.fill_(1)
    m.end_stage(SECOND)
    assert m.guessed.tolist() == [1] * 6


def test_two_networks_one_after_the_other(method):
    first, second = method(sieve_share=0.4).stages()
    assert (first.share, second.share, first.fresh, second.fresh) == (0.4, 0.6, False, True)


def test_the_record_is_what_the_sieve_says_at_last(method):
    record = method(lambda network: Scores(P, P), trusted=torch.arange(6) == 5).record()
    # With three classes the threshold is -8 (2 / 3) / 0.9 = -5.93; the fifth has -6.84, the first -2.99.
    assert record.easy.tolist() == [False, False, True, False, True, True]
    assert record.corrected.tolist() == [0, 0, -1, 0, -1, -1]
    assert record.vote_share.tolist() == pytest.approx([0.98, 0.7, 0.0, 0.4, 0.0, 0.0])
    # A threshold of 0 keeps what is likelier than the classes are on average.
    record = method(lambda network: Scores(P, P), threshold=0.0).record()
    assert record.easy.tolist() == [True, False, True, True, True, False]


def test_of_fewer_than_ten_classes_less_is_enough_for_the_sieve(make_task, logits_network):
    """As sure a label is kept, however few the mean is over; of ten and more it is as published."""
    for classes, kept in ((2, True), (3, True), (10, True), (100, True)):
        labels = [*range(classes), 0, 1]
        m = Cal(CalSettings(), make_task(labels, logits_network(outputs=classes), num_classes=classes))
        p = torch.full((len(labels), classes), 1e-4 / (classes - 1))
        p[:, 0] = 1 - 1e-4
        assert bool(m.keeps(p)[0]) is kept
        # Half as sure, in the logarithm, is not.
        p = torch.full((len(labels), classes), 1e-2 / (classes - 1))
        p[:, 0] = 1 - 1e-2
        assert bool(m.keeps(p)[0]) is (classes == 100)
    # Of a hundred -8.4 is enough: their threshold is that of ten.
    p = torch.full((102, 100), 0.02 / 99)
    p[:, 0] = 0.98
    assert bool(m.keeps(p)[0])
    assert m.keeps(torch.full((102, 100), 0.01)).sum() == 0


def test_the_best_epoch_is_one_under_the_whole_peer_term(method):
    at = [Progress(1, 0.1, stage=0, stage_share=share) for share in (0.0, 0.39, 0.4, 1.0)]
    assert [method().may_be_best(progress) for progress in at] == [False, False, True, True]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("sieve_share", 0.0), ("sieve_share", 1.0), ("sieve_peer", -1.0), ("threshold", 1.0)],
)
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(SettingsError, match="--" + setting.replace("_", "-")):
        CalSettings(**{setting: value})
