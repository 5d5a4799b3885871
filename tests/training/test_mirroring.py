"""Arrows, digits and letters must not be mirrored, symmetric letters and photographs may."""

import math
import os
import string
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from labelmend.data.image_set import MemoryImages
from labelmend.data.sources import load
from labelmend.training import mirroring
from labelmend.training.mirroring import (
    Mirroring,
    decide_mirroring,
    draw_patches,
    judge_mirroring,
    likeness,
    patch_features,
    shrink,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def decide(pixels, labels, names=None, flip=None, mirror_safe=None, seed=0):
    labels = torch.as_tensor(np.asarray(labels))
    names = names or [str(i) for i in range(int(labels.max()) + 1)]
    images = MemoryImages(torch.as_tensor(np.asarray(pixels)))
    return decide_mirroring(flip, mirror_safe, images, labels, names, generator(seed))


def with_wrong(labels, classes, share, rng):
    labels = np.array(labels)
    wrong = rng.permutation(len(labels))[: round(share * len(labels))]
    labels[wrong] = (labels[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return labels


def arrows(count, rng, anywhere=False, turn=0):
    """Half to the left (0), half to the right (1), 32 px; turned by 90 degrees they point up and down."""
    pictures = []
    for i in range(count):
        picture = Image.new("RGB", (32, 32), tuple(rng.integers(0, 60, 3)))
        draw = ImageDraw.Draw(picture)
        length, sign = rng.integers(14, 26), 2 * (i % 2) - 1
        spare = (32 - length) / 2 if anywhere else 2
        x, y = 16 + rng.uniform(-spare, spare), 16 + rng.uniform(-spare, spare)
        tip, head = x + sign * length / 2, length / 4
        draw.line([(x - sign * length / 2, y), (tip, y)], fill=(230, 230, 230), width=2)
        back = tip - sign * head
        draw.line([(back, y - head), (tip, y), (back, y + head)], fill=(230, 230, 230), width=2)
        pictures.append(np.asarray(picture.rotate(turn)))
    return np.stack(pictures), np.arange(count) % 2


def letters(text, each, rng):
    pictures = []
    for letter in text:
        for _ in range(each):
            picture = Image.new("L", (28, 28), 0)
            draw, font = ImageDraw.Draw(picture), ImageFont.load_default(int(rng.integers(15, 22)))
            x, y = rng.integers(-2, 3, 2)
            draw.text((14 + x, 14 + y), letter, fill=255, font=font, anchor="mm")
            pictures.append(np.asarray(picture.rotate(rng.uniform(-8, 8)))[..., None])
    return np.stack(pictures), np.repeat(np.arange(len(text)), each)


@pytest.mark.parametrize("wrong", [0.0, 0.25])
@pytest.mark.parametrize("anywhere", [False, True])
def test_left_and_right_arrows_are_not_mirrored(anywhere, wrong):
    rng = np.random.default_rng(0)
    pixels, labels = arrows(120, rng, anywhere)
    found = decide(pixels, with_wrong(labels, 2, wrong, rng), ["left", "right"])
    assert (found.on, found.outcome) == (False, "unsafe")
    assert found.kept == pytest.approx(-1, abs=0.5)


def test_up_and_down_arrows_are_mirrored():
    rng = np.random.default_rng(0)
    found = decide(*arrows(120, rng, turn=90))
    assert (found.on, found.outcome) == (True, "safe")


@pytest.mark.parametrize("text", [string.ascii_lowercase, string.ascii_uppercase, "bdpq", "23679"])
def test_letters_are_not_mirrored(text):
    rng = np.random.default_rng(0)
    pixels, labels = letters(text, 20, rng)
    found = decide(pixels, with_wrong(labels, len(text), 0.2, rng))
    assert (found.on, found.outcome) == (False, "unsafe")


def test_symmetric_letters_are_mirrored():
    rng = np.random.default_rng(0)
    pixels, labels = letters("AHOXTV", 30, rng)
    found = decide(pixels, with_wrong(labels, 6, 0.2, rng))
    assert found.on
    assert found.kept == pytest.approx(1, abs=0.1)


def test_two_classes_that_mirroring_swaps_among_many_that_it_keeps():
    rng = np.random.default_rng(0)
    text = "AHIMOTUVWXY8bd"
    found = decide(*letters(text, 25, rng), names=list(text))
    assert (found.on, found.outcome) == (False, "unsafe")
    assert found.worst in ("b", "d")
    assert found.kept > 0.7  # of all classes together


@pytest.mark.parametrize("count", [50, 200, 1297])
def test_digits_as_arrays_are_not_mirrored(count):
    rng = np.random.default_rng(0)
    digits = load("digits", limit=count)
    labels = with_wrong(digits.given_labels, 10, 0.2, rng)
    found = decide(digits.images.pixels, labels, digits.class_names)
    assert (found.on, found.outcome) == (False, "unsafe")


DATA = Path(os.environ.get("LABELMEND_DATA") or Path(__file__).parents[2].parent / "shared" / "data")


@pytest.fixture
def flowers(tmp_path):
    """The first 180 photographs of each of five kinds of flowers."""
    kinds = sorted((DATA / "flowers" / "train").glob("*"))
    if not kinds:
        pytest.skip(f"no flowers/train in {DATA}; set LABELMEND_DATA")
    for kind in kinds:
        (tmp_path / kind.name).mkdir()
        for file in sorted(kind.iterdir())[:180]:
            (tmp_path / kind.name / file.name).symlink_to(file)
    return load(tmp_path, image_size=48)


@pytest.fixture
def cifar10():
    if not (DATA / "benchmarks" / "cifar10").is_dir():
        pytest.skip(f"no benchmarks/cifar10 in {DATA}; set LABELMEND_DATA")
    return load("cifar10", root=str(DATA), limit=900)


@pytest.mark.parametrize("name", ["cifar10", "flowers"])
def test_photographs_are_mirrored(name, request):
    photographs = request.getfixturevalue(name)
    wrong = with_wrong(photographs.given_labels, photographs.num_classes, 0.3, np.random.default_rng(0))
    labels = torch.from_numpy(wrong)
    names = photographs.class_names
    decided = decide_mirroring(None, None, photographs.images, labels, names, generator())
    assert (decided.on, decided.outcome) == (True, "safe")
    assert decided.images == mirroring.IMAGES


def test_where_labels_say_nothing_of_the_images_nothing_can_be_told():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (200, 12, 12, 3), dtype=np.uint8)
    found = decide(pixels, rng.integers(0, 4, 200))
    assert (found.on, found.outcome) == (False, "unknown")


@pytest.mark.parametrize("shape", [(8, 12, 12, 1), (40, 2, 2, 1)])
def test_too_few_or_too_small_to_tell(shape):
    found = decide(np.zeros(shape, np.uint8), np.arange(shape[0]) % 2)
    assert (found.on, found.outcome, found.images) == (False, "unknown", shape[0])


def test_flat_images_and_one_class_are_no_error():
    assert decide(np.full((60, 9, 9, 3), 7, np.uint8), np.arange(60) % 3).outcome == "unknown"
    assert decide(np.full((60, 9, 9, 3), 7, np.uint8), np.zeros(60, np.int64)).outcome == "unknown"


@pytest.mark.parametrize(
    ("flip", "known", "on", "outcome"),
    [
        (True, None, True, "set"),
        (True, False, True, "set"),
        (False, True, False, "set"),
        (None, False, False, "known"),
        (None, True, True, "known"),
    ],
)
def test_a_flag_comes_first_then_what_is_known(flip, known, on, outcome):
    """The images would say otherwise, were they asked."""
    rng = np.random.default_rng(0)
    found = decide(*(arrows(120, rng) if on else letters("AHOXTV", 30, rng)), flip=flip, mirror_safe=known)
    assert (found.on, found.outcome, found.images) == (on, outcome, 0)


def test_the_same_seed_decides_alike_and_the_labels_are_left_alone():
    digits = load("digits", limit=300)
    labels = digits.given_labels.copy()
    first, second = (decide(digits.images.pixels, labels) for _ in range(2))
    assert first == second
    assert np.array_equal(labels, digits.given_labels)


def test_small_versions_by_hand():
    red = torch.zeros(1, 4, 40, 3, dtype=torch.uint8)
    red[:, :, 20:, 0] = 200
    small = shrink(red)
    assert small.shape == (1, 1, 4, 20)
    # 0.299 * 200 = 59.8 in one half, 0 in the other: half of it from the mean, the deviation of 80 places.
    deviation = 29.9 * math.sqrt(80 / 79)
    assert torch.allclose(small[0, 0, :, 10:], torch.tensor(29.9 / (deviation + 10)))
    assert torch.allclose(small[0, 0, :, :10], torch.tensor(-29.9 / (deviation + 10)))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.integers(4, 20), st.integers(4, 20))
def test_features_of_a_mirror_image_are_those_of_the_mirrored_image(seed, height, width):
    small = torch.randn(7, 1, height, width, generator=generator(seed))
    _, mirrored = patch_features(small, generator(1))
    both = torch.cat([small, small.flip(3)])

    def same(some, _):
        return draw_patches(small, generator(1))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirroring, "draw_patches", same)
        plain, _ = patch_features(both, generator(1))
    assert torch.allclose(plain[7:], mirrored, atol=1e-5)


