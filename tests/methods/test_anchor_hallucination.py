from dataclasses import replace

import numpy as np
import pytest
import torch

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.data.sources import load
from labelmend.errors import SettingsError
from labelmend.methods.anchor_hallucination import AnchorHallucination, AnchorHallucinationSettings
from labelmend.methods.base import Progress, Scores, Task
from labelmend.models.registry import NetworkDescription, build_network
from labelmend.training.loop import train
from labelmend.verdicts.table import EASY, HARD_CLEAN, HARD_CORRECTED, UNCERTAIN, VERDICTS

CLASSES, DIM = 3, 4
CENTRES = torch.tensor([[1.0, 0, 0, 0.2], [0, 1.0, 0, 0.2], [0, 0, 1.0, 0.2]])


def task(given, network, score=None):
    given = torch.as_tensor(given)
    return Task(
        given_labels=given,
        trusted=torch.zeros(len(given), dtype=torch.bool),
        num_classes=CLASSES,
        networks=[network],
        averages=[network],
        score=score,
        batch_size=8,
        label_smoothing=0.0,
        generator=torch.Generator().manual_seed(0),
        device=torch.device("cpu"),
    )


@pytest.fixture
def network():
    description = NetworkDescription("fastnet", 8, 1, CLASSES, CLASSES, {"widths": [DIM], "depth": 1})
    return build_network(description, torch.Generator().manual_seed(0)).eval()


def clusters(per_class=20, seed=0):
    """Features in three clusters, and the classes they belong to."""
    true = torch.arange(CLASSES).repeat(per_class)
    noise = 0.05 * torch.rand(len(true), DIM, generator=torch.Generator().manual_seed(seed))
    return CENTRES[true] + noise, true


def scores_of(features, true, sure=0.9):
    other = (1 - sure) / (CLASSES - 1)
    p = torch.full((len(true), CLASSES), other)
    return Scores(p.scatter(1, true[:, None], sure), features)


def method(given, network, **settings):
    settings = {"hallucinator": "closed_form", "lambda_p": 0.9, **settings}
    return AnchorHallucination(AnchorHallucinationSettings(**settings), task(given, network))


def test_votes_restore_wrong_labels_of_a_separable_problem(network):
    features, true = clusters()
    given = true.clone()
    given[:12] = (true[:12] + 1) % CLASSES
    partition = method(given, network, easy_percent=60, lambda_conf=0.0).divide(scores_of(features, true))
    wrong = given != true
    assert not partition.easy[wrong].any()
    voted = partition.corrected >= 0
    assert voted.sum() > 5
    assert torch.equal(partition.corrected[voted], true[voted])
    assert (partition.label_quality[wrong] < partition.label_quality[~wrong].min()).all()


@pytest.mark.parametrize("surrounding", ["strict", "loose"])
@pytest.mark.parametrize("hallucinator", ["learned", "closed_form"])
def test_anchors_vote_in_every_reading(network, surrounding, hallucinator):
    features, true = clusters()
    m = method(true, network, surrounding=surrounding, hallucinator=hallucinator, max_votes=3)
    partition = m.divide(scores_of(features, true))
    assert m.report["valid_anchors"] > 0
    assert 0 < partition.votes.max() <= 3
    assert (partition.votes[partition.easy] == 0).all()
    sources = partition.sources[partition.votes > 0][:, 0]
    assert partition.easy[sources].all()


def test_rows_of_the_ablation(network):
    features, true = clusters()
    given = true.clone()
    given[:6] = (true[:6] + 1) % CLASSES
    scores = scores_of(features, true)
    gmm = method(given, network, selection="gmm", correction=False).divide(scores)
    assert torch.equal(gmm.easy, given == true)
    assert (gmm.corrected == -1).all()
    easy = method(given, network, correction=False, easy_percent=50).divide(scores)
    assert easy.easy.sum() == 30
    assert (easy.corrected == -1).all()
    assert (method(given, network, easy_percent=50).divide(scores).corrected >= 0).any()


