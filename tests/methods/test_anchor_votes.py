import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from labelmend.correction.anchor_quality import AnchorQuality
from labelmend.correction.correct import Corrections
from labelmend.errors import LabelmendWarning
from labelmend.hallucination.closed_form import closed_form_anchors
from labelmend.hallucination.partners import sample_partners
from labelmend.hallucination.train import training_operations
from labelmend.methods import anchor_votes
from labelmend.methods.anchor_votes import AnchorVotes, choose, voted_record
from labelmend.methods.base import Scores
from labelmend.selection.select import EasySet
from labelmend.verdicts.evidence import Neighbours
from labelmend.verdicts.record import SampleRecord

CLASSES, COUNT, DIM = 3, 40, 4
PLAIN = {"hallucinator": "closed_form", "lambda_p": 0.7, "anchors_per_sample": 2, "max_votes": 5}


@pytest.fixture
def make(make_task, network):
    def build(given, **settings):
        return AnchorVotes(make_task(given, network), **{**PLAIN, "surrounding": "strict", **settings})

    return build


def world(seed=0):
    draw = torch.Generator().manual_seed(seed)
    features, given = torch.rand(COUNT, DIM, generator=draw), torch.randint(CLASSES, (COUNT,), generator=draw)
    return features, given, torch.rand(COUNT, generator=draw) < 0.6


def anchors_of(votes, features, given, easy):
    """The anchors that a vote is about to make, the class of each, and the sample behind it."""
    members = easy.nonzero()[:, 0]
    again = torch.Generator()
    again.set_state(votes.task.generator.get_state())
    partners = sample_partners(given[easy], votes.anchors_per_sample, again)
    own = torch.arange(len(members)).repeat_interleave(votes.anchors_per_sample)
    s_u, s_v = features[easy][own], features[easy][partners.flatten()]
    return closed_form_anchors(s_u, s_v, votes.lambda_p), given[easy][own], members[own]


def ballots_of(similarity, valid, hard, surrounding, limit):
    """Anchors that vote on a hard sample, the most similar first."""
    column = similarity[:, hard]
    if surrounding == "strict":
        voters = [a for a in range(len(column)) if valid[a] and int(similarity[a].argmax()) == hard]
    else:
        voters = [a for a in range(len(column)) if column[a] >= limit]
    return sorted(voters, key=lambda a: -float(column[a]))


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("surrounding", ["strict", "loose"])
@pytest.mark.parametrize(("per_sample", "conf", "max_votes"), [(1, 0.0, 99), (2, 0.5, 5), (3, 0.75, 2)])
def test_votes_equal_plain_python(make, centred, surrounding, per_sample, conf, max_votes):
    features, given, easy = world()
    votes = make(
        given,
        anchors_per_sample=per_sample,
        lambda_conf=conf,
        max_votes=max_votes,
        centred=centred,
        surrounding=surrounding,
    )
    anchors, labels, sources = anchors_of(votes, features, given, easy)
    found = votes.correct(features, easy, 0)

    origin = features.mean(0) if centred else torch.zeros(DIM)
    similarity = functional.cosine_similarity((anchors - origin)[:, None], (features[~easy] - origin), dim=2)
    best = similarity.amax(1)
    limit = best.sort().values[int(conf * len(best))] - 1e-6
    assert found.valid_anchors == len(best) - int(conf * len(best))
    for number, sample in enumerate((~easy).nonzero()[:, 0].tolist()):
        ballots = ballots_of(similarity, best >= limit, number, surrounding, limit)[:max_votes]
        assert found.votes[sample] == len(ballots)
        assert found.sources[sample].tolist() == ([*sources[ballots].tolist(), -1, -1, -1])[:3]
        if not ballots:
            assert (found.corrected[sample], found.vote_share[sample]) == (-1, 0)
            continue
        number_of = torch.bincount(labels[ballots], minlength=CLASSES)
        assert number_of[found.corrected[sample]] == number_of.max()
        assert float(found.vote_share[sample]) == pytest.approx(int(number_of.max()) / len(ballots))
    assert (found.votes[easy] == 0).all()
    assert (found.corrected[easy] == -1).all()


def test_votes_are_taken_from_enough_anchors_that_agree(make):
    features, given, easy = world()
    every = make(given, surrounding="loose").correct(features, easy, 0)
    assert int(every.votes.max()) == 5
    none = make(given, surrounding="loose", min_votes=6).correct(features, easy, 0)
    assert torch.equal(none.votes, every.votes)
    assert (none.corrected == -1).all()
    agreed = make(given, surrounding="loose", min_agreement=0.7).correct(features, easy, 0)
    expected = torch.where(every.vote_share >= 0.7, every.corrected, -1)
    assert torch.equal(agreed.corrected, expected)
    assert not torch.equal(agreed.corrected, every.corrected)