def test_patches_are_those_of_most_contrast_and_of_length_one():
    small = torch.zeros(2, 1, 8, 8)
    small[:, 0, :, 4:] = 1
    patches = draw_patches(small, generator())
    assert patches.shape == (mirroring.PATCHES, 1, 3, 3)
    lengths = patches.flatten(1).norm(dim=1)
    assert torch.allclose(lengths[lengths > 0.5], torch.tensor(1.0), atol=1e-4)
    assert torch.allclose(patches.mean((1, 2, 3)), torch.zeros(len(patches)), atol=1e-6)
    assert int((lengths > 0.5).sum()) == mirroring.PATCHES  # no flat one


def test_likeness_is_that_of_a_ridge_regression_on_the_other_folds():
    """One feature of two values: by hand."""
    plain = torch.tensor([[1.0], [-1.0]]).repeat(4, 1)
    labels = torch.tensor([0, 1]).repeat(4)
    fold = torch.arange(8) // 2 % 2
    own, mirrored = likeness(plain, -plain, labels, 2, fold)
    # Four known images of mean 0: deviation s = sqrt(4 / 3), and 1e-3 s is added; targets are +-0.5.
    z = 1 / (1.001 * math.sqrt(4 / 3))
    expected = z * (4 * z * 0.5) / (4 * z**2 + 1)
    assert own.tolist() == pytest.approx([expected] * 8)
    assert mirrored.tolist() == pytest.approx([-expected] * 8)


