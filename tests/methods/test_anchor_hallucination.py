import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.errors import SettingsError
from labelmend.methods import anchor_hallucination, anchor_votes
from labelmend.methods.anchor_hallucination import AnchorHallucination, AnchorHallucinationSettings
from labelmend.methods.anchor_votes import REPORTED
from labelmend.methods.base import Scores
from labelmend.methods.plan import Progress
from labelmend.selection import select
from labelmend.selection.easiness import LossMixture
from labelmend.training.trainer import train
from labelmend.verdicts.judge import EASY, HARD_CLEAN, HARD_CORRECTED, UNCERTAIN, VERDICTS, judge
from labelmend.verdicts.record import SampleRecord

CLASSES = 3
NOTHING_REPORTED = dict.fromkeys(REPORTED, 0.0)
FEW_STEPS = {"hallucinator_first_steps": 20, "hallucinator_steps": 5}


@pytest.fixture
def method(make_task, network):
    def make(given, task=None, **settings):
        settings = {"hallucinator": "closed_form", "lambda_p": 0.9, **settings}
        task = task or make_task(given, network)
        return AnchorHallucination(AnchorHallucinationSettings(**settings), task)

    return make


def test_votes_restore_wrong_labels_of_a_separable_problem(method, clusters, scores_of):
    features, true = clusters()
    given = true.clone()
    given[:12] = (true[:12] + 1) % CLASSES
    record, _ = method(given, easy_percent=60, lambda_conf=0.0).divide(scores_of(features, true))
    wrong = given != true
    assert not record.easy[wrong].any()
    voted = record.corrected >= 0
    assert voted.sum() > 5
    assert torch.equal(record.corrected[voted], true[voted])
    assert (record.label_quality[wrong] < record.label_quality[~wrong].min()).all()


@pytest.mark.parametrize("surrounding", ["strict", "loose"])
@pytest.mark.parametrize("hallucinator", ["learned", "closed_form"])
def test_anchors_vote_in_every_reading(
    method, with_optimizers, clusters, scores_of, surrounding, hallucinator
):
    features, true = clusters()
    settings = {"surrounding": surrounding, "hallucinator": hallucinator, "max_votes": 3, **FEW_STEPS}
    m = with_optimizers(method(true, **settings))
    record, report = m.divide(scores_of(features, true))
    assert report["valid_anchors"] > 0
    assert record.votes.max() == 3
    assert (record.votes[record.easy] == 0).all()
    sources = record.sources[record.votes > 0][:, 0]
    assert record.easy[sources].all()


@pytest.mark.parametrize("surrounding", ["strict", "loose"])
def test_strictly_read_an_anchor_votes_once_loosely_on_all_it_is_near_to(
    method, clusters, scores_of, surrounding
):
    features, true = clusters()
    m = method(true, surrounding=surrounding, anchors_per_sample=1, max_votes=18)
    record, report = m.divide(scores_of(features, true))
    assert (record.votes.sum() > report["valid_anchors"]) == (surrounding == "loose")


@pytest.mark.parametrize(("anchors", "conf"), [(1, 0.5), (2, 0.25), (3, 0.0)])
def test_each_easy_sample_makes_its_anchors_and_a_share_of_them_is_valid(
    method, clusters, scores_of, anchors, conf
):
    features, true = clusters()
    m = method(true, anchors_per_sample=anchors, lambda_conf=conf)
    record, report = m.divide(scores_of(features, true))
    assert report["easy"] == record.easy.sum() == 36
    assert report["valid_anchors"] == 36 * anchors - int(conf * 36 * anchors)


def test_rows_of_the_ablation(method, clusters, scores_of):
    features, true = clusters()
    given = true.clone()
    given[:6] = (true[:6] + 1) % CLASSES
    scores = scores_of(features, true)
    gmm, _ = method(given, selection="gmm", correction=False).divide(scores)
    assert torch.equal(gmm.easy, given == true)
    assert (gmm.corrected == -1).all()
    easy, report = method(given, correction=False, easy_percent=50).divide(scores)
    assert easy.easy.sum() == 30
    assert (easy.corrected == -1).all()
    assert report["valid_anchors"] == 0
    assert (method(given, easy_percent=50).divide(scores)[0].corrected >= 0).any()


def test_guesses_and_qualities_are_of_the_scores(method, clusters, scores_of):
    features, true = clusters()
    given = true.clone()
    given[0] = 1
    scores = scores_of(features, true)
    m = method(given)
    record, report = m.divide(scores)
    assert torch.equal(record.probabilities, scores.probabilities)
    m.selections.write(record, report, 1)
    second = scores_of(features, true, 0.5)
    assert torch.equal(m.divide(second)[0].probabilities, second.probabilities)