def test_weights_of_labelled_samples_by_hand(network):
    given = torch.tensor([0, 0, 0, 1])
    omega = torch.tensor([0.9, 0.2, 0.3, 0.4])
    corrected = torch.tensor([-1, 0, 1, 1])
    share = torch.tensor([0.0, 0.8, 0.6, 0.1])
    expected = {"share": [0.9, 0.8, 0.6, 0.4], "easiness": [0.9, 0.2, 0.3, 0.4], "one": [0.9, 1, 1, 1]}
    for name, weights in expected.items():
        found = method(given, network, corrected_weight=name).weigh(omega, corrected, share)
        assert torch.allclose(found, torch.tensor(weights, dtype=torch.float32))


def test_targets_by_hand(network):
    features, true = clusters(2)
    m = method(true, network, temperature=0.5)
    partition = m.divide(scores_of(features, true))
    partition = replace(
        partition,
        easy=torch.tensor([True, False, False, False, False, False]),
        corrected=torch.tensor([-1, 2, -1, -1, -1, -1]),
        weight=torch.tensor([0.5, 1.0, 0, 0, 0, 0]),
    )
    guess = torch.tensor([[0.2, 0.4, 0.4], [0.5, 0.3, 0.2], [0.6, 0.2, 0.2]])
    found = m.targets(torch.tensor([0, 1, 2]), guess, partition)
    mixed = torch.tensor([0.6, 0.2, 0.2]) ** 2
    unlabelled = torch.tensor([0.6, 0.2, 0.2]) ** 2
    expected = torch.stack([mixed / mixed.sum(), torch.tensor([0.0, 0, 1]), unlabelled / unlabelled.sum()])
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("posterior", "leaning"), [("none", 0), ("unlabelled", 3), ("all", 4)])
def test_posterior_guesses_lean_towards_the_given_label(network, posterior, leaning):
    features, true = clusters()
    given = true.clone()
    given[:3] = (true[:3] + 1) % CLASSES
    changes = {"neighbours": 3, "temperature": 1.0, "easy_percent": 50, "correction": False}
    m = method(given, network, posterior=posterior, **changes)
    partition = m.divide(scores_of(features, true))
    assert not partition.labelled[:3].any()
    easy = partition.easy.nonzero()[:1, 0]
    partition.weight[easy] = 0.0
    index, even = torch.cat([torch.arange(3), easy]), torch.full((4, CLASSES), 1 / CLASSES)
    found = m.targets(index, even, partition)
    column = partition.transition[:, given[index]].T
    expected = column / column.sum(1, keepdim=True)
    assert torch.equal(expected.argmax(1), given[index])
    assert torch.allclose(found[:leaning], expected[:leaning])
    assert torch.allclose(found[leaning:], even[leaning:])


@pytest.mark.parametrize("suits_image", [False, True])
def test_auto_does_without_bayes_rule_where_wrong_labels_suit_the_image(network, suits_image):
    draw = torch.Generator().manual_seed(0)
    own, true = clusters(200)
    other = (true + torch.randint(1, CLASSES, true.shape, generator=draw)) % CLASSES
    share = 0.5 * torch.rand(len(true), 1, generator=draw)
    features = (1 - share) * own + share * CENTRES[other]
    if suits_image:
        given = torch.where(share[:, 0] > 0.3, other, true)
    else:
        random = (true + torch.randint(1, CLASSES, true.shape, generator=draw)) % CLASSES
        given = torch.where(torch.rand(len(true), generator=draw) < 0.4, random, true)
    m = method(given, network, posterior="auto", neighbours=10, correction=False, temperature=1.0)
    partition = replace(m.divide(scores_of(features, true)), weight=torch.zeros(len(true)))
    assert m.report["bayes"] == bool(partition.bayes) == (not suits_image)
    even = torch.full((len(true), CLASSES), 1 / CLASSES)
    found = m.targets(torch.arange(len(true)), even, partition)
    assert torch.allclose(found, even) == suits_image


