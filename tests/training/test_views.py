import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelmend.training.views import (
    Augmentation,
    Normalisation,
    colour_jitter,
    crop_flip,
    cutout,
    feature_views,
    reflect,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_reflect_does_not_repeat_the_border():
    assert reflect(torch.arange(-2, 6), 4).tolist() == [2, 1, 0, 1, 2, 3, 2, 1]


@given(st.integers(0, 3), st.booleans(), st.integers(0, 1000))
def test_every_view_is_a_shifted_or_mirrored_copy(max_shift, flip, seed):
    images = torch.arange(2 * 5 * 5 * 3).reshape(2, 5, 5, 3)
    views = crop_flip(images, max_shift, flip, generator(seed))
    for image, view in zip(images, views, strict=True):
        candidates = []
        for dy in range(-max_shift, max_shift + 1):
            for dx in range(-max_shift, max_shift + 1):
                rows, columns = reflect(torch.arange(5) + dy, 5), reflect(torch.arange(5) + dx, 5)
                shifted = image[rows][:, columns]
                candidates += [shifted, shifted.flip(1)] if flip else [shifted]
        assert any(torch.equal(view, c) for c in candidates)


def test_normalised_statistics():
    images = torch.randint(0, 256, (50, 6, 6, 3), dtype=torch.uint8, generator=generator())
    out = Normalisation.of(images)(images)
    assert out.shape == (50, 3, 6, 6)
    assert torch.allclose(out.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(out.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5)
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_a_constant_channel_is_not_divided_by_zero():
    assert Normalisation.of(torch.full((3, 4, 4, 1), 7, dtype=torch.uint8)).std == (1.0,)


def test_cutout_blanks_at_most_its_square():
    images = cutout(torch.ones(200, 2, 10, 10), 4, generator())
    blank = (images == 0).sum((1, 2, 3)) / 2
    assert blank.max() == 16
    assert blank.min() >= 4  # a centre in the corner leaves a quarter
    assert torch.equal(images[:, 0], images[:, 1])


def test_colour_jitter_of_strength_zero_changes_nothing():
    images = torch.randint(0, 256, (4, 5, 5, 3), dtype=torch.uint8, generator=generator())
    assert torch.allclose(colour_jitter(images, 0.0, generator()), images.float(), atol=1e-3)
    jittered = colour_jitter(images, 0.5, generator())
    assert jittered.min() >= 0
    assert jittered.max() <= 255
    assert not torch.allclose(jittered, images.float(), atol=1)


def test_colour_jitter_pixel_by_pixel():
    images = torch.randint(60, 140, (3, 2, 2, 3), dtype=torch.uint8, generator=generator())
    drawn = torch.rand(3, 3, generator=generator(8)).tolist()
    jittered = colour_jitter(images, 0.4, generator(8))
    for i, image in enumerate(images.tolist()):
        brightness, contrast, saturation = (1 + 0.4 * (2 * drawn[k][i] - 1) for k in range(3))
        pixels = []
        for pixel in (pixel for row in image for pixel in row):
            red, green, blue = (brightness * value for value in pixel)
            grey = 0.299 * red + 0.587 * green + 0.114 * blue
            pixels.append([grey + saturation * (value - grey) for value in (red, green, blue)])
        mean = sum(map(sum, pixels)) / 12
        wanted = [mean + contrast * (value - mean) for pixel in pixels for value in pixel]
        assert jittered[i].flatten().tolist() == pytest.approx(wanted, abs=1e-3)


def test_grey_images_have_no_saturation():
    images = torch.randint(60, 140, (2, 3, 3, 1), dtype=torch.uint8, generator=generator())
    assert torch.allclose(
        colour_jitter(images, 0.4, generator(8)),
        colour_jitter(images.expand(2, 3, 3, 3), 0.4, generator(8))[..., :1],
        atol=1e-3,
    )


def test_colours_and_a_square_change_in_strong_views_alone():
    images = torch.randint(50, 200, (6, 8, 8, 3), dtype=torch.uint8, generator=generator())
    normalised = Normalisation((100.0,) * 3, (50.0,) * 3)
    source = generator(5)
    pixels = crop_flip(images, 2, True, source)
    jittered = colour_jitter(pixels, 0.4, source)
    for cut, jitter, wanted in ((0, 0.0, pixels), (0, 0.4, jittered), (3, 0.4, jittered)):
        augmentation = Augmentation(normalised, 2, True, cut, jitter)
        assert torch.equal(augmentation(images, generator(5), False), normalised(pixels))
        view = augmentation(images, generator(5), True)
        assert torch.equal(view, cutout(normalised(wanted), cut, source) if cut else normalised(wanted))


def test_half_of_the_images_are_mirrored():
    views = crop_flip(torch.tensor([[1, 2]]).expand(4000, 2, 2)[..., None], 0, True, generator())
    assert 0.47 < (views[:, 0, 0, 0] == 2).float().mean() < 0.53


def test_views_repeat_with_the_generator():
    images = torch.randint(0, 256, (4, 8, 8, 3), dtype=torch.uint8, generator=generator())
    augmentation = Augmentation(Normalisation((0.0,) * 3, (1.0,) * 3), 2, True, 3, 0.4)
    for strong in (False, True):
        a, b = (augmentation(images, generator(5), strong) for _ in range(2))
        assert torch.equal(a, b)
    assert not torch.equal(
        augmentation(images, generator(5), False), augmentation(images, generator(5), True)
    )


def all_views(flip, padding):
    """Every view that 500 seeds draw of the image 12 / 34, shifted by a pixel at most, row by row."""
    image = torch.tensor([[1, 2], [3, 4]]).reshape(1, 2, 2, 1)
    views = (crop_flip(image, 1, flip, generator(seed), padding) for seed in range(500))
    return {"".join(str(int(pixel)) for pixel in view.flatten()) for view in views}


ZERO_PADDED = {"1234", "3400", "0012", "2040", "0103", "4000", "0300", "0020", "0001"}


def test_zero_padding_by_hand():
    assert all_views(False, "zero") == ZERO_PADDED


def test_the_black_border_is_mirrored_with_the_image():
    mirrored = {view[1::-1] + view[:1:-1] for view in ZERO_PADDED}
    assert all_views(True, "zero") == ZERO_PADDED | mirrored


def test_reflected_padding_by_hand():
    assert all_views(False, "reflect") == {"1234", "3412", "2143", "4321"}


@given(st.integers(0, 3), st.booleans(), st.integers(0, 1000))
def test_padded_views_are_reflected_ones_with_a_black_border(max_shift, flip, seed):
    images = 1 + torch.arange(2 * 5 * 5 * 3).reshape(2, 5, 5, 3)
    black = crop_flip(images, max_shift, flip, generator(seed), "zero")
    whole = crop_flip(images, max_shift, flip, generator(seed))
    assert torch.equal(black, torch.where(black == 0, 0, whole))
    for view in (black == 0).all(3):
        rows, columns = view.all(1), view.all(0)
        assert torch.equal(view, rows[:, None] | columns[None])
        assert max(int(rows.sum()), int(columns.sum())) <= max_shift


def test_the_padding_of_a_view_is_as_set():
    images = torch.full((20, 8, 8, 1), 200, dtype=torch.uint8)
    plain = Normalisation((0.0,), (1.0,))
    for padding, black in (("zero", True), ("reflect", False)):
        view = Augmentation(plain, 3, False, 0, 0.0, padding)(images, generator(), False)
        assert bool((view == 0).any()) == black


def test_each_image_has_a_stored_view_and_gaps_of_its_own():
    # Feature k of stored view v of image i is 100 i + 10 v + k / 1000.
    features = (
        100.0 * torch.arange(400)[:, None, None]
        + 10 * torch.arange(3)[None, :, None]
        + torch.arange(20) / 1000
    )
    weak = feature_views(features, generator(), False)
    drawn = ((weak[:, 0] - 100 * torch.arange(400)) / 10).round()
    assert torch.allclose(
        weak, 100.0 * torch.arange(400)[:, None] + 10 * drawn[:, None] + torch.arange(20) / 1000
    )
    assert (torch.bincount(drawn.long(), minlength=3) > 100).all()
    strong = feature_views(features, generator(), True)
    gone = strong != weak
    assert torch.allclose(strong[gone], weak.mean(0).expand_as(weak)[gone])
    assert 0.08 < float(gone.float().mean()) < 0.12
    assert len({tuple(row) for row in gone.tolist()}) > 100
    assert float(gone.float().mean(0).min()) > 0 and float(gone.float().mean(0).max()) < 0.2


def test_squares_lie_in_different_places():
    images = cutout(torch.ones(200, 1, 10, 10), 4, generator())
    assert len({tuple((image == 0).flatten().tolist()) for image in images}) > 50


def test_a_mirrored_view_shows_what_a_shift_left_in_view():
    image = torch.arange(1, 6).reshape(1, 1, 5, 1).expand(1, 3, 5, 1)
    rows = set()
    for seed in range(300):
        view = crop_flip(image, 1, True, torch.Generator().manual_seed(seed), "zero")[0, 1, :, 0]
        rows.add("".join(str(int(pixel)) for pixel in view))
    shifted = {"12345", "01234", "23450"}
    assert rows == shifted | {row[::-1] for row in shifted}