def some_record(m, **columns):
    """A record of four samples; what is not given is unknown."""
    empty = SampleRecord.empty(4, CLASSES)
    return replace(empty, **{name: torch.tensor(values) for name, values in columns.items()})


def test_targets_by_hand(method):
    m = method([0, 1, 2, 0], temperature=0.5)
    record = some_record(
        m,
        easiness=[0.5, 0.1, 0.9, 0.9],
        easy=[True, False, False, False],
        corrected=[-1, 2, -1, -1],
        vote_share=[0.0, 1.0, 0.0, 0.0],
    )
    guess = torch.tensor([[0.2, 0.4, 0.4], [0.5, 0.3, 0.2], [0.6, 0.2, 0.2]])
    found = m.targets(torch.tensor([0, 1, 2]), guess, record)
    mixed = torch.tensor([0.6, 0.2, 0.2]) ** 2
    unlabelled = torch.tensor([0.6, 0.2, 0.2]) ** 2
    expected = torch.stack([mixed / mixed.sum(), torch.tensor([0.0, 0, 1]), unlabelled / unlabelled.sum()])
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_label_corrected_to_the_first_class_is_learned_as_that(method):
    m = method([1, 1], temperature=1.0)
    record = replace(
        SampleRecord.empty(2, CLASSES),
        corrected=torch.tensor([0, -1]),
        vote_share=torch.tensor([1.0, 0.0]),
        easiness=torch.zeros(2),
    )
    found = m.targets(torch.tensor([0]), torch.tensor([[0.2, 0.4, 0.4]]), record)
    assert torch.allclose(found, torch.tensor([[1.0, 0.0, 0.0]]))


def test_a_selection_says_how_long_it_took_and_the_record_is_a_final_one(
    make_task, network, clusters, scores_of, monkeypatch
):
    features, true = clusters()
    asked = []

    def noted(*given, **options):
        asked.append(options["final"])
        return anchor_votes.choose(*given, **options)

    monkeypatch.setattr(anchor_hallucination, "choose", noted)
    settings = AnchorHallucinationSettings(hallucinator="closed_form", correction=False)
    task = make_task(true, network, score=lambda scored: scores_of(features, true))
    m = AnchorHallucination(settings, task)
    times = iter([5.0, 7.0])
    with monkeypatch.context() as patch:
        patch.setattr(anchor_hallucination.time, "perf_counter", lambda: next(times))
        assert m.divide(scores_of(features, true))[1]["selection_seconds"] == 2.0
    m.record()
    assert asked == [False, True]


def softmax(row):
    powers = [math.exp(value) for value in row]
    return [power / sum(powers) for power in powers]


def sharpened(row, temperature):
    powers = [value ** (1 / temperature) for value in row]
    return [power / sum(powers) for power in powers]


# Samples 0 (easy, weight 0.5) and 1 (corrected from 1 to 2, weight 0.75) are labelled, 2 and 3 are not; a
# step takes them in an order in which the unlabelled ones do not come last.
GIVEN, LABEL, WEIGHT, LABELLED = [0, 1, 2, 0], [0, 2], [0.5, 0.75], 2
INDEX = [3, 0, 2, 1]
RECORD = {
    "easiness": [0.5, 0.1, 0.2, 0.3],
    "easy": [True, False, False, False],
    "corrected": [-1, 2, -1, -1],
    "vote_share": [0.0, 0.75, 0.0, 0.0],
}


def targets_in_plain_python(views, temperature):
    """Target of each sample of the step, by sample."""
    found = {}
    for place, sample in enumerate(INDEX):
        predictions = [softmax(view[place].tolist()) for view in views]
        guess = [sum(values) / 2 for values in zip(*predictions, strict=True)]
        if sample < LABELLED:
            weight = WEIGHT[sample]
            guess = [weight * (c == LABEL[sample]) + (1 - weight) * value for c, value in enumerate(guess)]
        found[sample] = sharpened(guess, temperature)
    return found