def learned(make_task, network, given, with_optimizers):
    task = make_task(given, network)
    votes = AnchorVotes(task, **{**PLAIN, "hallucinator": "learned"}, surrounding="strict")
    with_optimizers(SimpleNamespace(task=task, optimizers=lambda stage: votes.optimizers()))
    return votes


def test_training_the_hallucinator_is_counted(make_task, network, with_optimizers):
    features, given, easy = world()
    votes = learned(make_task, network, given, with_optimizers)
    votes.correct(features, easy, 3)
    hidden = votes.hallucinator.hidden.out_features
    expected = training_operations(features.shape[1], hidden, CLASSES, int(easy.sum()), 3)
    assert votes.task.meter.operations == [expected]


@pytest.mark.parametrize("degenerate", [True, False])
def test_a_degenerate_hallucinator_is_warned_of_once(
    make_task, network, with_optimizers, monkeypatch, degenerate
):
    features, given, easy = world()
    votes = learned(make_task, network, given, with_optimizers)
    found = AnchorQuality(
        partner=0.125, partner_closed_form=0.26 if degenerate else 0.2, gap=0.5, own_class=0.9, spread=0.75
    )
    monkeypatch.setattr(anchor_votes, "anchor_quality", SimpleNamespace(anchor_quality=lambda *_: found))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for _ in range(3):
            votes.correct(features, easy, 1)
    assert votes.quality == found.report()
    assert votes.quality["anchor_degenerate"] == degenerate
    assert [(warning.category, str(warning.message)) for warning in heard] == degenerate * [
        (
            LabelmendWarning,
            "the hallucinator has degenerated: 12% of the variance of its anchors comes from the partner, "
            "and they reach 75% of the hard samples that anchors in closed form reach; "
            "--hallucinator closed_form does without it",
        )
    ]


def test_a_selection_without_hard_samples_reports_no_earlier_anchors(make_task, network, with_optimizers):
    features, given, easy = world()
    votes = learned(make_task, network, given, with_optimizers)
    votes.correct(features, easy, 3)
    assert votes.quality
    votes.correct(features, torch.ones_like(easy), 3)
    assert votes.quality == {}


def test_the_hallucinator_makes_the_anchors_once_it_is_trained(make_task, network, with_optimizers):
    features, given, easy = world()
    votes = AnchorVotes(
        make_task(given, network), **{**PLAIN, "hallucinator": "learned"}, surrounding="strict"
    )
    with_optimizers(SimpleNamespace(task=votes.task, optimizers=lambda stage: votes.optimizers()))
    optimizer = votes.task.optimizers["hallucinator"]
    assert isinstance(optimizer, torch.optim.Adam)
    assert [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups] == [(1e-3, 0.0)]
    (plan,) = votes.optimizers().values()
    assert not plan.every_step
    assert plan.schedule.kind == "constant"
    assert {id(p) for g in plan.groups for p in g.parameters} == {
        id(p) for p in votes.hallucinator.parameters()
    }
    made = []
    forward = votes.hallucinator.forward
    votes.hallucinator.forward = lambda s_u, s_v: made.append(len(s_u)) or forward(s_u, s_v)
    before = [p.clone() for p in votes.hallucinator.parameters()]
    head = network.classifier.weight.clone()
    taken = []
    optimizer.register_step_post_hook(lambda *_: taken.append(1))
    votes.correct(features, easy, 2)
    size = int(easy.sum())
    assert len(taken) == 2
    # Two steps, a look at the quality of four anchors each, and the anchors that vote.
    assert made == [size, size, 4 * size, 2 * size]
    assert all(not torch.equal(a, b) for a, b in zip(before, votes.hallucinator.parameters(), strict=True))
    assert torch.equal(network.classifier.weight, head)
    assert network.classifier.weight.grad is None


def test_closed_form_anchors_need_nothing_to_train(make):
    features, given, _ = world()
    votes = make(given)
    assert votes.hallucinator is None
    assert votes.optimizers() == {}
    assert not list(votes.parameters())
    anchors = votes.anchor_maker()(features, features.flip(0))
    assert torch.equal(anchors, closed_form_anchors(features, features.flip(0), 0.7))


