import pytest
import torch
from torch.nn import functional

from labelmend.errors import SettingsError
from labelmend.methods.base import Scores
from labelmend.methods.co_teaching_plus import CoTeachingPlus, CoTeachingPlusSettings, disagreement
from labelmend.methods.plan import Progress

GIVEN, INDEX = [0, 1, 2, 0, 1, 2], [4, 0, 2, 1, 3, 5]
LATE = Progress(9, 0.9)


def images():
    """Rows of which the networks, one of factor 1 and one of factor -1, disagree but for the last."""
    drawn = 2 * torch.randn(6, 3, generator=torch.Generator().manual_seed(3))
    drawn[5] = 0.0
    return drawn


@pytest.fixture
def two(make_task, logits_network):
    def make(second=-1.0, score=None, trusted=None, **settings):
        networks = logits_network(1.0), logits_network(second)
        task = make_task(GIVEN, *networks, score=score, trusted=trusted)
        return CoTeachingPlus(CoTeachingPlusSettings(**settings), task)

    return make


def entropies(factor, probabilities=False):
    outputs = factor * images()
    labels = torch.tensor(GIVEN)[INDEX]
    outputs = outputs.softmax(1) if probabilities else outputs
    return functional.cross_entropy(outputs, labels, reduction="none").tolist()


def exchanged(first, second, among, kept):
    of_first = sorted(among, key=lambda i: second[i])[:kept]
    of_second = sorted(among, key=lambda i: first[i])[:kept]
    return sum(first[i] for i in of_first) / kept + sum(second[i] for i in of_second) / kept


def test_disagreement_by_hand():
    first = torch.tensor([[2.0, 1, 0], [0, 1, 2], [1, 5, 0]])
    second = torch.tensor([[0.0, 1, 0], [0, 1, 9], [7, 5, 0]])
    assert disagreement(first, second).tolist() == [True, False, True]


def test_agreement_counts_after_the_warm_up_by_hand(two, views):
    method = two(forget_rate=0.4, forget_ramp=0.0, warmup=0.5)
    first, second = entropies(1.0), entropies(-1.0)
    early = method.loss(views(INDEX, [images()]), Progress(1, 0.4))
    assert float(early.detach()) == pytest.approx(exchanged(first, second, range(6), 3), rel=1e-5)
    # Of the five they disagree on, int(0.6 * 5) are kept.
    for progress in (Progress(5, 0.5), LATE):
        late = method.loss(views(INDEX, [images()]), progress)
        assert float(late.detach()) == pytest.approx(exchanged(first, second, range(5), 3), rel=1e-5)
    assert exchanged(first, second, range(6), 3) != pytest.approx(exchanged(first, second, range(5), 3))


def test_the_doubled_softmax_of_the_released_code_is_off_and_counts_late_only(two, views):
    method = two(forget_rate=0.4, forget_ramp=0.0, warmup=0.5, double_softmax=True)
    assert not CoTeachingPlusSettings().double_softmax
    late = method.loss(views(INDEX, [images()]), LATE)
    doubled = entropies(1.0, True), entropies(-1.0, True)
    assert float(late.detach()) == pytest.approx(exchanged(*doubled, range(5), 3), rel=1e-5)
    early = method.loss(views(INDEX, [images()]), Progress(1, 0.4))
    assert float(early.detach()) == pytest.approx(
        exchanged(entropies(1.0), entropies(-1.0), range(6), 3), rel=1e-5
    )


def test_a_batch_of_agreement_is_not_learned(two, views):
    method = two(second=1.0, warmup=0.0)
    loss = method.loss(views(INDEX, [images()]), LATE)
    loss.backward()
    assert float(loss.detach()) == 0
    assert [float(network.factor.grad) for network in method.task.networks] == [0, 0]


def test_trusted_labels_are_learned_agreement_and_loss_or_not(two, views):
    """The last sample of the batch, on which the networks agree, and the one of largest loss."""
    first, second = entropies(1.0), entropies(-1.0)
    worst = max(range(5), key=lambda i: first[i])
    trusted = torch.isin(torch.arange(6), torch.tensor([INDEX[5], INDEX[worst]]))
    method = two(trusted=trusted, forget_rate=0.5, forget_ramp=0.0, warmup=0.0)
    late = method.loss(views(INDEX, [images()]), LATE)
    picks = [sorted(range(6), key=lambda i, by=by: by[i])[:3] for by in (second, first)]
    assert worst not in picks[1]
    of_first, of_second = (sorted({*kept, worst, 5}) for kept in picks)
    expected = torch.tensor(first)[of_first].mean() + torch.tensor(second)[of_second].mean()
    assert torch.allclose(late, expected)


def test_forgetting_nothing_and_never_asking_for_agreement_is_two_networks_apart(two, views):
    loss = two(forget_rate=0.0, warmup=1.0).loss(views(INDEX, [images()]), LATE)
    expected = sum(entropies(1.0)) / 6 + sum(entropies(-1.0)) / 6
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)


def test_easy_is_what_both_find_easy_and_what_is_trusted(two):
    own = {0: [0.9, 0.2, 0.6, 0.7, 0.5, 0.1], 1: [0.8, 0.9, 0.6, 0.1, 0.7, 0.3]}
    given = torch.tensor(GIVEN)

    def score(network):
        which = 0 if float(network.factor.detach()) > 0 else 1
        p = torch.tensor(own[which])
        spread = ((1 - p) / 2)[:, None].repeat(1, 3).scatter(1, given[:, None], p[:, None])
        return Scores(spread, torch.zeros(6, 1))

    # Products of probabilities: .72, .18, .36, .07, .35, .03.
    method = two(score=score, trusted=torch.arange(6) == 5, forget_rate=0.5)
    record = method.record()
    assert record.easy.tolist() == [True, False, True, False, True, True]
    assert record.label_quality.tolist() == pytest.approx([0.9, 0.2, 0.6, 0.7, 0.5, 1.0])


@pytest.mark.parametrize(("setting", "value"), [("forget_rate", 1.0), ("forget_ramp", 2.0), ("warmup", -0.1)])
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(SettingsError, match="--" + setting.replace("_", "-")):
        CoTeachingPlusSettings(**{setting: value})