def eq_3(labelled, unlabelled, weight, penalty):
    """Eq. 3 and the prior penalty, of pairs of logits and targets."""
    entropy = [
        -sum(q * math.log(p) for q, p in zip(target, softmax(logits), strict=True))
        for logits, target in labelled
    ]
    squares = [
        (p - q) ** 2 for logits, target in unlabelled for q, p in zip(target, softmax(logits), strict=True)
    ]
    predictions = [softmax(logits) for logits, _ in labelled + unlabelled]
    means = [sum(p) / len(predictions) for p in zip(*predictions, strict=True)]
    prior = sum(math.log(1 / CLASSES / mean) / CLASSES for mean in means)
    return sum(entropy) / len(entropy) + weight * sum(squares) / len(squares) + penalty * prior


def two_views(seed=0):
    return list(2 * torch.randn(2, 4, CLASSES, generator=torch.Generator().manual_seed(seed)))


@pytest.fixture
def semi_supervised(make_task, logits_network):
    """A method in its second part, on a network whose images are its logits; its average says otherwise."""

    def make(seed=0, **settings):
        task = make_task(GIVEN, logits_network(), averages=[logits_network(-3.0)], seed=seed)
        settings = {"warmup": 0.2, "ramp": 0.4, "mixup_alpha": 0.0, **settings}
        m = AnchorHallucination(AnchorHallucinationSettings(**settings), task)
        m.selections.write(some_record(m, **RECORD), NOTHING_REPORTED, 3)
        return m

    return make


def test_the_prior_is_that_of_the_classes_that_are_given(semi_supervised, views, monkeypatch):
    seen = []

    def watched(logits, prior):
        seen.append(prior.tolist())
        return logits.sum() * 0

    monkeypatch.setattr(anchor_hallucination, "prior_penalty", watched)
    m = semi_supervised()
    prior = torch.arange(CLASSES) / sum(range(CLASSES))
    m.prior.copy_(prior)
    m.loss(views(INDEX, two_views()), Progress(4, 0.9))
    assert seen == [prior.tolist()]


@pytest.mark.parametrize(
    ("changes", "share", "weight"),
    [
        ({}, 0.3, 1.25),
        ({}, 0.4, 2.5),
        ({}, 0.9, 5.0),
        ({"lambda_unlabelled": 2.0}, 0.9, 2.0),
        ({"lambda_unlabelled": 0.0}, 0.9, 0.0),
        ({"ramp": 0.0}, 0.2, 5.0),
        ({"prior_penalty": 0.0}, 0.9, 5.0),
        ({"prior_penalty": 0.5, "temperature": 1.0}, 0.9, 5.0),
    ],
)
def test_semi_supervised_loss_by_hand(semi_supervised, views, changes, share, weight):
    drawn = two_views()
    loss = semi_supervised(**changes).loss(views(INDEX, drawn), Progress(4, share))
    targets = targets_in_plain_python(drawn, changes.get("temperature", 0.5))
    pairs = [
        (sample, (view[place].tolist(), targets[sample]))
        for view in drawn
        for place, sample in enumerate(INDEX)
    ]
    labelled = [pair for sample, pair in pairs if sample < LABELLED]
    unlabelled = [pair for sample, pair in pairs if sample >= LABELLED]
    expected = eq_3(labelled, unlabelled, weight, changes.get("prior_penalty", 1.0))
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    loss.backward()


def test_mixing_half_and_half_by_hand(semi_supervised, views):
    """All eight rows of a step, labelled ones first, are mixed with one permutation of them."""
    drawn = [view[[0, 1]] for view in two_views()]
    m = semi_supervised(mixup_alpha=1e9, prior_penalty=0.0, seed=1)
    found = float(m.loss(views(INDEX[:2], drawn), Progress(4, 1.0)).detach())
    targets = targets_in_plain_python(two_views(), 0.5)
    rows = [(view[place].tolist(), targets[INDEX[place]]) for place in (1, 0) for view in drawn]

    def mixed(order):
        pairs = []
        for (x, q), other in zip(rows, order, strict=True):
            y, r = rows[other]
            pairs.append(
                (
                    [(a + b) / 2 for a, b in zip(x, y, strict=True)],
                    [(a + b) / 2 for a, b in zip(q, r, strict=True)],
                )
            )
        return eq_3(pairs[:2], pairs[2:], 5.0, 0.0)

    orders = [order for order in permutations(range(4)) if order != (0, 1, 2, 3)]
    distances = sorted(abs(found - mixed(order)) for order in orders)
    assert distances[0] < 1e-4
    unmixed = eq_3(rows[:2], rows[2:], 5.0, 0.0)
    assert abs(found - unmixed) > 1e-3