@pytest.mark.parametrize("surrounding", ["strict", "loose"])
def test_samples_that_must_not_speak_for_each_other_do_not_vote(make_task, network, surrounding):
    features, given, easy = world()
    task = replace(make_task(given, network), together=torch.arange(COUNT) // 8)
    votes = AnchorVotes(task, **{**PLAIN, "surrounding": surrounding, "lambda_conf": 0.0, "max_votes": 40})
    found = votes.correct(features, easy, 5)
    voted = (found.sources >= 0).nonzero()[:, 0]
    assert len(voted.unique()) > 5
    assert (found.sources[found.sources >= 0] // 8 != voted // 8).all()


def test_no_anchors_no_votes_and_nothing_is_drawn(make):
    features, given, easy = world()
    for votes, among in ((make(given, anchors_per_sample=0), easy), (make(given), torch.ones_like(easy))):
        state = votes.task.generator.get_state()
        found = votes.correct(features, among, 5)
        assert torch.equal(votes.task.generator.get_state(), state)
        assert found.valid_anchors == 0
        assert (found.corrected == -1).all()
        assert (found.votes == 0).all()


def chosen_easy(make_task, network, monkeypatch, neighbour_label, learnable=None, **options):
    """Of four samples given 0, 0, 1, 2, the last one trusted; all but the second are easy by their losses."""
    task = make_task([0, 0, 1, 2], network, trusted=torch.arange(4) == 3)
    task = replace(task, together=torch.tensor([0, 0, 1, 2]))
    if learnable is not None:
        task = replace(task, learnable=learnable)
    probabilities = torch.tensor([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1]])
    selected = EasySet(torch.tensor([True, False, True, True]), torch.rand(4), False)
    found = Neighbours(torch.tensor(neighbour_label), torch.rand(4))
    monkeypatch.setattr(anchor_votes, "select", lambda *_, **__: selected)
    lists = torch.zeros(4, 3, dtype=torch.int32)
    asked = []
    monkeypatch.setattr(anchor_votes, "ask_neighbours", lambda *given: asked.append(given) or found)
    scores = Scores(probabilities, torch.rand(4, DIM))
    chosen, neighbours = choose(scores, task, rule="balanced", percent=60, lists=lists, **options)
    assert chosen.easiness is selected.easiness
    assert all(torch.equal(given[0], scores.features) and given[3] is lists for given in asked)
    assert all(given[4] is task.together for given in asked)
    return chosen.easy.tolist(), neighbours is found


def test_a_final_selection_trusts_no_label_that_neighbours_are_against(make_task, network, monkeypatch):
    def easy(*neighbour_label, **options):
        return chosen_easy(make_task, network, monkeypatch, list(neighbour_label), **options)

    assert easy(0, 0, 1, 0, final=True) == ([True, False, True, True], True)
    assert easy(1, 0, 2, 0, final=True) == ([False, False, False, True], True)
    # Nobody else has the label of the first and third: nothing can speak for it.
    assert easy(-1, -1, -1, -1, final=True) == ([True, False, True, True], True)
    # Before that nobody is asked, and what is held out is not easy.
    held = torch.tensor([True, True, False, True])
    assert easy(1, 0, 2, 0, learnable=held) == ([True, False, False, True], False)
    assert easy(0, 0, 1, 0, learnable=held, final=True) == ([True, False, True, True], True)
    assert easy(1, 0, 2, 0) == easy(1, 0, 2, 0, final=False) == ([True, False, True, True], False)


def test_the_quality_of_anchors_is_looked_at_on_hard_samples(
    make_task, network, with_optimizers, monkeypatch
):
    features, given, easy = world()
    votes = learned(make_task, network, given, with_optimizers)
    votes.centred = True
    seen = []
    monkeypatch.setattr(
        anchor_votes, "anchor_quality", SimpleNamespace(anchor_quality=lambda *asked: seen.append(asked))
    )
    votes.correct(features, easy, 1)
    ((hallucinator, starts, labels, hard, head, lambda_p, origin),) = seen
    assert hallucinator is votes.hallucinator
    assert torch.equal(starts, features[easy])
    assert torch.equal(labels, given[easy])
    assert torch.equal(hard, features[~easy])
    assert head == votes.task.averages[0].head
    assert lambda_p == 0.7
    assert torch.equal(origin, features.mean(0))


def corrections(**columns):
    nothing = Corrections(
        corrected=torch.full((3,), -1),
        votes=torch.zeros(3, dtype=torch.int32),
        vote_share=torch.zeros(3),
        given_share=torch.zeros(3),
        sources=torch.full((3, 3), -1),
        valid_anchors=0,
    )
    return replace(nothing, **{name: torch.tensor(values) for name, values in columns.items()})


def test_the_record_of_a_vote_by_hand(make_task, network):
    task = make_task([0, 1, 2], network, trusted=torch.tensor([False, False, True]))
    probabilities = torch.tensor([[0.5, 0.3, 0.2], [0.6, 0.2, 0.2], [0.8, 0.1, 0.1]])
    found = corrections(corrected=[0, 2, -1], vote_share=[0.9, 0.6, 0.0], given_share=[0.9, 0.1, 0.0])
    chosen = EasySet(torch.tensor([False, False, True]), torch.tensor([0.1, 0.2, 0.3]), False)
    neighbours = Neighbours(torch.tensor([0, 2, -1]), torch.tensor([0.8, 0.9, 0.5]))
    record = voted_record(probabilities, chosen, found, task, neighbours)
    # Means of the model's probability of the given label and of the anchors that vote for it.
    assert record.label_quality.tolist() == pytest.approx([(0.5 + 0.9) / 2, (0.2 + 0.1) / 2, 1.0])
    assert torch.equal(record.probabilities, probabilities)
    for name in ("corrected", "votes", "vote_share", "sources"):
        assert getattr(record, name) is getattr(found, name)
    assert record.neighbour_label is neighbours.label
    assert record.neighbour_support is neighbours.support


def test_the_report_by_hand(make_task, network):
    record = replace(
        SampleRecord.empty(5, 2),
        probabilities=torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1], [0.1, 0.9], [0.5, 0.5]]),
        easy=torch.tensor([True, False, False, False, False]),
        corrected=torch.tensor([-1, 1, 0, 1, -1]),
    )
    votes = AnchorVotes(
        make_task([0, 1, 1, 0, 0], network),
        hallucinator="closed_form",
        lambda_p=0.6,
        anchors_per_sample=1,
        surrounding="strict",
        max_votes=1,
    )
    votes.quality = {"anchor_gap": 0.5}
    chosen = EasySet(record.easy, record.easiness, True)
    report = votes.report(record, chosen, replace(corrections(), valid_anchors=7))
    assert (report["valid_anchors"], report["mixture_collapsed"], report["anchor_gap"]) == (7, 1, 0.5)
    assert {name: report[name] for name in ("easy", "hard_kept", "hard_corrected", "uncertain")} == {
        "easy": 1,
        "hard_kept": 1,
        "hard_corrected": 2,
        "uncertain": 1,
    }
    # Classes reach means 0.5 and 0.45: all five count, the third and fourth for another class than given.
    assert report["estimated_noise_rate"] == pytest.approx(0.4)


