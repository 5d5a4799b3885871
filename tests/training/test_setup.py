import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from labelmend.config import AugmentationSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.errors import DataError, LabelmendWarning
from labelmend.methods import METHODS
from labelmend.models.preprocessing import Preprocessing
from labelmend.models.pretrained import load_backbone
from labelmend.training import setup
from labelmend.training.mirroring import Mirroring
from labelmend.training.setup import (
    belonging_together,
    describe,
    hold_out,
    resolve_augmentation,
    resolve_normalisation,
    set_up,
)
from labelmend.training.trainer import Trainer
from labelmend.training.views import Normalisation


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_batch_size_and_rate_follow_the_number_of_images():
    auto = TrainingSettings()
    sizes = [setup.resolve_batch_size(auto, count, 32) for count in (20, 1000, 10_000, 1_000_000)]
    assert sizes == [20, 32, 125, 250]
    assert setup.resolve_lr(auto, 125) == pytest.approx(0.2)
    assert setup.resolve_lr(auto, 500) == pytest.approx(0.4)
    fixed = TrainingSettings(batch_size=64, lr=0.02)
    assert setup.resolve_batch_size(auto, 1_000_000, 224) == 32
    assert setup.resolve_batch_size(fixed, 10_000, 224) == 64
    assert setup.resolve_lr(fixed, 64) == 0.02
    assert setup.resolve_batch_size(fixed, 40, 32) == 40


def test_views_follow_the_images():
    normalisation = Normalisation((0.0,), (1.0,))

    def resolve(side, flip=True, **changes):
        return resolve_augmentation(AugmentationSettings(**changes), normalisation, side, flip)

    assert [resolve(side).crop for side in (4, 8, 32, 224)] == [1, 1, 4, 28]
    assert resolve(8, crop=0).crop == 0
    assert resolve(8, crop=20).crop == 7
    assert [resolve(8, flip).flip for flip in (True, False)] == [True, False]
    assert resolve(32, cutout=0.3).cutout == 10
    assert resolve(32, jitter=0.4, padding="zero").jitter == 0.4
    assert resolve(32, padding="zero").padding == "zero"
    assert resolve(32).padding == "reflect"


def test_pixels_are_normalised_as_the_network_wants_or_else_by_their_own_statistics():
    pixels = torch.tensor([[0, 255], [51, 51]], dtype=torch.uint8).view(1, 2, 2, 1)
    assert resolve_normalisation(Preprocessing(), pixels) == Normalisation.of(pixels)
    wanted = Preprocessing(mean=(0.2, 0.4, 0.6), std=(0.1, 0.2, 0.6))
    colours = resolve_normalisation(wanted, pixels.expand(-1, -1, -1, 3))
    assert colours.mean == pytest.approx((51, 102, 153))
    assert colours.std == pytest.approx((25.5, 51, 153))
    grey = resolve_normalisation(wanted, pixels)
    assert (grey.mean, grey.std) == (pytest.approx((102,)), pytest.approx((76.5,)))


def test_a_network_of_a_library_gets_the_pixels_it_was_made_for(noisy_digits):
    wanted = replace(settings(), network=NetworkSettings("efficientnet_lite0"))
    found = set_up(wanted, noisy_digits, METHODS["ce"], generator(), ("float32", "contiguous"))
    assert found.normalisation == Normalisation((127.5,), (127.5,))
    extractor = found.networks[0].extractor
    side = noisy_digits.images.shape[1]
    assert extractor.fingerprint == load_backbone("efficientnet_lite0", image_size=side).fingerprint


def test_held_out_images_are_a_random_share_of_at_least_one():
    held = hold_out(200, 0.25, generator())
    assert int(held.sum()) == 50
    assert torch.equal(held, hold_out(200, 0.25, generator()))
    assert not torch.equal(held, hold_out(200, 0.25, generator(1)))
    assert int(hold_out(200, 0.001, generator()).sum()) == 1