def test_the_verdict_by_hand():
    labels = torch.zeros(100, dtype=torch.int64)
    own = torch.ones(100, dtype=torch.float64)

    def judged(mean, spread):
        # Half of them above and half below the mean, so that the standard error is spread / 10.
        offset = torch.tensor([spread, -spread]).repeat(50) * math.sqrt(99 / 100)
        return judge_mirroring(own, mean + offset.double(), labels, ["a"])

    safe = judged(0.9, 0.5)
    assert (safe.on, safe.outcome, safe.images, safe.worst) == (True, "safe", 100, None)
    assert safe.kept == pytest.approx(0.9)
    assert safe.error == pytest.approx(0.05)
    assert judged(0.9, 1.6).outcome == "unknown"  # 0.9 - 2 * 0.16 is below 0.6
    assert judged(0.55, 0.2).outcome == "unsafe"  # 0.55 + 2 * 0.02 as well
    assert judged(0.55, 0.4).outcome == "unknown"
    harmed = judged(0.4, 0.2)
    assert (harmed.outcome, harmed.worst) == ("unsafe", "a")
    assert judge_mirroring(-own, own, labels, ["a"]).outcome == "unknown"


def test_a_harmed_class_counts_once_for_each_class_that_is_asked():
    # A mean loss of 0.5 - 0.1 over 10 images, t = 5: level 0.00037, times 2 below 0.001, times 3 above it.
    own = torch.ones(30, dtype=torch.float64)
    labels = torch.arange(3).repeat_interleave(10)
    offset = torch.tensor([1.0, -1.0]).repeat(5).double() * 0.4 / 5 * math.sqrt(9)
    mirrored = torch.cat([0.1 + offset, torch.ones(20, dtype=torch.float64)])
    names = ["a", "b", "c"]
    assert judge_mirroring(own[:20], mirrored[:20], labels[:20], names).worst == "a"
    assert judge_mirroring(own, mirrored, labels, names).worst is None


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Mirroring(True, "set"), "mirroring is on, as set by --flip"),
        (
            Mirroring(False, "known"),
            "mirroring is off: known of this data (--flip true turns it on)",
        ),
        (
            Mirroring(True, "safe", 800, 0.97, 0.02),
            "mirroring is on: mirror images keep 97% of the likeness to their class "
            "(--flip false turns it off)",
        ),
        (
            Mirroring(False, "unsafe", 120, -0.5, 0.1, "left"),
            "mirroring is off: mirror images look like other classes, most in 'left' "
            "(--flip true turns it on)",
        ),
        (
            Mirroring(False, "unsafe", 120, 0.25, 0.1, "3"),
            "mirroring is off: mirror images keep 25% of the likeness to their class, least in '3' "
            "(--flip true turns it on)",
        ),
        (
            Mirroring(False, "unknown", 60),
            "mirroring is off: 60 images do not tell whether a mirror image keeps its class "
            "(--flip true turns it on)",
        ),
    ],
)
def test_it_is_said_in_a_line_with_the_flag(found, text):
    assert str(found) == text


def test_only_some_images_are_read(monkeypatch):
    monkeypatch.setattr(mirroring, "IMAGES", 60)
    digits = load("digits", limit=300)
    read = []

    class Counted:
        shape = digits.images.shape

        def gather(self, index):
            read.extend(index.tolist())
            return digits.images.gather(index)

    found = decide_mirroring(
        None, None, Counted(), torch.from_numpy(digits.given_labels), digits.class_names, generator()
    )
    assert len(set(read)) == len(read) == found.images == 60


def test_a_set_that_says_nothing_is_measured():
    digits = load("digits")
    assert digits.mirror_safe is False
    assert replace(digits, mirror_safe=None).subset([0, 1]).mirror_safe is None