def test_the_warm_up_is_cross_entropy_on_given_labels(make_task, logits_network, views):
    task = replace(make_task(GIVEN, logits_network()), label_smoothing=0.3)
    m = AnchorHallucination(AnchorHallucinationSettings(), task)
    logits = two_views()[0]
    found = m.loss(views(INDEX, [logits]), Progress(1, 0.0))
    labels = torch.tensor(GIVEN)[INDEX]
    expected = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.3)
    assert torch.allclose(found, expected)


def test_the_warm_up_may_penalise_confidence(make_task, logits_network, views):
    m = AnchorHallucination(
        AnchorHallucinationSettings(confidence_penalty=0.5), make_task(GIVEN, logits_network())
    )
    logits = two_views()[0]
    found = m.loss(views(INDEX, [logits]), Progress(1, 0.0))
    p = logits.softmax(1)
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(GIVEN)[INDEX])
    assert torch.allclose(found, expected + 0.5 * (p * p.log()).sum(1).mean())


def test_selects_in_every_epoch_after_the_warm_up(make_task, network, clusters, scores_of):
    features, true = clusters()
    asked = []

    def score(scored):
        asked.append(scored)
        return scores_of(features, true, 0.5 + len(asked) / 20)

    average = object()
    m = AnchorHallucination(
        AnchorHallucinationSettings(hallucinator="closed_form", warmup=0.3),
        make_task(true, network, averages=[average], score=score),
    )
    for epoch in range(1, 11):
        steps = m.start_epoch(Progress(epoch, (epoch - 1) / 10))
        assert len(asked) == max(0, epoch - 3)
        assert (m.selections.last is None) == (epoch <= 3)
        if epoch > 3:
            sure = 0.5 + len(asked) / 20
            assert torch.allclose(
                m.selections.last.probabilities, scores_of(features, true, sure).probabilities
            )
            assert (int(m.selections.number), int(m.selections.epoch)) == (epoch - 3, epoch)
        assert set(steps[0].parts) == ({""} if epoch <= 3 else {"labelled", "unlabelled"})
    assert all(scored is average for scored in asked)


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


@pytest.mark.parametrize(
    ("changes", "steps"),
    [({}, [1000, 100, 100]), ({"hallucinator_first_steps": 20, "hallucinator_steps": 30}, [20, 30, 30])],
)
def test_the_hallucinator_is_trained_in_each_selection(
    make_task, network, with_optimizers, clusters, scores_of, changes, steps
):
    features, true = clusters(150)
    task = make_task(true, network, score=lambda scored: scores_of(features, true))
    m = with_optimizers(AnchorHallucination(AnchorHallucinationSettings(**changes), task))
    optimizer, taken = task.optimizers["hallucinator"], []
    assert isinstance(optimizer, torch.optim.Adam)
    assert optimizer.param_groups[0]["lr"] == 1e-3
    optimizer.register_step_post_hook(lambda *_: taken.append(1))
    for number, wanted in enumerate(steps, start=1):
        before = weights(m.anchors.hallucinator)
        taken.clear()
        m.start_epoch(Progress(number, 0.9))
        assert len(taken) == wanted
        assert not torch.equal(weights(m.anchors.hallucinator), before)
    taken.clear()
    m.record()
    assert len(taken) == steps[-1]


def test_steps_are_equal_parts_of_labelled_and_unlabelled(method, make_task, network, clusters, scores_of):
    features, true = clusters()
    task = make_task(true, network, score=lambda scored: scores_of(features, true))
    m = method(true, task, correction=False, easy_percent=50)
    steps = m.start_epoch(Progress(1, 0.9))
    labelled = m.selections.last.labelled
    assert all(labelled[step.parts["labelled"]].all() for step in steps)
    assert not any(labelled[step.parts["unlabelled"]].any() for step in steps)
    assert [len(step.index) for step in steps] == [8] * 7 + [4]
    orders = []
    for _ in range(2):
        task.generator.manual_seed(1)
        orders.append(torch.cat([step.index for step in m.start_epoch(Progress(1, 0.9))]))
    assert torch.equal(*orders)
    whole = method(true, task, correction=False, easy_percent=100).start_epoch(Progress(1, 0.9))
    assert torch.cat([step.index for step in whole]).sort().values.tolist() == list(range(60))