def test_no_share_holds_out_and_draws_nothing():
    draw = generator()
    assert not hold_out(200, 0.0, draw).any()
    assert torch.equal(draw.get_state(), generator().get_state())


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_held_out_whole(seed):
    patient = torch.arange(200) // 7
    held = hold_out(200, 0.2, generator(seed), patient)
    assert 34 <= int(held.sum()) <= 40  # as many groups of 7 as fit into 40
    assert not set(patient[held].tolist()) & set(patient[~held].tolist())
    assert torch.equal(held, hold_out(200, 0.2, generator(seed), patient))


def test_groups_are_taken_in_random_order_as_long_as_they_fit():
    sizes = torch.randint(1, 9, (400,), generator=generator())
    group_of = torch.arange(400).repeat_interleave(sizes)
    chosen, total = set(), 0
    for group in torch.randperm(400, generator=generator(2)).tolist():
        if total + int(sizes[group]) <= round(0.3 * len(group_of)):
            chosen.add(group)
            total += int(sizes[group])
    held = hold_out(len(group_of), 0.3, generator(2), group_of)
    assert held.tolist() == [group in chosen for group in group_of.tolist()]


def test_holding_out_a_share_of_many_groups_takes_no_time():
    """The sum of what is chosen, taken again for each group, would take minutes."""
    held = hold_out(200_000, 0.1, generator(), torch.arange(200_000))
    assert int(held.sum()) == 20_000


def test_images_of_a_group_must_not_speak_for_each_other(noisy_digits):
    digits = noisy_digits.subset(np.arange(6))
    assert set_up(settings(), digits, METHODS["ce"], generator()).together is None
    grouped = replace(digits, groups=["b", "a", "b", "c", "a", "b"])
    assert set_up(settings(), grouped, METHODS["ce"], generator()).together.tolist() == [0, 1, 0, 2, 1, 0]


def test_equal_images_belong_together_with_groups_and_without(noisy_digits):
    digits = replace(noisy_digits.subset(np.arange(6)), same_pictures=[[1, 4], [2, 3, 5]])
    assert belonging_together(digits).tolist() == [0, 1, 2, 2, 1, 2]
    # The first group has a copy in the second pair of copies.
    grouped = replace(digits, groups=["a", "b", "a", "c", "d", "e"])
    assert belonging_together(grouped).tolist() == [0, 1, 0, 0, 1, 0]
    assert belonging_together(replace(digits, same_pictures=[], groups=list("abcdef"))) is None


def test_copies_are_held_out_together(noisy_digits):
    pairs = [[row, row + 100] for row in range(100)]
    digits = replace(noisy_digits.subset(np.arange(200)), same_pictures=pairs)
    held = Trainer(settings(validation=0.2), digits).held_out
    assert int(held.sum()) == 40
    assert torch.equal(held[:100], held[100:])


def test_a_group_larger_than_the_share():
    group_of = torch.tensor([0] * 4 + [1] * 6)
    assert hold_out(10, 0.1, generator(), group_of).tolist() == [True] * 4 + [False] * 6
    with pytest.raises(DataError, match=r"all images are of one group.*--validation"):
        hold_out(10, 0.1, generator(), torch.zeros(10, dtype=torch.int64))


def settings(method="ce", **training):
    training = {"precision": "float32", "memory_format": "contiguous", **training}
    return Settings(
        METHODS[method].Settings(),
        network=NetworkSettings(widths=[8, 16]),
        training=TrainingSettings(**training),
    )


def test_a_run_before_its_first_step(noisy_digits):
    found = set_up(settings(), noisy_digits, METHODS["ce"], generator())
    assert (found.batch_size, found.lr) == (32, pytest.approx(0.2 * (32 / 125) ** 0.5))
    assert found.augmentation.flip is False
    assert found.flip_average is False
    pixels = noisy_digits.images.gather(torch.arange(600)).double()
    assert found.normalisation.mean[0] == pytest.approx(float(pixels.mean()))
    assert found.normalisation.std[0] == pytest.approx(float(pixels.std(correction=0)))
    assert tuple(found.sample.shape) == (600, 1, 8, 8)
    assert len(found.networks) == 1
    assert found.networks[0].num_outputs == 10
    assert found.arithmetic.precision == "float32"


