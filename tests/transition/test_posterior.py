import math

import numpy as np
import pytest
import torch

from labelmend.transition import posterior
from labelmend.transition.posterior import (
    estimate_transition,
    label_log_likelihoods,
    label_posterior,
    labels_follow_classes,
)


def test_posterior_by_hand():
    transition = torch.tensor([[0.8, 0.2], [0.4, 0.6]])
    guess = torch.tensor([[0.5, 0.5], [0.9, 0.1]])
    found = label_posterior(guess, torch.tensor([0, 1]), transition)
    assert torch.allclose(found, torch.tensor([[2 / 3, 1 / 3], [0.18 / 0.24, 0.06 / 0.24]]))


def test_labels_that_say_nothing_change_nothing():
    guess = torch.tensor([[0.7, 0.2, 0.1]])
    assert torch.allclose(label_posterior(guess, torch.tensor([2]), torch.full((3, 3), 1 / 3)), guess)


def test_sure_guesses_give_the_confusion_matrix():
    true = torch.tensor([0] * 70 + [0] * 30 + [1] * 60)
    given = torch.tensor([0] * 70 + [1] * 30 + [1] * 60)
    guess = torch.nn.functional.one_hot(true, 2).double()
    found = estimate_transition(guess, given)
    expected = torch.tensor([[70.5 / 101, 30.5 / 101], [0.5 / 61, 60.5 / 61]], dtype=torch.float64)
    assert torch.allclose(found, expected)


@pytest.mark.parametrize(("classes", "images"), [(2, 50), (10, 500), (100, 100), (1000, 50)])
def test_the_prior_does_not_drown_what_many_small_classes_say(classes, images):
    true = torch.arange(classes).repeat_interleave(images)
    wrong = torch.arange(len(true)) % 10 < 3
    given = torch.where(wrong, (true + 1) % classes, true)
    found = estimate_transition(torch.nn.functional.one_hot(true, classes).float(), given)
    assert (1 - found.diagonal()).mean() == pytest.approx(0.3, abs=0.02)
    assert torch.allclose(found.sum(1), torch.ones(classes), atol=1e-5)


def test_rows_are_counted_in_blocks(monkeypatch):
    draw = torch.Generator().manual_seed(0)
    guess, given = torch.rand(50, 4, generator=draw).softmax(1), torch.randint(4, (50,), generator=draw)
    shares = torch.rand(50, 4, generator=draw)
    shares /= shares.sum(1, keepdim=True)
    whole = estimate_transition(guess, given), labels_follow_classes(shares, given, 9)
    monkeypatch.setattr(posterior, "ROWS", 7)
    assert torch.allclose(estimate_transition(guess, given), whole[0])
    assert labels_follow_classes(shares, given, 9) == whole[1]


def test_without_samples_nothing_is_known():
    found = estimate_transition(torch.zeros(0, 4, dtype=torch.float64), torch.zeros(0, dtype=torch.int64))
    assert found.dtype == torch.float64
    assert found.tolist() == [[0.25] * 4] * 4


def test_likelihoods_by_hand():
    guess = torch.tensor([[0.5, 0.3, 0.2]])
    transition = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8]])
    by_class, by_image = (x.item() for x in label_log_likelihoods(guess, torch.tensor([1]), transition))
    assert by_class == pytest.approx(math.log(0.5 * 0.3 + 0.3 * 0.7 + 0.2 * 0.1), abs=1e-6)
    # Class 0 shares its 0.4 in proportion 0.3 * 0.3 to 0.1 * 0.2, class 2 its 0.2 as 0.1 * 0.5 to 0.1 * 0.3.
    expected = 0.5 * 0.4 * 0.09 / 0.11 + 0.3 * 0.7 + 0.2 * 0.2 * 0.03 / 0.08
    assert by_image == pytest.approx(math.log(expected), abs=1e-6)


@pytest.mark.parametrize("suits_image", [False, True])
def test_noise_that_suits_the_image_is_told_from_noise_by_class(suits_image):
    draw = np.random.default_rng(0)
    classes, count = 5, 50
    guess = draw.dirichlet(np.full(classes, 0.4), 4000)
    shares = np.stack([draw.multinomial(count, row) / count for row in guess])
    true = np.array([draw.choice(classes, p=row) for row in guess])
    others = guess.copy()
    others[np.arange(len(true)), true] = -1
    wrong = others.argmax(1) if suits_image else (true + draw.integers(1, classes, len(true))) % classes
    given = torch.from_numpy(np.where(draw.random(len(true)) < 0.4, wrong, true))
    assert labels_follow_classes(torch.from_numpy(shares).float(), given, count) is not suits_image


def test_one_more_neighbour_of_all_classes_is_counted(monkeypatch):
    asked = []

    def likelihoods(guess, given, transition):
        asked.append((guess, transition))
        return label_log_likelihoods(guess, given, transition)

    monkeypatch.setattr(posterior, "label_log_likelihoods", likelihoods)
    shares, given = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]), torch.tensor([0, 2])
    labels_follow_classes(shares, given, 2)
    expected = torch.tensor([[7.0, 1.0, 1.0], [1.0, 4.0, 4.0]]) / 9
    assert torch.allclose(asked[0][0], expected)
    assert torch.allclose(asked[0][1], estimate_transition(expected, given))


@pytest.mark.parametrize(("gain", "follow"), [([0.5, 0.5], False), ([0.0, 0.0], True), ([0.5], True)])
def test_gains_that_do_not_vary_decide_from_two_samples_on(monkeypatch, gain, follow):
    monkeypatch.setattr(
        posterior, "label_log_likelihoods", lambda guess, *_: (torch.zeros(len(guess)), torch.tensor(gain))
    )
    shares = torch.full((len(gain), 3), 1 / 3)
    assert labels_follow_classes(shares, torch.zeros(len(gain), dtype=torch.int64), 5) is follow


@pytest.mark.parametrize("seed", range(8))
def test_two_classes_cannot_tell_and_keep_bayes_rule(seed):
    draw = np.random.default_rng(seed)
    shares = torch.from_numpy(draw.dirichlet([0.5, 0.5], 300)).float()
    given = torch.from_numpy((draw.random(300) < 0.4).astype(np.int64))
    by_class, by_image = label_log_likelihoods(
        (9 * shares + 0.5) / 10, given, torch.tensor([[0.7, 0.3], [0.4, 0.6]])
    )
    assert torch.allclose(by_class, by_image, atol=1e-5)
    assert labels_follow_classes(shares, given, 9)


@pytest.mark.parametrize("seed", range(8))
def test_a_lead_within_the_error_of_the_mean_decides_nothing(seed):
    # Labels drawn independently of everything: neither model has the better of it but by chance.
    draw = np.random.default_rng(seed)
    shares = torch.from_numpy(draw.dirichlet([1.0, 1.0, 1.0], 40)).float()
    assert labels_follow_classes(shares, torch.from_numpy(draw.integers(0, 3, 40)), 9)


def test_the_margin_is_of_standard_errors(monkeypatch):
    # 100 gains of mean 0.2 and deviation 1.005: the standard error is 0.1, three of them 0.3.
    gain = 0.2 + torch.tensor([1.0, -1.0]).repeat(50)
    monkeypatch.setattr(posterior, "label_log_likelihoods", lambda guess, *_: (torch.zeros(len(guess)), gain))
    shares, given = torch.full((100, 3), 1 / 3), torch.zeros(100, dtype=torch.int64)
    assert labels_follow_classes(shares, given, 5)
    gain += 0.2
    assert not labels_follow_classes(shares, given, 5)