def test_a_trusted_sample_stands_behind_three_times_the_anchors(make):
    features, given, easy = world()
    votes = make(given)
    trusted = torch.arange(COUNT) % 5 == 0
    votes.task = replace(votes.task, trusted=trusted)
    seen = []

    def vote(anchors, count, *_):
        seen.extend(anchors)
        seen.append(count)

    votes.vote = vote
    votes.correct(features, easy, 0)
    *blocks, count = seen
    labels, sources = (torch.cat([block[i] for block in blocks]) for i in (1, 2))
    expected = torch.where(trusted[easy], 6, 2)
    assert torch.equal(torch.bincount(sources), expected)
    assert count == len(sources) == int(expected.sum())
    assert torch.equal(labels, given[easy][sources])
    # Towards its own sample each anchor lies nearest.
    anchors = torch.cat([block[0] for block in blocks])
    s_u = features[easy][sources]
    assert bool((functional.cosine_similarity(anchors, s_u) > 0.7).all())


def test_the_hallucinator_is_trained_through_the_head_of_the_average(
    make_task, network, logits_network, monkeypatch
):
    other = logits_network(outputs=4)
    features, given = torch.rand(12, 4), torch.arange(12) % 3
    votes = AnchorVotes(
        make_task(given, network, averages=[other]),
        hallucinator="learned",
        lambda_p=0.7,
        anchors_per_sample=2,
        surrounding="strict",
        max_votes=5,
    )
    votes.task.optimizers["hallucinator"] = object()
    seen = []
    monkeypatch.setattr(anchor_votes, "train_hallucinator", lambda *asked, **_: seen.append(asked[2]))
    monkeypatch.setattr(votes, "look", lambda *_: None)
    votes.correct(features, torch.arange(12) < 9, 1)
    assert seen == [other.head]