def test_mirroring_is_as_set_known_or_measured(noisy_digits):
    def decided(mirror_safe, flip=None):
        chosen = replace(settings(), augmentation=AugmentationSettings(flip=flip))
        found = set_up(chosen, replace(noisy_digits, mirror_safe=mirror_safe), METHODS["ce"], generator())
        assert found.augmentation.flip == found.mirroring.on
        return found.mirroring.on, found.mirroring.outcome

    assert decided(True) == (True, "known")
    assert decided(False, flip=True) == (True, "set")
    assert decided(None) == (False, "unsafe")


def test_a_run_that_goes_on_keeps_what_it_decided_on_mirroring(noisy_digits):
    kept = Mirroring(True, "safe", 600, 0.9, 0.1)
    found = set_up(settings(), noisy_digits, METHODS["ce"], generator(), mirroring=kept)
    assert found.mirroring is kept
    assert found.augmentation.flip
    assert describe(found, noisy_digits, 1)["mirroring"] == str(kept)


def test_predictions_are_averaged_over_mirror_images_only_where_views_are_mirrored(noisy_digits):
    safe = replace(noisy_digits, mirror_safe=True)
    assert set_up(settings(), safe, METHODS["ce"], generator()).flip_average
    assert not set_up(settings(flip_average=False), safe, METHODS["ce"], generator()).flip_average


def test_the_method_says_how_many_networks_and_outputs_there_are(noisy_digits):
    two = set_up(settings("co_teaching"), noisy_digits, METHODS["co_teaching"], generator()).networks
    assert len(two) == 2
    heads = [network.classifier.weight for network in two]
    assert not torch.equal(*heads)
    (network,) = set_up(settings("dac"), noisy_digits, METHODS["dac"], generator()).networks
    assert network.num_outputs == 11


def test_the_generator_decides(noisy_digits):
    def weight(seed):
        found = set_up(settings(), noisy_digits, METHODS["ce"], generator(seed))
        return found.networks[0].classifier.weight

    assert torch.equal(weight(0), weight(0))
    assert not torch.equal(weight(0), weight(1))


def test_networks_are_fitted_to_the_data_and_are_again_when_redrawn(noisy_digits):
    found = set_up(settings(), noisy_digits, METHODS["ce"], generator())
    (network,) = found.networks
    fixed = {name: p.clone() for name, p in network.named_parameters() if not p.requires_grad}
    assert fixed
    before = network.classifier.weight.detach().clone()
    found.redraw(network, generator(5), "classifier")
    assert not torch.equal(network.classifier.weight, before)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name in fixed:
                parameter.zero_()
    found.redraw(network, generator(5))
    assert all(torch.equal(p, fixed[name]) for name, p in network.named_parameters() if name in fixed)


def test_a_run_that_goes_on_keeps_its_arithmetic(noisy_digits):
    auto = settings(precision="auto", memory_format="auto")
    found = set_up(auto, noisy_digits, METHODS["ce"], generator(), ("float32", "channels_last"))
    assert (found.arithmetic.precision, found.arithmetic.memory_format) == ("float32", "channels_last")


def test_one_class_is_refused_in_one_line(noisy_digits):
    one = replace(noisy_digits.with_labels(np.zeros(600, dtype=np.int64)), class_names=["zero"])
    one = replace(one, true_labels=None, name="zeros")
    with pytest.raises(DataError, match="zeros: only one class; a classifier needs at least two"):
        set_up(settings(), one, METHODS["ce"], generator())


def test_classes_too_small_to_judge_are_named(noisy_digits):
    labels = noisy_digits.given_labels.copy()
    labels[labels == 3] = 2
    labels[:4] = 3
    with pytest.warns(LabelmendWarning, match=r"1 of 10 classes have fewer than 5 .* '3' \(4\); look"):
        set_up(settings(), noisy_digits.with_labels(labels), METHODS["ce"], generator())
    labels[4] = 3
    with warnings.catch_warnings():
        warnings.simplefilter("error", LabelmendWarning)
        set_up(settings(), noisy_digits.with_labels(labels), METHODS["ce"], generator())


def test_of_many_small_classes_five_are_named(noisy_digits):
    few = noisy_digits.subset(range(20)).with_labels(np.arange(20) % 10)
    with pytest.warns(LabelmendWarning, match=r"10 of 10 .* '0' \(2\), .* '4' \(2\) and 5 more; "):
        setup.warn_of_small_classes(few)