@pytest.mark.parametrize(
    "case",
    ["no_hard", "no_anchor", "class_without_easy", "collapse", "one_class_left", "nothing_easy"],
)
def test_degenerate_states_give_an_answer(
    make_task, network, with_optimizers, clusters, scores_of, monkeypatch, case
):
    features, true = clusters()
    given, settings, scores = true.clone(), {}, scores_of(features, true)
    if case == "no_hard":
        settings = {"easy_percent": 100}
    elif case == "no_anchor":
        settings = {"correction": False}
    elif case == "class_without_easy":
        given[true == 2] = 0
        settings = {"selection": "gmm"}
    elif case == "collapse":
        scores = Scores(torch.full((len(true), CLASSES), 1 / CLASSES), features)
    elif case == "one_class_left":
        given[:] = 1
    elif case == "nothing_easy":
        settings = {"selection": "gmm"}
        monkeypatch.setattr(
            select,
            "loss_mixture",
            lambda losses: LossMixture(torch.full_like(losses, 0.25), 1.0, False),
        )
    task = make_task(given, network, score=lambda scored: scores)
    m = with_optimizers(AnchorHallucination(AnchorHallucinationSettings(**FEW_STEPS, **settings), task))
    steps = m.start_epoch(Progress(1, 0.9))
    assert len(torch.cat([step.index for step in steps])) > 0
    last, record = m.selections.last, m.record()
    verdict = judge(record, given).verdict
    assert len(verdict) == len(true)
    assert record.label_quality.isfinite().all()
    if case == "no_hard":
        assert last.easy.all()
        assert (verdict == VERDICTS.index(EASY)).all()
    elif case == "no_anchor":
        assert m.metrics()["valid_anchors"] == 0
        assert (record.votes == 0).all()
    elif case == "collapse":
        assert m.metrics()["mixture_collapsed"] == 1
    elif case == "one_class_left":
        assert (record.votes == 0).all()
    elif case == "nothing_easy":
        assert not last.labelled.any()
    else:
        assert case == "class_without_easy"
        assert not (last.easy & (given == 2)).any()


def test_trusted_labels_are_easy_and_never_doubted(
    make_task, network, with_optimizers, clusters, scores_of, views
):
    features, true = clusters()
    given = true.clone()
    given[0] = 1
    trusted = torch.arange(len(true)) == 0
    m = with_optimizers(
        AnchorHallucination(
            AnchorHallucinationSettings(**FEW_STEPS), make_task(given, network, trusted=trusted)
        )
    )
    record, _ = m.divide(scores_of(features, true))
    assert record.easy[0]
    assert record.label_quality[0] == 1
    guess = torch.full((1, CLASSES), 1 / CLASSES)
    assert m.targets(torch.tensor([0]), guess, record)[0].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "changes",
    [
        {"hallucinator_first_steps": 200, "hallucinator_steps": 20},
        {"prior_penalty": 0.0, "surrounding": "loose", "hallucinator": "closed_form"},
        {"selection": "gmm", "correction": False},
    ],
)
def test_beats_chance_by_far_and_finds_wrong_labels_on_digits(changes, noisy_digits, digits_test):
    settings = Settings(
        AnchorHallucinationSettings(warmup=0.5, **changes),
        network=NetworkSettings(widths=[16, 32]),
        budget=BudgetSettings(epochs=30),
        training=TrainingSettings(batch_size=50, lr=0.5, precision="float32"),
    )
    trained = train(settings, noisy_digits, digits_test)
    assert trained.summary["test_accuracy_last"] > 0.8
    assert trained.rows[-1]["detection_ap"] > 0.85
    given, true = noisy_digits.given_labels, noisy_digits.true_labels
    judged = judge(trained.record, torch.from_numpy(given))
    verdict, suggested = judged.verdict.numpy(), judged.suggested.numpy()
    easy = verdict == VERDICTS.index(EASY)
    assert (given == true)[easy].mean() > 0.9
    changed = verdict == VERDICTS.index(HARD_CORRECTED)
    assert (suggested[changed] != given[changed]).all()
    assert (suggested[~changed] == given[~changed]).all()
    kept = verdict == VERDICTS.index(HARD_CLEAN)
    assert (trained.record.votes.numpy()[kept | changed] > 0).all()
    assert set(np.unique(verdict)) <= {
        VERDICTS.index(v) for v in (EASY, HARD_CLEAN, HARD_CORRECTED, UNCERTAIN)
    }


def test_settings_name_the_flag_at_fault():
    with pytest.raises(SettingsError, match=r"--lambda-p is 0\.2, but must be in"):
        AnchorHallucinationSettings(lambda_p=0.2)
    with pytest.raises(SettingsError, match="--easy-percent"):
        AnchorHallucinationSettings(easy_percent=0)
    with pytest.raises(SettingsError, match="--lambda-conf"):
        AnchorHallucinationSettings(lambda_conf=1.0)
