import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmend.selection.noise_interval import NoiseRate, noise_rate
from labelmend.selection.noise_rate import estimate_noise_rate

CLASSES, COUNT = 10, 600


def simulated(signal, share, seed):
    """Calibrated posteriors of a Gaussian signal, a neighbour's guess from another draw, random wrong labels.

    Logits ``s^2 onehot + s noise`` are log posteriors up to a constant: the model is as sure as it is right.
    """
    generator = torch.Generator().manual_seed(seed)
    true = torch.randint(CLASSES, (COUNT,), generator=generator)
    onehot = torch.nn.functional.one_hot(true, CLASSES)

    def posterior():
        noise = torch.randn(COUNT, CLASSES, generator=generator)
        return (signal**2 * onehot + signal * noise).softmax(1)

    wrong = torch.rand(COUNT, generator=generator) < share
    other = (true + torch.randint(1, CLASSES, (COUNT,), generator=generator)) % CLASSES
    return posterior(), posterior().argmax(1), torch.where(wrong, other, true), float(wrong.double().mean())


@pytest.mark.parametrize("signal", [0.3, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.45])
def test_the_interval_covers_the_share_whatever_the_model_is_worth(signal, share):
    covered = 0
    for seed in range(40):
        probabilities, neighbours, labels, wrong = simulated(signal, share, seed)
        found = noise_rate(probabilities, neighbours, labels)
        assert found.low <= found.rate <= found.high
        covered += found.low <= wrong <= found.high
    assert covered >= 36


@pytest.mark.parametrize("share", [0.0, 0.2, 0.45])
def test_only_a_model_that_has_learned_something_is_believed(share):
    told = {s: noise_rate(*simulated(s, share, 0)[:3]).told for s in (0.0, 0.5, 4.0)}
    assert told == {0.0: False, 0.5: False, 4.0: True}


def test_a_model_that_has_memorised_its_labels_is_not_believed():
    _, neighbours, labels, _ = simulated(4.0, 0.4, 0)
    memorised = torch.nn.functional.one_hot(labels, CLASSES) * 0.99 + 0.001
    assert estimate_noise_rate(memorised, labels) == 0
    found = noise_rate(memorised, neighbours, labels)
    assert not found.told
    assert found.high > 0.4


def test_the_ends_by_hand():
    # Ten samples of two classes; below 0.25 a label is all but impossible.
    own = torch.tensor([0.1, 0.1, 0.1, 0.1, 0.1, 0.4, 0.9, 0.9, 0.9, 0.9])
    labels = torch.zeros(10, dtype=torch.int64)
    neighbours = torch.tensor([1, 1, 1, 1, 0, 0, 1, 0, 0, -1])
    found = noise_rate(torch.stack([own, 1 - own], 1), neighbours, labels)
    # Against by both: 4 of 10, less 0.9 for the nine numbers 0.1 among the probabilities, so 3;
    # against by either: 0 to 6 and 9, 8 of 10. Wilson's ends, z = 1.959964.
    z2 = 1.959964**2
    for count, sign, end in ((3, -1, found.low), (8, 1, found.high)):
        centre, spread = (count + z2 / 2) / (10 + z2), (count * (10 - count) / 10 + z2 / 4) ** 0.5
        assert end == pytest.approx(centre + sign * 1.959964 * spread / (10 + z2), abs=1e-6)


def test_the_estimate_is_kept_within_its_ends():
    labels = torch.arange(60) % 2
    sure = torch.nn.functional.one_hot(labels, 2) * 0.9 + 0.05
    assert noise_rate(sure, labels, labels).rate == 0
    probabilities, neighbours, given_labels, _ = simulated(0.5, 0.0, 0)
    found = noise_rate(probabilities, neighbours, given_labels)
    assert found.rate == estimate_noise_rate(probabilities, given_labels) < found.high


def test_labels_that_look_clean_may_all_be_right():
    labels = torch.arange(200) % 4
    probabilities = torch.nn.functional.one_hot(labels, 4) * 0.9 + 0.025
    probabilities[:5] = probabilities[:5].roll(1, 1)  # five hard images of 200, and their neighbours
    neighbours = labels.clone()
    neighbours[:5] = (neighbours[:5] + 1) % 4
    found = noise_rate(probabilities, neighbours, labels)
    assert found.low == 0
    assert 5 / 200 < found.high < 0.06
    assert found.told


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**31), st.integers(1, 50), st.integers(2, 6))
def test_ends_are_shares_in_order(seed, count, classes):
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.randn(count, classes, generator=generator).softmax(1)
    neighbours = torch.randint(-1, classes, (count,), generator=generator)
    labels = torch.randint(classes, (count,), generator=generator)
    found = noise_rate(probabilities, neighbours, labels)
    assert 0 <= found.low <= found.rate <= found.high <= 1


def test_a_wide_interval_tells_nothing():
    assert NoiseRate(0.2, 0.1, 0.39).told
    assert not NoiseRate(0.2, 0.1, 0.41).told


def test_few_impossible_labels_of_sure_images_look_clean_and_more_do_not():
    labels = torch.zeros(200, dtype=torch.int64)
    lows = []
    for wrong in (7, 8):
        sure = torch.tensor([[0.999, 0.001]]).repeat(200, 1)
        sure[:wrong] = sure[:wrong].flip(1)
        neighbours = (torch.arange(200) < wrong).long()
        lows.append(noise_rate(sure, neighbours, labels).low)
    assert lows[0] == 0
    assert lows[1] > 0.01