def test_the_first_selection_decides_on_bayes_rule(network):
    features, true = clusters()
    m = method(true, network, posterior="auto", neighbours=10, correction=False)
    first = m.divide(scores_of(features, true))
    for bayes in (torch.tensor(True), torch.tensor(False)):
        m.partition = replace(first, bayes=bayes)
        assert m.divide(scores_of(features, true)).bayes == bayes


def test_auto_needs_neighbours():
    with pytest.raises(SettingsError, match="neighbours"):
        AnchorHallucinationSettings(posterior="auto")


def test_centred_similarities_survive_a_common_offset(network):
    features, true = clusters()
    hard = torch.arange(len(true)) % 4 == 0
    m = method(true, network, centre_features=True, lambda_p=1.0)
    votes, _, _ = m.correct(features + 30, ~hard, hard.nonzero()[:, 0])
    hit = votes.label >= 0
    assert hit.any()
    assert torch.equal(votes.label[hit], true[hard][hit])


def test_equal_steps_take_as_many_unlabelled_as_labelled(network):
    labelled = torch.arange(30) < 20
    steps = method(torch.arange(30) % 3, network).semi_supervised_steps(labelled)
    assert [int(labelled[s].sum()) for s in steps] == [4] * 5
    assert all(len(s) == 8 for s in steps)
    assert torch.cat([s[labelled[s]] for s in steps]).sort().values.tolist() == list(range(20))
    seen = torch.cat([s[~labelled[s]] for s in steps])
    assert torch.bincount(seen, minlength=30)[20:].tolist() == [2] * 10


@pytest.mark.parametrize("kind", ["equal", "proportional"])
def test_steps_without_labelled_or_unlabelled_samples_take_all(network, kind):
    m = method(torch.arange(30) % 3, network, unlabelled=kind)
    for labelled in (torch.zeros(30, dtype=torch.bool), torch.ones(30, dtype=torch.bool)):
        steps = m.semi_supervised_steps(labelled)
        assert torch.cat(steps).sort().values.tolist() == list(range(30))


@pytest.mark.parametrize(
    "case",
    ["no_hard", "no_valid_anchor", "class_without_easy", "collapse", "one_class_left", "nothing_easy"],
)
def test_degenerate_states_give_an_answer(network, case):
    features, true = clusters()
    given, settings, scores = true.clone(), {}, scores_of(features, true)
    if case == "no_hard":
        settings = {"easy_percent": 100}
    elif case == "no_valid_anchor":
        settings = {"lambda_conf": 1.0, "lambda_conf_mode": "absolute"}
    elif case == "class_without_easy":
        given[true == 2] = 0
        settings = {"selection": "gmm"}
    elif case == "collapse":
        scores = Scores(torch.full((len(true), CLASSES), 1 / CLASSES), features)
    elif case == "one_class_left":
        given[:] = 1
    elif case == "nothing_easy":
        settings = {"selection": "gmm", "gmm_threshold": 1.0}
    m = AnchorHallucination(AnchorHallucinationSettings(**settings), task(given, network, lambda _: scores))
    m.start_epoch(Progress(1, 0.9))
    verdicts = m.verdicts()
    partition = m.partition
    assert len(verdicts.verdict) == len(true)
    assert np.isfinite(verdicts.label_quality).all()
    if case == "no_hard":
        assert partition.easy.all()
        assert (verdicts.verdict == VERDICTS.index(EASY)).all()
    elif case == "no_valid_anchor":
        assert m.report["valid_anchors"] == 0
        assert (verdicts.votes == 0).all()
    elif case == "collapse":
        assert m.report["mixture_collapsed"] == 1
    elif case == "one_class_left":
        assert (verdicts.votes == 0).all()
    elif case == "nothing_easy":
        assert not partition.labelled.any()
    else:
        assert case == "class_without_easy"
        assert not (partition.easy & (given == 2)).any()


def test_trusted_labels_are_easy_and_never_doubted(network):
    features, true = clusters()
    given = true.clone()
    given[0] = 1
    base = task(given, network)
    trusted = base.trusted.clone()
    trusted[0] = True
    m = AnchorHallucination(AnchorHallucinationSettings(), replace(base, trusted=trusted))
    partition = m.divide(scores_of(features, true))
    assert partition.easy[0]
    assert partition.label_quality[0] == 1
    assert partition.weight[0] == 1


def test_labels_of_easy_neighbours_are_half_of_a_guess(network):
    features, true = clusters()
    given = true.clone()
    given[0] = 1
    scores = scores_of(features, true)
    scores.probabilities[0] = torch.tensor([0.25, 0.5, 0.25])
    alone = method(given, network, easy_percent=60).divide(scores)
    helped = method(given, network, easy_percent=60, neighbours=5).divide(scores)
    assert not alone.easy[0] and torch.equal(alone.easy, helped.easy)
    assert torch.equal(alone.guess, scores.probabilities)
    assert torch.allclose(helped.guess[0], torch.tensor([0.625, 0.25, 0.125]))
    assert helped.label_quality[0] < alone.label_quality[0]


def test_cached_guesses_are_a_running_mean(network):
    features, true = clusters()
    m = method(true, network, guess_momentum=0.75)
    first = scores_of(features, true, 0.9)
    m.partition = m.divide(first)
    assert torch.equal(m.partition.guess, first.probabilities)
    second = scores_of(features, true, 0.5)
    expected = 0.75 * first.probabilities + 0.25 * second.probabilities
    assert torch.allclose(m.divide(second).guess, expected)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"guesses": "cached", "views": 1, "unlabelled": "proportional", "strong_views": True},
        {"teacher": "average", "prior_penalty": 0.0, "surrounding": "loose"},
        {"selection": "gmm", "correction": False},
    ],
)
def test_beats_chance_by_far_and_finds_wrong_labels_on_digits(changes, noisy_digits, digits_test):
    settings = Settings(
        AnchorHallucinationSettings(warmup=0.5, refresh=2, **changes),
        network=NetworkSettings(widths=[16, 32]),
        budget=BudgetSettings(epochs=30),
        training=TrainingSettings(batch_size=50, lr=0.5, precision="float32"),
    )
    trained = train(settings, noisy_digits, digits_test)
    assert trained.summary["test_accuracy_last"] > 0.8
    assert trained.rows[-1]["detection_ap"] > 0.85
    verdicts, given, true = trained.verdicts, noisy_digits.given_labels, noisy_digits.true_labels
    easy = verdicts.verdict == VERDICTS.index(EASY)
    assert (given == true)[easy].mean() > 0.9
    changed = verdicts.verdict == VERDICTS.index(HARD_CORRECTED)
    assert (verdicts.suggested[changed] != given[changed]).all()
    assert (verdicts.suggested[~changed] == given[~changed]).all()
    kept = verdicts.verdict == VERDICTS.index(HARD_CLEAN)
    assert (verdicts.votes[kept | changed] > 0).all()
    assert set(np.unique(verdicts.verdict)) <= {
        VERDICTS.index(v) for v in (EASY, HARD_CLEAN, HARD_CORRECTED, UNCERTAIN)
    }


def test_settings_name_the_flag_at_fault():
    with pytest.raises(SettingsError, match=r"--lambda-p is 0\.2, but must be in"):
        AnchorHallucinationSettings(lambda_p=0.2)
    with pytest.raises(SettingsError, match="--easy-percent"):
        AnchorHallucinationSettings(easy_percent=0)


def test_clean_labels_look_clean_and_keep_nearly_all_labels():
    settings = Settings(
        AnchorHallucinationSettings(warmup=0.5, refresh=2),
        network=NetworkSettings(widths=[16, 32]),
        budget=BudgetSettings(epochs=20),
        training=TrainingSettings(batch_size=32, lr=0.3, precision="float32"),
    )
    trained = train(settings, load("digits", limit=600))
    assert trained.summary["looks_clean"]
    assert (trained.verdicts.verdict == VERDICTS.index(HARD_CORRECTED)).mean() < 0.01
